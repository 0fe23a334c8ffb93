"""Each annotation leads to its RPC, with everything where the request has it."""

import json
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import descriptor, json_format, message, message_factory

from gthulhu.gateway import routes
from gthulhu.v1 import intent_pb2
from tests.integration.gateway import harness

_FIELD = descriptor.FieldDescriptor
_SCALARS = {
    _FIELD.CPPTYPE_INT32: 7,
    _FIELD.CPPTYPE_INT64: 2**53 + 1,
    _FIELD.CPPTYPE_UINT32: 8,
    _FIELD.CPPTYPE_UINT64: 2**64 - 1,
    _FIELD.CPPTYPE_BOOL: True,
    _FIELD.CPPTYPE_DOUBLE: 0.5,
}


def filled(kind: descriptor.Descriptor) -> message.Message:
    """Return a message with a value of its own in each field."""
    made = message_factory.GetMessageClass(kind)()
    if kind.full_name == "google.protobuf.ListValue":
        return json_format.ParseDict(["a", "b"], made)
    for field in kind.fields:
        if field.message_type and field.message_type.GetOptions().map_entry:
            getattr(made, field.name)["a/b"] = "c d"
        elif field.message_type:
            value = filled(field.message_type)
            getattr(made, field.name).MergeFrom([value] if field.is_repeated else value)
        elif field.is_repeated:
            getattr(made, field.name).extend([_value(field), _value(field)])
        else:
            setattr(made, field.name, _value(field))
    return made


def _value(field: descriptor.FieldDescriptor) -> Any:  # noqa: ANN401 - of any field
    if field.enum_type:
        return field.enum_type.values[-1].number
    if field.cpp_type == _FIELD.CPPTYPE_STRING:
        return f"{field.name} & ä=1"
    return 5 if field.containing_type.file.package == "google.protobuf" else _SCALARS[field.cpp_type]


def request_of(route: routes.Route, wanted: message.Message) -> tuple[str, object]:
    """Return the path with its query, and the body, that make a message."""
    fields: dict[str, Any] = json_format.MessageToDict(wanted)
    names = {field.name: field.json_name for field in route.rpc.input_type.fields}
    path = route.template
    for variable in route.variables:
        path = path.replace(f"{{{variable}}}", urllib.parse.quote(fields.pop(names[variable]), safe=""))
    if route.body == "*":
        return path, fields
    body = fields.pop(names[route.body]) if route.body else None
    query = {key: str(value).lower() if isinstance(value, bool) else value for key, value in fields.items()}
    return f"{path}?{urllib.parse.urlencode(query, doseq=True)}" if query else path, body


async def nothing(_request: message.Message, _context: harness.Context) -> AsyncIterator[message.Message]:
    yield intent_pb2.WatchIntentsResponse(synced=True)


@pytest.mark.parametrize(
    ("kind", "route"),
    [
        pytest.param(kind, route, id=f"{kind} {route.method} {route.template}")
        for kind in ("manager", "agent")
        for route in routes.routes(kind)
    ],
)
async def test_a_route_leads_to_its_rpc(
    running_manager: tuple[harness.Upstream, str],
    running_agent: tuple[harness.Upstream, str],
    kind: routes.Kind,
    route: routes.Route,
) -> None:
    upstream, url = running_manager if kind == "manager" else running_agent
    upstream.forget()
    if route.stream:
        upstream.answer(route.rpc.name, nothing)
    wanted = filled(route.rpc.input_type)
    path, body = request_of(route, wanted)

    answer = await harness.call(url, route.method, path, json_body=body)

    assert answer.status == 200, answer.body
    assert upstream.rpcs == [route.rpc.full_name]
    assert upstream.requests == [wanted]
    assert route.bare or json.loads(answer.body)["success"] is True
