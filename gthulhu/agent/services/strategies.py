"""The answer to `GET /api/v1/scheduling/strategies`, kept ready as bytes: schedulers ask every second."""

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gthulhu.agent import reconciler as reconcilers
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import table as tables

MESSAGE = "Scheduling strategies retrieved successfully"


class View(Protocol):
    """The part of `gthulhu.agent.reconciler.Reconciler` that the table is made of."""

    @property
    def generation(self) -> int:
        """Return a number that rises whenever decisions have changed."""

    def intents(self) -> Mapping[str, intents.Intent]:
        """Return the intents in force, by id."""

    def decisions(self) -> Sequence[reconcilers.Enforced]:
        """Return the decisions, by PID."""


class Strategies:
    """Makes the bytes anew only when decisions have changed."""

    def __init__(self, *, view: View, default_slice_ns: int) -> None:
        """Take the decisions, and the slice that stands for `the enforcer's default`."""
        self._view = view
        self._default_slice_ns = default_slice_ns
        self._generation: int | None = None
        self._scheduling = b"[]"
        self._omitted = 0

    @property
    def omitted(self) -> int:
        """Return how many decisions such a scheduler has no room for."""
        self._refresh()
        return self._omitted

    def body(self, *, now: datetime.datetime) -> bytes:
        """Return the whole answer; numbers are numbers, and an empty table is `[]`: null would leave the old one."""
        self._refresh()
        head = f'{{"success":true,"message":"{MESSAGE}","timestamp":"{timestamp(now)}","scheduling":'
        return b"".join((head.encode(), self._scheduling, b"}"))

    def _refresh(self) -> None:
        generation = self._view.generation
        if generation == self._generation:
            return
        table = tables.build(
            of=(one.decision for one in self._view.decisions()), default_slice_ns=self._default_slice_ns
        )
        tail = _tails(self._view.intents())
        self._scheduling = (
            "["
            + ",".join(
                f'{{"priority":{one.priority},"execution_time":{one.execution_time_ns},"pid":{one.pid},{tail(one.intent_id)}'
                for one in table.entries
            )
            + "]"
        ).encode()
        self._omitted = table.omitted
        self._generation = generation


def timestamp(now: datetime.datetime) -> str:
    """Return a time as the REST routes write it: RFC 3339, UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tails(of: Mapping[str, intents.Intent]) -> Callable[[str], str]:
    """Return what gives the end of an element: it is the same for all processes of one intent."""
    known: dict[str, str] = {}

    def tail(intent_id: str) -> str:
        if intent_id not in known:
            one = of.get(intent_id)
            selectors = [{"key": key, "value": value} for key, value in sorted(one.labels.items())] if one else []
            regex = one.command_regex if one else ""
            known[intent_id] = f'"selectors":{_json(selectors)},"command_regex":{_json(regex)}}}'
        return known[intent_id]

    return tail


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
