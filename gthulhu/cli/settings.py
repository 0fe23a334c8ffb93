"""Finds and loads the configuration of a part, as `-c` and `-d` say."""

import pathlib

from gthulhu.agent import config as agent_config
from gthulhu.common import config as configs
from gthulhu.common import errors
from gthulhu.manager import config as manager_config

MANAGER_FILE = "manager_config"
AGENT_FILE = "dm_config"


def find(name: str | None, *, state_dir: pathlib.Path | None, default: str) -> pathlib.Path | None:
    """Return the configuration file that is meant.

    Args:
        name: A path, or (as the older project's `-c manager_config`) a name without suffix that is looked for in the
            state folder; None: the default's, where there is one.
        state_dir: The folder that `-d` gives.
        default: The default's name.
    """
    folder = state_dir or pathlib.Path()
    if name is None:
        implied = folder / f"{default}.toml"
        return implied if state_dir and implied.exists() else None
    candidates = (pathlib.Path(name), folder / name, folder / f"{name}.toml")
    return next((path for path in candidates if path.is_file()), candidates[0])


def manager(
    *, config: str | None, state_dir: pathlib.Path | None, level: str | None = None
) -> configs.Loaded[manager_config.ManagerConfig]:
    """Return a manager's settings."""
    return configs.load(
        manager_config.ManagerConfig,
        file=find(config, state_dir=state_dir, default=MANAGER_FILE),
        flags={"state_dir": state_dir, "logging.level": level},
    )


def agent(
    *, config: str | None, state_dir: pathlib.Path | None, level: str | None = None
) -> configs.Loaded[agent_config.AgentConfig]:
    """Return an agent's settings."""
    return configs.load(
        agent_config.AgentConfig,
        file=find(config, state_dir=state_dir, default=AGENT_FILE),
        flags={"state_dir": state_dir, "logging.level": level},
    )


def of_kind(
    kind: str, *, config: str | None, state_dir: pathlib.Path | None
) -> configs.Loaded[manager_config.ManagerConfig] | configs.Loaded[agent_config.AgentConfig]:
    """Return the settings of a `manager` or an `agent`; `InvalidInputError` for anything else."""
    if kind == "manager":
        return manager(config=config, state_dir=state_dir)
    if kind == "agent":
        return agent(config=config, state_dir=state_dir)
    raise errors.InvalidInputError.of_field("kind", f"{kind!r} is neither manager nor agent")
