"""What the schema says of REST."""

import json
import re

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2, wrappers_pb2

from gthulhu.gateway import routes

_EXCEPTIONS = {"actorID", "containerID", "creatorID", "newOwnerID", "nodeID", "podID", "requestID", "userID"}
_SNAKE = {"MetricSet", "IssueTokenRequest"}


@pytest.mark.parametrize("kind", ["manager", "agent"])
def test_every_rpc_of_a_users_service_has_a_route(kind: routes.Kind) -> None:
    reached = {route.rpc.full_name for route in routes.routes(kind)}

    assert reached == {rpc.full_name for service in routes.services(kind) for rpc in service.methods}


def test_the_systems_own_services_have_no_routes() -> None:
    reached = {service.name for kind in ("manager", "agent") for service in routes.services(kind)}

    assert reached.isdisjoint({"SessionService", "MetricService", "EnrollmentService", "NodeService"})


@pytest.mark.parametrize("kind", ["manager", "agent"])
def test_no_two_rpcs_share_a_route(kind: routes.Kind) -> None:
    found = [(route.method, route.template) for route in routes.routes(kind)]

    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/strategies", ["DELETE", "GET", "POST", "PUT"]),
        ("/api/v1/strategies/preview", ["GET", "POST"]),
        ("/api/v1/strategies/{strategy_id}", ["GET"]),
        ("/api/v1/nodes/n1/metrics", ["GET"]),
        ("/api/v1/nope", []),
    ],
)
def test_a_path_knows_its_methods(path: str, methods: list[str]) -> None:
    assert routes.allowed(path, routes.routes("manager")) == methods


def test_literal_paths_come_before_those_with_variables() -> None:
    templates = [route.template for route in routes.routes("manager")]

    assert templates.index("/api/v1/strategies/self") < templates.index("/api/v1/strategies/{strategy_id}")


def test_json_names_are_lower_camel_case_but_for_the_documented_ones() -> None:
    for kind in ("manager", "agent"):
        for message in {m for r in routes.routes(kind) for m in (r.rpc.input_type, r.rpc.output_type)}:
            if message.name not in _SNAKE:
                for field in message.fields:
                    assert re.fullmatch("[a-z][a-zA-Z0-9]*", field.json_name), field.full_name
                    assert not field.json_name.endswith("ID") or field.json_name in _EXCEPTIONS


def test_all_64_bit_integers_are_found_but_keys_and_free_form_data() -> None:
    """Whatever a message can hold: nested, listed, as a map's value, under a wrapper."""
    pool = descriptor_pool.DescriptorPool()
    for module in (wrappers_pb2, struct_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    pool.Add(_proto())

    tree = routes.wide(pool.FindMessageTypeByName("gthulhu.test.Outer"))

    assert json.loads(json.dumps(tree)) == {
        "fixed": True,
        "many": True,
        "inner": {"number": True},
        "inners": {"number": True},
        "byName": {"*": {"number": True}},
        "numbers": {"*": True},
        "wrapped": True,
    }


def test_a_message_that_holds_itself_is_refused() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="gthulhu/test/loop.proto", package="gthulhu.test", syntax="proto3")
    loop = file.message_type.add(name="Loop")
    _field(loop, 1, "loop", type_name=".gthulhu.test.Loop")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    with pytest.raises(ValueError, match="holds itself"):
        routes.wide(pool.FindMessageTypeByName("gthulhu.test.Loop"))


_TYPE = descriptor_pb2.FieldDescriptorProto


def _proto() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="gthulhu/test/wide.proto",
        package="gthulhu.test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto", "google/protobuf/struct.proto"],
    )
    inner = file.message_type.add(name="Inner")
    _field(inner, 1, "number", kind=_TYPE.TYPE_INT64)
    _field(inner, 2, "text", kind=_TYPE.TYPE_STRING)
    outer = file.message_type.add(name="Outer")
    _field(outer, 1, "fixed", kind=_TYPE.TYPE_FIXED64)
    _field(outer, 2, "many", kind=_TYPE.TYPE_UINT64, repeated=True)
    _field(outer, 3, "inner", type_name=".gthulhu.test.Inner")
    _field(outer, 4, "inners", type_name=".gthulhu.test.Inner", repeated=True)
    _field(outer, 5, "small", kind=_TYPE.TYPE_INT32)
    _field(outer, 6, "free", type_name=".google.protobuf.Struct")
    _field(outer, 7, "wrapped", type_name=".google.protobuf.Int64Value")
    _map(outer, 8, "by_name", "ByNameEntry", key=_TYPE.TYPE_STRING, type_name=".gthulhu.test.Inner")
    _map(outer, 9, "numbers", "NumbersEntry", key=_TYPE.TYPE_INT64, kind=_TYPE.TYPE_INT64)
    _map(outer, 10, "names", "NamesEntry", key=_TYPE.TYPE_INT64, kind=_TYPE.TYPE_STRING)
    return file


def _field(
    message: descriptor_pb2.DescriptorProto,
    number: int,
    name: str,
    *,
    kind: int = _TYPE.TYPE_MESSAGE,
    type_name: str = "",
    repeated: bool = False,
) -> None:
    label = _TYPE.LABEL_REPEATED if repeated else _TYPE.LABEL_OPTIONAL
    message.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=label)


def _map(
    message: descriptor_pb2.DescriptorProto,
    number: int,
    name: str,
    entry: str,
    *,
    key: int,
    kind: int = _TYPE.TYPE_MESSAGE,
    type_name: str = "",
) -> None:
    nested = message.nested_type.add(name=entry)
    nested.options.map_entry = True
    _field(nested, 1, "key", kind=key)
    _field(nested, 2, "value", kind=kind, type_name=type_name)
    _field(message, number, name, type_name=f".gthulhu.test.Outer.{entry}", repeated=True)
