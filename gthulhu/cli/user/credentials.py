"""The tokens of a login, in the user's configuration folder, readable by the user only."""

import dataclasses
import json
import os
import pathlib
import tempfile

DEFAULT_SERVER = "http://127.0.0.1:8081"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One login."""

    server: str
    """The gateway's URL."""
    username: str
    access_token: str
    refresh_token: str
    expires_at: float
    """When the access token ends: seconds since the epoch."""
    ca: str = ""
    """Path of the CA certificate that the gateway's is checked with; empty: the machine's."""


def path() -> pathlib.Path:
    """Return where they are kept: `$XDG_CONFIG_HOME/gthulhu/credentials.json`, `~/.config/…` by default."""
    base = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
    return pathlib.Path(base, "gthulhu", "credentials.json")


def load() -> Credentials | None:
    """Return the last login's; None where there is none."""
    try:
        return Credentials(**json.loads(path().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def save(credentials: Credentials) -> None:
    """Replace what is kept, at once and as a whole; mkstemp makes files of mode 0600."""
    target = path()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".credentials-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(credentials), file)
    pathlib.Path(name).replace(target)
