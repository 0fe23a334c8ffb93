"""What nodes have measured lately, whichever replica their agents stream to.

The replica that has the stream keeps a short ring in memory, and tells the others the latest through the store.
"""

import asyncio
import collections
import contextlib
import dataclasses
import logging
from collections.abc import Sequence

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.domain.sample import Sample
from gthulhu.manager.store import base

_LOG = logging.getLogger(__name__)

KEEP = 12
"""Samples of a node: a minute at the usual pace."""
SHARE_SECONDS = 10.0
"""How old what other replicas show may be."""
_AT_ONCE = 500
"""Samples in one write."""
_LAST_WORDS_SECONDS = 2.0
"""How long an orderly stop waits for the store."""


class Samples:
    """The latest sample of each node, and a short ring of those before it."""

    def __init__(self, *, store: base.Store, clock: clocks.Clock, keep: int = KEEP) -> None:
        """Keep so many samples of a node in memory, and the latest in a store."""
        self._store = store
        self._clock = clock
        self._keep = keep
        self._rings: dict[str, collections.deque[Sample]] = {}
        self._unshared: set[str] = set()

    def add(self, sample: Sample) -> None:
        """Take in a sample; pods are kept of the latest one only, which bounds what a large node takes."""
        ring = self._rings.setdefault(sample.node, collections.deque(maxlen=self._keep))
        if ring:
            ring[-1] = dataclasses.replace(ring[-1], pods=())
        ring.append(sample)
        self._unshared.add(sample.node)

    def recent(self, node: str) -> Sequence[Sample]:
        """Return what this replica has got from a node lately, oldest first."""
        return tuple(self._rings.get(node, ()))

    def forget(self, node: str) -> None:
        """Drop what is kept of a node whose stream has ended here: another replica may have it now."""
        if node not in self._unshared:
            self._rings.pop(node, None)

    async def latest(self, node: str) -> Sample | None:
        """Return the latest sample of a node; None where it has sent none to any replica."""
        own = self._rings.get(node)
        if own and (self._clock.now() - own[-1].received_at).total_seconds() < SHARE_SECONDS:
            return own[-1]
        return _later(own[-1] if own else None, await self._store.get_sample(node))

    async def all(self) -> Sequence[Sample]:
        """Return the latest sample of every node without its pods, by node."""
        shared = {one.node: one for one in await self._store.list_samples()}
        own = {node: dataclasses.replace(ring[-1], pods=()) for node, ring in self._rings.items()}
        found = (_later(own.get(node), shared.get(node)) for node in sorted(own.keys() | shared.keys()))
        return [one for one in found if one is not None]

    async def run(self) -> None:
        """Share what comes, until cancelled; then what has come."""
        try:
            while True:
                await self._clock.sleep(SHARE_SECONDS)
                await self._share()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._share()

    async def _share(self) -> None:
        nodes, self._unshared = sorted(self._unshared), set()
        for start in range(0, len(nodes), _AT_ONCE):
            batch = [ring[-1] for node in nodes[start : start + _AT_ONCE] if (ring := self._rings.get(node))]
            try:
                await self._store.put_samples(batch)
            except errors.UnavailableError as error:
                _LOG.warning("samples of %d nodes wait for the store: %s", len(nodes) - start, error.message)
                self._unshared.update(nodes[start:])
                return


def _later(one: Sample | None, other: Sample | None) -> Sample | None:
    found = [each for each in (one, other) if each is not None]
    return max(found, key=lambda each: each.received_at, default=None)
