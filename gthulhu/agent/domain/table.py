"""The table that an external sched_ext scheduler polls: what such a scheduler can make of decisions.

It knows no neutral priority, takes a slice of 0 as a zero slice, and has room for so many entries.
"""

import dataclasses
from collections.abc import Iterable

from gthulhu.agent.domain import decision as decisions
from gthulhu.common import priority as priorities

ROOM = 4096
"""Entries of that scheduler's map."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one process gets."""

    pid: int
    priority: int
    execution_time_ns: int
    intent_id: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All of them."""

    entries: tuple[Entry, ...]
    """The strongest first, then by PID; one a PID."""
    omitted: int
    """Decisions that there was no room for: the weakest."""


def build(*, of: Iterable[decisions.Decision], default_slice_ns: int, room: int = ROOM) -> Table:
    """Return the table for some decisions; neutral ones are not in it, as not being in it is what neutral means."""
    entries = sorted(
        (
            Entry(
                pid=one.process.pid,
                priority=one.priority,
                execution_time_ns=one.execution_time_ns or default_slice_ns,
                intent_id=one.intent_id,
            )
            for one in of
            if one.priority != priorities.NEUTRAL
        ),
        key=lambda one: (one.priority, one.pid),
    )
    return Table(entries=tuple(entries[:room]), omitted=max(0, len(entries) - room))
