"""The REST routes, read from the schema: which path and method is which RPC, and how its answer is presented.

This is what makes `proto/` the one source of every route: the route table of Envoy, the presentation filter's knowledge
of 64-bit fields, the OpenAPI document and docs/reference/rest.md all come from the values made here.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor

from gthulhu.v1 import (
    audit_pb2,
    auth_pb2,
    cluster_pb2,
    decision_maker_pb2,
    intent_pb2,
    options_pb2,
    role_pb2,
    strategy_pb2,
    system_pb2,
    user_pb2,
)

_PRESENTATION: Any = options_pb2.presentation  # an extension, which the generated types call a descriptor

Kind: TypeAlias = Literal["manager", "agent"]

Wide: TypeAlias = "bool | Mapping[str, Wide]"
"""Where a JSON document holds 64-bit integers: `True` is one; a mapping goes by key, `*` standing for every key of a
map. Lists are looked through."""

_FILES: Mapping[Kind, Sequence[descriptor.FileDescriptor]] = {
    "manager": [
        module.DESCRIPTOR
        for module in (
            auth_pb2,
            user_pb2,
            role_pb2,
            audit_pb2,
            strategy_pb2,
            intent_pb2,
            cluster_pb2,
            system_pb2,
        )
    ],
    "agent": [decision_maker_pb2.DESCRIPTOR, system_pb2.DESCRIPTOR],
}
_INTEGERS_64 = frozenset({descriptor.FieldDescriptor.CPPTYPE_INT64, descriptor.FieldDescriptor.CPPTYPE_UINT64})
_WRAPPERS_64 = frozenset({"google.protobuf.Int64Value", "google.protobuf.UInt64Value"})
_OPAQUE = frozenset(
    {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.api.HttpBody"}
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """One REST route and the RPC behind it."""

    rpc: descriptor.MethodDescriptor
    method: str
    """HTTP method, upper case."""
    template: str
    """Path with `{variable}`s, as the schema writes it."""
    body: str
    """The request field that the HTTP body fills: "*" for all of them, "" for none."""
    bare: bool
    """Whether the answer is presented as it is, without the envelope."""
    stream: bool
    """Whether the answer is an event stream."""

    @property
    def literal(self) -> bool:
        """Whether the path holds no variables."""
        return "{" not in self.template

    @property
    def pattern(self) -> str:
        """Return the path as an RE2 expression for the whole of it."""
        literals = re.split(r"\{[^}]*\}", self.template)
        return "[^/]+".join(re.escape(literal).replace(r"\-", "-") for literal in literals)

    @property
    def variables(self) -> Sequence[str]:
        """Return the request fields that stand in the path."""
        return re.findall(r"\{([^}=]*)\}", self.template)


def services(kind: Kind) -> Sequence[descriptor.ServiceDescriptor]:
    """Return the services that users reach through a gateway of this kind; all others stay behind it."""
    return [service for file in _FILES[kind] for service in file.services_by_name.values()]


def routes(kind: Kind) -> Sequence[Route]:
    """Return the routes of a gateway of this kind; of two that match a path the one with fewer variables is first."""
    found = [
        _route(rpc, rule)
        for service in services(kind)
        for rpc in service.methods
        for rule in _rules(rpc.GetOptions().Extensions[annotations_pb2.http])
    ]
    return sorted(found, key=lambda route: (len(route.variables), route.template, route.method))


def allowed(path: str, among: Iterable[Route]) -> Sequence[str]:
    """Return the methods that a path knows, sorted; a template counts as the paths that it stands for."""
    return sorted({route.method for route in among if route.template == path or re.fullmatch(route.pattern, path)})


def wide(message: descriptor.Descriptor) -> Mapping[str, Wide]:
    """Return where the JSON of a message holds 64-bit integers, which proto3 JSON writes as strings.

    Keys of maps are not among them: JSON has no other keys than strings.
    """
    return _wide(message, frozenset())


def _wide(message: descriptor.Descriptor, above: frozenset[str]) -> Mapping[str, Wide]:
    if message.full_name in _OPAQUE:
        return {}
    if message.full_name in above:
        raise ValueError(f"{message.full_name} holds itself: the presentation filter needs a finite tree")
    found: dict[str, Wide] = {}
    for field in message.fields:
        inside = _wide_field(field, above | {message.full_name})
        if inside:
            found[field.json_name] = inside
    return found


def _wide_field(field: descriptor.FieldDescriptor, above: frozenset[str]) -> Wide:
    if field.cpp_type in _INTEGERS_64:
        return True
    if field.message_type is None:
        return False
    if field.message_type.full_name in _WRAPPERS_64:
        return True
    if field.message_type.GetOptions().map_entry:
        values = _wide_field(field.message_type.fields_by_name["value"], above)
        return {"*": values} if values else False
    return _wide(field.message_type, above) if field.message_type.file.package.startswith("gthulhu.") else False


def _rules(rule: http_pb2.HttpRule) -> Sequence[http_pb2.HttpRule]:
    return [each for each in (rule, *rule.additional_bindings) if each.WhichOneof("pattern")]


def _route(rpc: descriptor.MethodDescriptor, rule: http_pb2.HttpRule) -> Route:
    method = rule.WhichOneof("pattern")
    presentation = rpc.GetOptions().Extensions[_PRESENTATION]
    return Route(
        rpc=rpc,
        method=method.upper(),
        template=getattr(rule, method),
        body=rule.body,
        bare=presentation == options_pb2.PRESENTATION_BARE,
        stream=rpc.server_streaming,
    )
