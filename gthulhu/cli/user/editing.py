"""Single strategies, changed on the command line instead of in a file."""

import dataclasses
import re
from collections.abc import Iterator, Sequence

from google.protobuf import json_format

from gthulhu.cli.user import actions, connection, manifests
from gthulhu.common import errors
from gthulhu.v1 import strategy_pb2

_UNITS = {"": 1, "ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What was given; None: nothing, so that it stays as it is."""

    label_selectors: Sequence[str] | None = None
    """Each `key=value`, or `key` for a label that exists."""
    all_pods: bool | None = None
    k8s_namespaces: Sequence[str] | None = None
    """Empty text among them counts for nothing: alone it empties the list."""
    command_regex: str | None = None
    priority: int | None = None
    execution_time: str | None = None
    """A number with a unit: `20ms`."""
    expires_at: str | None = None
    """As RFC 3339 has it; empty: never."""
    description: str | None = None


def update(link: connection.Connection, name: str, *, namespace: str, fields: Fields) -> Iterator[str]:
    """Change what is given of a strategy; yields lines."""
    present = actions.named(link, name, namespace=namespace)
    wanted = strategy_pb2.ScheduleStrategy()
    wanted.CopyFrom(present)
    _fill(wanted, fields)
    if manifests.written(wanted) == manifests.written(present):
        yield f"strategy {manifests.title(present)} unchanged, selects {actions.pods(present.matched_pods)}"
        return
    answer = actions.replace(link, present, wanted)
    yield f"strategy {manifests.title(answer)} configured, selects {actions.pods(answer.matched_pods)}"
    yield from (f"  warning: {warning}" for warning in answer.warnings)


def suspend(link: connection.Connection, names: Sequence[str], *, namespace: str, suspended: bool) -> Iterator[str]:
    """Suspend strategies, or let them have their effect again; yields lines."""
    for present in [actions.named(link, name, namespace=namespace) for name in names]:
        done = "suspended" if suspended else "resumed"
        if present.suspended == suspended:
            yield f"strategy {manifests.title(present)} is {done} already"
            continue
        wanted = strategy_pb2.ScheduleStrategy()
        wanted.CopyFrom(present)
        wanted.suspended = suspended
        answer = actions.replace(link, present, wanted)
        yield f"strategy {manifests.title(answer)} {done}, selects {actions.pods(answer.matched_pods)}"


def nanoseconds(text: str) -> int:
    """Return a time slice that was written with a unit; a number alone is nanoseconds.

    Raises:
        InvalidInputError: It is no such number.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)?", text.strip())
    if found is None:
        raise errors.InvalidInputError.of_field("executionTime", f"{text!r} is not like 20ms, 500us or 0")
    return round(float(found[1]) * _UNITS[found[2] or ""])


def _fill(one: strategy_pb2.ScheduleStrategy, fields: Fields) -> None:
    for name in ("all_pods", "command_regex", "priority", "description"):
        if (value := getattr(fields, name)) is not None:
            setattr(one, name, value)
    _select(one, fields)
    if fields.execution_time is not None:
        one.execution_time = nanoseconds(fields.execution_time)
    if fields.expires_at is not None:
        one.ClearField("expires_at")
        if fields.expires_at:
            _set_end(one, fields.expires_at)


def _select(one: strategy_pb2.ScheduleStrategy, fields: Fields) -> None:
    """Labels and all pods exclude each other: whichever is given replaces the other."""
    if fields.all_pods or fields.label_selectors is not None:
        del one.label_selectors[:]
    if fields.label_selectors is not None:
        one.all_pods = bool(fields.all_pods)
        for text in fields.label_selectors:
            key, _, value = text.partition("=")
            one.label_selectors.add(key=key, value=value)
    if fields.k8s_namespaces is not None:
        one.k8s_namespace[:] = filter(None, fields.k8s_namespaces)


def _set_end(one: strategy_pb2.ScheduleStrategy, text: str) -> None:
    try:
        json_format.ParseDict({"expiresAt": text}, one)
    except json_format.ParseError:
        raise errors.InvalidInputError.of_field("expiresAt", f"{text!r} is not like 2030-01-31T12:00:00Z") from None
