"""What the store is told about sessions: their leases, how far they are, and what agents reported.

Everything is written in batches by one task, at most a few times a second, whatever happens: what comes meanwhile is
merged. Where the store cannot be written it waits, merged, until it can.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Collection

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import live as lives
from gthulhu.manager.distribution import waiting
from gthulhu.manager.domain import intent as intents
from gthulhu.manager.store import base

_LOG = logging.getLogger(__name__)

_BATCH_SECONDS = 0.2
"""A user who watches should not see the difference; a store should not see every acknowledgement."""
_RENEWALS_PER_LEASE = 3
"""Two may be lost."""
_AT_ONCE = 16
"""Rows that are written at once: a store far away is waited for in parallel."""
_LAST_WORDS_SECONDS = 5.0
"""How long an orderly stop waits for the store."""


class Ledger:
    """See the module's docstring."""

    def __init__(self, *, store: base.Store, clock: clocks.Clock, lease: float) -> None:
        """Write to a store; a session's lease runs for so many seconds."""
        self._store = store
        self._clock = clock
        self._lease = lease
        self._open: set[lives.Live] = set()
        self._changed: set[lives.Live] = set()
        self._closing: set[lives.Live] = set()
        self._woken = asyncio.Event()
        self._renew_at = clock.monotonic() + lease / _RENEWALS_PER_LEASE

    def lease_until(self) -> datetime.datetime:
        """Return when a lease that begins now runs out."""
        return self._clock.now() + datetime.timedelta(seconds=self._lease)

    async def orphans(self, *, node: str, known: Collection[str]) -> set[str]:
        """Return ids of reports on intents that are not known any more: left by a replica that could not clean up."""
        return {one.intent_id for one in await self._store.list_reports(node=node)} - set(known)

    def opened(self, live: lives.Live) -> None:
        """Keep the lease of a session from now on."""
        self._open.add(live)
        self.changed(live)

    def changed(self, live: lives.Live) -> None:
        """Note that a session has something to store."""
        self._changed.add(live)
        self._woken.set()

    def closed(self, live: lives.Live) -> None:
        """Store what is left of a session, and end its lease."""
        self._open.discard(live)
        self._changed.discard(live)
        self._closing.add(live)
        self._woken.set()

    async def run(self) -> None:
        """Write what is to be written, until cancelled; then write the rest."""
        try:
            while True:
                await waiting.event_or_time(
                    self._woken, clock=self._clock, seconds=self._renew_at - self._clock.monotonic()
                )
                self._woken.clear()
                await self._write()
                await self._clock.sleep(_BATCH_SECONDS)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._write()

    async def _write(self) -> None:
        now = self._clock.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + self._lease / _RENEWALS_PER_LEASE
            self._changed |= self._open
        changed, self._changed = self._changed, set()
        closing, self._closing = self._closing, set()
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._write_one(live, gate) for live in changed | closing))
        await asyncio.gather(*(self._close_one(live, gate) for live in closing))

    async def _write_one(self, live: lives.Live, gate: asyncio.Semaphore) -> None:
        reports, live.reports = live.reports, {}
        removed, live.removed = live.removed, set()
        async with gate:
            try:
                current = await self._store_one(live, reports=reports, removed=removed)
            except errors.UnavailableError as error:
                _LOG.warning("what node %s reported waits for the store: %s", live.node, error.message)
                live.reports = {**{key: one for key, one in reports.items() if key not in live.removed}, **live.reports}
                live.removed |= removed - live.reports.keys()
                self.changed(live)
                return
        if not current:
            live.end(lives.replaced())

    async def _store_one(self, live: lives.Live, *, reports: dict[str, intents.Report], removed: set[str]) -> bool:
        if (reports or removed) and not await self._store.put_reports(
            tuple(reports.values()), removed=tuple(removed), node=live.node, epoch=live.epoch
        ):
            return False
        row = dataclasses.replace(live.row(), lease_until=self.lease_until())
        return live not in self._open or await self._store.renew_session(row)

    async def _close_one(self, live: lives.Live, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await self._store.close_session(node=live.node, epoch=live.epoch)
            except errors.UnavailableError as error:
                _LOG.warning("the session of node %s ends with its lease: %s", live.node, error.message)
