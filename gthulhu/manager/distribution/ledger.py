"""What the store is told about sessions: their leases, how far they are, and what agents reported.

Everything is written in batches by one task, at most a few times a second, whatever happens: what comes meanwhile is
merged. Where the store cannot be written it waits, merged, until it can.
"""

import asyncio
import contextlib
import datetime
import itertools
import logging
from collections.abc import Collection, Sequence

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import live as lives
from gthulhu.manager.distribution import waiting
from gthulhu.manager.store import base

_LOG = logging.getLogger(__name__)

_BATCH_SECONDS = 0.2
"""A user who watches should not see the difference; a store should not see every acknowledgement."""
_RENEWALS_PER_LEASE = 3
"""Two may be lost."""
_AT_ONCE = 250
"""Sessions in one batch: a session that opens meanwhile waits for it, or has it begun anew."""
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
        self.changed(live)

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
        todo = iter(changed)
        while batch := tuple(itertools.islice(todo, _AT_ONCE)):
            await self._save(batch)

    async def _save(self, batch: Sequence[lives.Live]) -> None:
        taken = [(live, live.take(lease_until=self._lease_of(live))) for live in batch]
        try:
            lost = await self._store.save_sessions([update for _, update in taken])
        except errors.UnavailableError as error:
            _LOG.warning("what %d nodes reported waits for the store: %s", len(taken), error.message)
            for live, update in taken:
                live.put_back(update)
                self.changed(live)
            return
        for live, _ in taken:
            if (live.node, live.epoch) in lost:
                live.end(lives.replaced())

    def _lease_of(self, live: lives.Live) -> datetime.datetime:
        """Return when a session's lease runs out: one that is over ends now."""
        return self.lease_until() if live in self._open else self._clock.now()
