"""What a gateway can be told."""

import dataclasses
import importlib.resources
import ipaddress
import pathlib
from collections.abc import Sequence

from gthulhu.common import assets
from gthulhu.gateway import routes

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate chain and its key, PEM files, read anew when something is moved into the folder of the chain."""

    chain: pathlib.Path
    key: pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """What the gateway reads at run time; the defaults are this installation's own files."""

    descriptors: pathlib.Path = dataclasses.field(
        default_factory=lambda: pathlib.Path(str(importlib.resources.files("gthulhu.v1") / "gthulhu.binpb"))
    )
    """The compiled schema."""
    presentation: pathlib.Path = dataclasses.field(default_factory=lambda: assets.path("gateway/presentation.lua"))
    """The filter that gives answers their REST shape."""
    ui: pathlib.Path = dataclasses.field(default_factory=lambda: assets.path("gateway/ui"))
    """The web UI."""
    swagger: pathlib.Path = pathlib.Path("swagger")
    """The page that shows the OpenAPI document, and the document as doc.json; relative to Envoy's working folder, where
    `Gateway` makes it."""
    swagger_assets: pathlib.Path = dataclasses.field(
        default_factory=lambda: pathlib.Path(str(importlib.resources.files("flask_swagger_ui") / "dist"))
    )
    """Swagger UI itself."""
    secrets: pathlib.Path = pathlib.Path("secrets")
    """What tells Envoy where certificates are, and to watch them; relative like `swagger`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that makes one gateway differ from another."""

    kind: routes.Kind
    """What it stands in front of."""
    listen: str
    """host:port; an empty host means every address, port 0 a free one."""
    upstreams: Sequence[str]
    """What it passes requests to: `host:port` each (a name counts with all its addresses), or `unix:path`."""
    certificates: pathlib.Path | None = None
    """Folder with ca.crt, gateway.crt and gateway.key for mTLS to the managers; None only for plain HTTP/2."""
    trust_domain: str = "gthulhu.local"
    """Managers must show the SPIFFE id `spiffe://<trust domain>/manager`."""
    server_name: str = "gthulhu-manager"
    """The name that is asked for in the TLS handshake with a manager."""
    tls: Certificate | None = None
    """What clients see; None means plain HTTP, for loopback or behind something that ends TLS."""
    admin: str = ""
    """Envoy's own interface: `unix:path` or a loopback host:port; empty: none."""
    access_log: str = "/dev/stdout"
    """A file for one line of JSON a request; empty: none."""
    cors_origins: Sequence[str] = ()
    """Origins (`https://host`) whose pages may call the API from a browser."""
    login_attempts: int = 5
    """How often one client address (one /64 for IPv6) may try to log in within a minute."""
    open_to: Sequence[str] = ()
    """Address ranges that may read what anybody may: health, version, metrics; empty: all addresses."""
    trusted_proxies: int = 0
    """How many proxies stand in front, whose `x-forwarded-for` is believed; 0 takes the connection's address."""
    request_timeout: float = 15.0
    """Seconds for one answer; event streams have no limit."""
    reflection: bool = True
    """Whether gRPC reflection is passed on (whether it is served is the manager's choice)."""
    files: Files = dataclasses.field(default_factory=Files)

    def __post_init__(self) -> None:
        """Refuse what would open more than it should.

        Raises:
            ValueError: The admin interface would be reachable from elsewhere, there is nothing to pass requests to, or
                a range of addresses is none.
        """
        if not self.upstreams:
            raise ValueError("upstreams: at least one host:port or unix:path is needed")
        if self.admin and not self.admin.startswith("unix:") and split(self.admin)[0] not in _LOOPBACK:
            raise ValueError(f"admin: {self.admin!r} is neither unix:path nor on loopback (127.0.0.1, [::1])")
        for given in self.open_to:
            try:
                ipaddress.ip_network(given)
            except ValueError as error:
                raise ValueError(f"open_to: {error}: write a range as 10.0.0.0/8, an address as 10.0.0.1") from None

    @property
    def exposed(self) -> bool:
        """Whether others than this machine can reach it, and read what passes."""
        return self.tls is None and not self.listen.startswith("unix:") and split(self.listen)[0] not in _LOOPBACK


def split(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; IPv6 addresses stand in brackets.

    Raises:
        ValueError: It is no such address.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest TCP port
        raise ValueError(f"{address!r} is not host:port with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)
