"""The annotations use only what grpc-gateway has too, so that it can stand in Envoy's place."""

import re
from collections.abc import Iterator

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor

from gthulhu.gateway import routes

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_SEGMENT = re.compile(r"[A-Za-z0-9-]+")


def rules() -> Iterator[tuple[descriptor.MethodDescriptor, http_pb2.HttpRule]]:
    """Yield every annotation there is, further bindings included."""
    for kind in ("manager", "agent"):
        for service in routes.services(kind):
            for rpc in service.methods:
                rule = rpc.GetOptions().Extensions[annotations_pb2.http]
                yield from ((rpc, each) for each in (rule, *rule.additional_bindings))


ALL = pytest.mark.parametrize(("rpc", "rule"), [pytest.param(*each, id=each[0].full_name) for each in rules()])


@ALL
def test_a_method_is_one_of_the_usual_and_only_get_has_no_body(
    rpc: descriptor.MethodDescriptor, rule: http_pb2.HttpRule
) -> None:
    assert rule.WhichOneof("pattern") in ("get", "put", "post", "delete", "patch")
    assert bool(rule.body) == (rule.WhichOneof("pattern") != "get")
    assert rule.body in ("", "*") or rpc.input_type.fields_by_name[rule.body].message_type


@ALL
def test_the_answer_is_the_whole_message(rpc: descriptor.MethodDescriptor, rule: http_pb2.HttpRule) -> None:
    assert not rule.response_body
    assert not rule.selector
    assert not rpc.client_streaming, "grpc-gateway reads newline-delimited JSON here, Envoy a list"


@ALL
def test_a_path_has_plain_segments_and_variables_of_one(
    rpc: descriptor.MethodDescriptor, rule: http_pb2.HttpRule
) -> None:
    template = getattr(rule, rule.WhichOneof("pattern"))
    assert template.startswith("/")
    for segment in template[1:].split("/"):
        if variable := _VARIABLE.fullmatch(segment):
            field = rpc.input_type.fields_by_name[variable[1]]
            assert field.type == field.TYPE_STRING
            assert not field.is_repeated
        else:
            assert _SEGMENT.fullmatch(segment), template


@ALL
def test_what_stands_in_the_query_can_stand_there(rpc: descriptor.MethodDescriptor, rule: http_pb2.HttpRule) -> None:
    """Neither of the two takes lists of messages, or maps, from a query."""
    if rule.body == "*":
        return
    for field in rpc.input_type.fields:
        if field.name != rule.body and field.message_type:
            assert not field.is_repeated, field.full_name
            assert field.message_type.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration")
