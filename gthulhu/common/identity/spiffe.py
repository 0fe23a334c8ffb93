"""SPIFFE ids: the names in certificates (https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/).

`spiffe://<trust domain>/manager`, `…/gateway` and `…/agent/<node>`; the CA's own is `spiffe://<trust domain>`.
"""

import dataclasses
import re
from typing import Literal, get_args

from gthulhu.common import errors

Role = Literal["manager", "gateway"]
Kind = Literal["manager", "gateway", "agent"]

_NODE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_TRUST_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?")


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """A part of the system, as its certificate names it."""

    kind: Kind
    name: str = ""
    """The node's, for agents."""


def identifier(peer: Peer, *, trust_domain: str) -> str:
    """Return the id of a part; `InvalidInputError` where a name cannot stand in one."""
    check_trust_domain(trust_domain)
    if peer.kind != "agent":
        return f"spiffe://{trust_domain}/{peer.kind}"
    check_node(peer.name)
    return f"spiffe://{trust_domain}/agent/{peer.name}"


def parse(uri: str, *, trust_domain: str) -> Peer | None:
    """Return whose id it is; None where it is of another trust domain, or none of ours."""
    prefix = f"spiffe://{trust_domain}/"
    if not uri.startswith(prefix):
        return None
    kind, _, name = uri.removeprefix(prefix).partition("/")
    if kind == "agent" and _NODE.fullmatch(name):
        return Peer("agent", name)
    for role in get_args(Role):
        if kind == role and uri == prefix + role:
            return Peer(role)
    return None


def check_node(name: str) -> str:
    """Return a node's name, or raise `InvalidInputError`."""
    if not _NODE.fullmatch(name):
        raise errors.InvalidInputError.of_field(
            "node",
            f"{name[:64]!r} is not allowed: 1 to 253 letters, digits, '.', '_' and '-' are, none of '._-' at an end",
        )
    return name


def check_trust_domain(name: str) -> str:
    """Return a trust domain, or raise `InvalidInputError`."""
    if not _TRUST_DOMAIN.fullmatch(name):
        raise errors.InvalidInputError.of_field(
            "trust_domain", f"{name[:64]!r} is not allowed: lower-case letters, digits, '.', '_' and '-' are"
        )
    return name
