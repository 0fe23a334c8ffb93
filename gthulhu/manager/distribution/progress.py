"""How far all intents have come, followed while somebody watches.

Stores have no feed of reports and sessions, so they are read again and again, once for all who watch; what differs goes
into a log of bounded length, from which each reads on at its own pace. Nothing is read while nobody watches.
"""

import asyncio
import collections
import dataclasses
import itertools
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import links as link_reader
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import intent, standing
from gthulhu.manager.domain import strategy as strategies

POLL_SECONDS = 0.5
KEEP = 20_000
"""Changes that are kept for those who are behind; who is further behind starts again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One intent, and how far it has come."""

    intent: intent.Intent
    standing: standing.Standing
    strategy: strategies.Strategy = dataclasses.field(compare=False)
    """Whom it belongs to: who may see it depends on that, even after the strategy is gone."""


Wanted = Callable[[Entry], bool]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An intent is new or has changed (`entry`), is no more (`removed_id`), or (neither) all have been sent."""

    cursor: str
    """Where to resume; empty: there is no resuming here, only starting again."""
    entry: Entry | None = None
    removed_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    number: int
    before: Entry | None
    after: Entry | None


class Progress:
    """See the module's docstring."""

    def __init__(self, *, world: worlds.World, links: link_reader.Links, clock: clocks.Clock, keep: int = KEEP) -> None:
        """Follow the intents of a world."""
        self._world = world
        self._links = links
        self._clock = clock
        self._instance = secrets.token_hex(4)
        self._reading = asyncio.Lock()
        self._read_at: float | None = None
        self._touched: set[str] = set()
        self._links_seen: Mapping[str, standing.Link] = {}
        self._reports_seen: Mapping[str, tuple[intent.Report, ...]] = {}
        self._entries: dict[str, dict[str, Entry]] = {}
        self._log: collections.deque[_Change] = collections.deque(maxlen=keep)
        self._number = 0
        self._begun = False
        """What is there has been read once: nobody needs to be told of that."""
        world.subscribe(self._touched.update)

    async def watch(self, wanted: Wanted, *, since: str = "") -> AsyncGenerator[Event | None, None]:
        """Yield what is there (or has changed since a cursor), `synced`, then each change; without end.

        Yields None when it has looked and found nothing, so that the caller can look at other things.

        Raises:
            UnavailableError: `WATCH_LOST`: there were more changes than are kept while the caller did not read.
        """
        await self._refresh()
        position = self._position(since)
        seen = self._number
        events = (
            [Event(cursor="", entry=entry) for entry in self._all() if wanted(entry)]
            if position is None
            else self._since(position, wanted)
        )
        for event in events:
            yield event
        yield Event(cursor=self._cursor(seen))
        while True:
            await self._clock.sleep(POLL_SECONDS)
            await self._refresh()
            if self._is_lost(seen):
                raise errors.UnavailableError("WATCH_LOST", "too far behind: watch again from the start", retry_after=1)
            events, seen = self._since(seen, wanted), self._number
            for event in events:
                yield event
            if not events:
                yield None

    async def _refresh(self) -> None:
        """Look at the world, and at what replicas share, unless somebody has just read that."""
        async with self._reading:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= POLL_SECONDS / 2:
                links, reports = await self._links.links(), await self._links.reports_by_node()
                if self._read_at is None:
                    self._touched.update(pod.node for pod in self._world.pods())
                self._touched |= _differing(links, self._links_seen) | _differing(reports, self._reports_seen)
                self._links_seen, self._reports_seen, self._read_at = links, reports, now
            await self._renew()

    async def _renew(self) -> None:
        """Compute the entries of all nodes of which something has changed, and log what differs.

        Others get their turn before anything is put in the place of what was there: who goes meanwhile loses nothing.
        """
        nodes = frozenset(self._touched)
        self._touched.clear()
        fresh: dict[str, dict[str, Entry]] = {}
        try:
            for node in nodes:
                fresh[node] = self._read_node(node)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._touched |= nodes
            raise
        before: dict[str, Entry] = {}
        after: dict[str, Entry] = {}
        for node, its in fresh.items():
            before |= self._entries.pop(node, {})
            after |= its
            if its:
                self._entries[node] = its
        if self._begun:
            self._note(before, after)
        self._begun = True

    def _note(self, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
        for intent_id in before.keys() | after.keys():
            old, new = before.get(intent_id), after.get(intent_id)
            if old != new:
                self._number += 1
                self._log.append(_Change(self._number, old, new))

    def _read_node(self, node: str) -> dict[str, Entry]:
        link = self._links_seen.get(node, standing.Link())
        reports = {one.intent_id: one for one in self._reports_seen.get(node, ())}
        return {
            one.id: Entry(intent=one, standing=standing.of(one, link=link, report=reports.get(one.id)), strategy=its)
            for one in self._world.intents_of(node).values()
            if (its := self._world.strategy(one.strategy_id)) is not None
        }

    def _all(self) -> Iterable[Entry]:
        return itertools.chain.from_iterable(its.values() for its in self._entries.values())

    def _since(self, seen: int, wanted: Wanted) -> list[Event]:
        events: list[Event] = []
        for change in itertools.islice(self._log, max(0, len(self._log) - (self._number - seen)), None):
            cursor = self._cursor(change.number)
            if change.after is not None and wanted(change.after):
                events.append(Event(cursor=cursor, entry=change.after))
            elif change.before is not None and wanted(change.before):
                events.append(Event(cursor=cursor, removed_id=change.before.intent.id))
        return events

    def _cursor(self, number: int) -> str:
        return f"{self._instance}-{number}"

    def _position(self, cursor: str) -> int | None:
        """Return after which change a cursor stands; None: it is not of this replica, or too old."""
        instance, _, number = cursor.partition("-")
        if instance != self._instance or not number.isdecimal():
            return None
        seen = int(number)
        return None if seen > self._number or self._is_lost(seen) else seen

    def _is_lost(self, seen: int) -> bool:
        return self._number - seen > len(self._log)


def _differing(new: Mapping[str, object], old: Mapping[str, object]) -> set[str]:
    return {key for key in new.keys() | old.keys() if new.get(key) != old.get(key)}
