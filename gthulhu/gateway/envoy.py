"""Small helpers for Envoy's configuration language."""

from typing import Any, TypeAlias

from gthulhu.gateway import options

Config: TypeAlias = dict[str, Any]
"""A message of Envoy's API, in its JSON form."""


def typed(message: str, /, **fields: object) -> Config:
    """Return a message for an `Any` field; the name goes without the package prefix of its type URL."""
    return {"@type": f"type.googleapis.com/envoy.{message}", **fields}


def http_filter(name: str, message: str, /, **fields: object) -> Config:
    """Return an entry of `http_filters`."""
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed(message, **fields)}


def address(text: str) -> Config:
    """Return an address from `host:port` (no host: every address) or `unix:path`."""
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:"), "mode": 0o600}}
    host, port = options.split(text)
    return {"socket_address": {"address": host or "0.0.0.0", "port_value": port}}  # noqa: S104 - asked for


def seconds(value: float) -> str:
    """Return a duration."""
    return f"{value:g}s"
