"""Answers for people (tables) and for programs (JSON and YAML, spelled as over REST)."""

import json
import typing
from collections.abc import Sequence
from typing import Any

import rich.box
import rich.console
import rich.table
import yaml
from google.protobuf import descriptor, json_format, message

from gthulhu.cli.user.formats import Format
from gthulhu.v1 import cluster_pb2, intent_pb2, strategy_pb2

Row = dict[str, str]


def strategy_row(one: strategy_pb2.ScheduleStrategy) -> Row:
    """Return a strategy's cells."""
    return {
        "NAMESPACE": one.strategy_namespace,
        "NAME": one.name,
        "STATE": strategy_pb2.ScheduleStrategy.State.Name(one.state) + _reason(one.state_reason),
        "PRIORITY": str(one.priority),
        "SLICE": duration(one.execution_time),
        "PODS": str(one.matched_pods),
        "CREATOR": one.creator,
        "ID": one.id,
    }


def intent_row(one: intent_pb2.ScheduleIntent) -> Row:
    """Return an intent's cells."""
    return {
        "POD": f"{one.k8s_namespace}/{one.pod_name}",
        "NODE": one.node_id,
        "STATE": intent_pb2.ScheduleIntent.State.Name(one.state) + _reason(one.state_reason or one.superseded_by),
        "PRIORITY": str(one.priority),
        "SLICE": duration(one.execution_time),
        "PROCESSES": str(one.applied_processes),
        "THREADS": str(one.applied_threads),
        "ENFORCER": " ".join([one.enforcer, *one.limits]),
        "STRATEGY": one.strategy_id,
    }


def node_row(one: cluster_pb2.Node) -> Row:
    """Return a node's cells."""
    return {
        "NAME": one.name,
        "STATE": cluster_pb2.Node.State.Name(one.state),
        "REVISION": str(one.revision),
        "ENFORCER": one.enforcer,
        "LEVERS": " ".join(one.levers),
        "PODS": str(one.pods),
        "INTENTS": str(one.intents),
        "AGENT": one.agent_version,
    }


def duration(nanoseconds: int) -> str:
    """Return a time slice as people write it; `default` for 0."""
    if not nanoseconds:
        return "default"
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:g} ms" if milliseconds >= 1 else f"{nanoseconds / 1e3:g} µs"


def present(items: Sequence[message.Message], rows: Sequence[Row], *, output: Format, empty: str) -> str:
    """Return a list as it is to be printed."""
    if output is not Format.TABLE:
        return structured([plain(item) for item in items], output=output)
    return table(rows) if rows else empty


def structured(content: object, *, output: Format) -> str:
    """Return what `plain` has made as JSON or YAML."""
    if output is Format.JSON:
        return json.dumps(content, indent=2, ensure_ascii=False)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip()


def table(rows: Sequence[Row]) -> str:
    """Return rows under their headings, as wide as they are: a pipe or a terminal may cut them, we do not."""
    shown = rich.table.Table(*rows[0], box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        shown.add_row(*row.values())
    console = rich.console.Console(width=1000, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def plain(one: message.Message) -> dict[str, Any]:
    """Return a message as REST shows it: JSON names, 64-bit integers as numbers, nothing left out."""
    document = json_format.MessageToDict(one, always_print_fields_with_no_presence=True)
    return _unquoted(document, typing.cast("descriptor.Descriptor", one.DESCRIPTOR))


_WIDE = {
    descriptor.FieldDescriptor.CPPTYPE_INT64,
    descriptor.FieldDescriptor.CPPTYPE_UINT64,
}


def _unquoted(document: dict[str, Any], kind: descriptor.Descriptor) -> dict[str, Any]:
    """Return a document in the schema's order, with its 64-bit integers as numbers."""
    return {
        field.json_name: _value(document[field.json_name], field)
        for field in kind.fields
        if field.json_name in document
    }


def _value(value: Any, field: descriptor.FieldDescriptor) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_value(one, field) for one in value]
    if field.cpp_type in _WIDE:
        return int(value)
    inner = field.message_type
    if inner is None or inner.GetOptions().map_entry or not isinstance(value, dict):
        return value
    return _unquoted(value, inner)


def _reason(reason: str) -> str:
    return f" ({reason})" if reason else ""
