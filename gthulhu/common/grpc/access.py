"""Who may call which RPC: read from the `access` option of the schema."""

import dataclasses
import enum
import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from google.protobuf import descriptor

import gthulhu.v1
from gthulhu.v1 import options_pb2


class Peer(enum.StrEnum):
    """A part of the system that may call."""

    AGENT = "AGENT"
    MANAGER = "MANAGER"


class Scope(enum.StrEnum):
    """What a token of the agent's token route opens; MANAGER_CLIENT opens all that SCHEDULER does."""

    SCHEDULER = "SCHEDULER"
    MANAGER_CLIENT = "MANAGER_CLIENT"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One RPC's rule: exactly one field is set. An RPC without a rule is refused to everybody."""

    public: bool = False
    """Anybody, without a token."""
    authenticated: bool = False
    """Any user with a valid access token."""
    permission: str = ""
    """Users one of whose roles grants this key."""
    peer: Peer | None = None
    """A part of the system, known by its certificate."""
    scope: Scope | None = None
    """Holders of a token of the agent's token route, with this scope or a wider one."""


def rules() -> Mapping[str, Rule]:
    """Return the rule of every RPC that has one, by `/gthulhu.v1.Service/Method`."""
    return {f"/{service}/{method}": rule for service, method, rule in _declared()}


def files() -> tuple[descriptor.FileDescriptor, ...]:
    """Return every file of the schema."""
    names = sorted(module.name for module in pkgutil.iter_modules(gthulhu.v1.__path__))
    return tuple(importlib.import_module(f"gthulhu.v1.{name}").DESCRIPTOR for name in names if name.endswith("_pb2"))


def _declared() -> Iterator[tuple[str, str, Rule]]:
    for file in files():
        for service in file.services_by_name.values():
            for method in service.methods:
                options = method.GetOptions()
                # The generated stub calls the extension a plain FieldDescriptor.
                if rule := _rule(options.Extensions[options_pb2.access]):  # type: ignore[index]
                    yield service.full_name, method.name, rule


def _rule(access: options_pb2.Access) -> Rule | None:
    match access.WhichOneof("rule"):
        case "public":
            return Rule(public=True)
        case "authenticated":
            return Rule(authenticated=True)
        case "permission":
            return Rule(permission=access.permission)
        case "peer":
            return Rule(peer=Peer(options_pb2.Access.Peer.Name(access.peer)))
        case "scope":
            return Rule(scope=Scope(options_pb2.Access.TokenScope.Name(access.scope)))
    return None
