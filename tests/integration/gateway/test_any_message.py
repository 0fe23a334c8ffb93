"""Whatever a message holds, REST shows the same: numbers as numbers, and everything else untouched."""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from google.protobuf import descriptor, json_format, message, message_factory, struct_pb2
from hypothesis import strategies as st

from gthulhu.gateway import routes
from gthulhu.v1 import audit_pb2, cluster_pb2, intent_pb2, strategy_pb2
from tests.integration.gateway import harness

_TRICKY = st.sampled_from(
    [
        "executionTime",
        "intents",
        "*",
        "5",
        '"executionTime":"5"',
        "\\",
        '\\"',
        '"',
        "{[",
        "]}",
        "",
        "\u2028",
        "\x00\x7f",
        "é😀",
    ]
)
_TEXT = st.one_of(_TRICKY, st.text(max_size=20))
_FIELD = descriptor.FieldDescriptor
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _FIELD.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    _FIELD.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    _FIELD.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    _FIELD.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    _FIELD.CPPTYPE_DOUBLE: st.floats(allow_nan=False).map(lambda number: number + 0.0),  # -0 is 0 in JSON
    _FIELD.CPPTYPE_BOOL: st.booleans(),
    _FIELD.CPPTYPE_STRING: _TEXT,
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_TEXT, inside, max_size=3),
    max_leaves=8,
)


def messages(kind: descriptor.Descriptor) -> st.SearchStrategy[message.Message]:
    """Return all messages of a type."""
    if kind.full_name == "google.protobuf.Struct":
        return st.dictionaries(_TEXT, _JSON, max_size=4).map(_struct)
    if kind.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        make = message_factory.GetMessageClass(kind)
        return st.builds(make, seconds=st.integers(0, 2**31), nanos=st.integers(0, 999_999_999))
    return st.fixed_dictionaries({}, optional={field.name: _values(field) for field in kind.fields}).map(_maker(kind))


def _values(field: descriptor.FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return st.dictionaries(_TEXT, _SCALARS[value.cpp_type], max_size=4)
    if field.enum_type:
        one = st.sampled_from([value.number for value in field.enum_type.values])
    else:
        one = messages(field.message_type) if field.message_type else _SCALARS[field.cpp_type]
    return st.lists(one, max_size=3) if field.is_repeated else one


def _maker(kind: descriptor.Descriptor) -> Callable[[dict[str, Any]], message.Message]:
    make = message_factory.GetMessageClass(kind)
    return lambda fields: make(**fields)


def _struct(fields: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(fields)
    return made


@pytest.mark.parametrize(
    ("rpc", "path", "kind"),
    [
        ("ListIntents", "/api/v1/intents", intent_pb2.ListIntentsResponse.DESCRIPTOR),
        ("GetStrategy", "/api/v1/strategies/s", strategy_pb2.ScheduleStrategy.DESCRIPTOR),
        ("ExplainPod", "/api/v1/pods/a/b/explain", cluster_pb2.ExplainPodResponse.DESCRIPTOR),
        ("ListNodeMetrics", "/api/v1/metrics", cluster_pb2.ListNodeMetricsResponse.DESCRIPTOR),
        ("ListAuditLogs", "/api/v1/audit-logs", audit_pb2.ListAuditLogsResponse.DESCRIPTOR),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(data=st.data())
async def test_any_answer_means_the_same_over_rest(
    running_manager: tuple[harness.Upstream, str], rpc: str, path: str, kind: descriptor.Descriptor, data: st.DataObject
) -> None:
    upstream, url = running_manager
    sent = data.draw(messages(kind))
    upstream.answer(rpc, sent)

    answer = await harness.call(url, "GET", path)

    upstream.forget()
    assert answer.status == 200, answer.body
    shown = answer.json.get("data", {})
    assert json_format.ParseDict(shown, message_factory.GetMessageClass(kind)()) == sent
    assert_numbers(shown, routes.wide(kind))


def assert_numbers(value: object, tree: routes.Wide) -> None:
    """Fail where a 64-bit integer is no number."""
    if tree is True:
        assert all(type(item) is int for item in (value if isinstance(value, list) else [value]))
    elif isinstance(value, list):
        for item in value:
            assert_numbers(item, tree)
    elif isinstance(value, dict):
        for key, below in tree.items() if isinstance(tree, dict) else ():
            for found in value.values() if key == "*" else [value[key]] if key in value else []:
                assert_numbers(found, below)
