"""Settings: a TOML file, overridden by the environment, overridden by flags; every value knows where it came from.

Constructing a settings class reads nothing from outside; only `load` does. Keys are dotted paths in lower case, for
example `server.host`: `[server] host` in the file, `GTHULHU_MANAGER_SERVER__HOST` in the environment.
"""

from gthulhu.common.config.base import Section as Section
from gthulhu.common.config.base import Settings as Settings
from gthulhu.common.config.base import fields as fields
from gthulhu.common.config.base import value_of as value_of
from gthulhu.common.config.loading import Loaded as Loaded
from gthulhu.common.config.loading import load as load
from gthulhu.common.config.text import reference as reference
from gthulhu.common.config.text import show as show
