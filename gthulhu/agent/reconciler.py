"""Keeps the kernel at what the intents say, for the processes that there are.

Changes come from two sides: intents from the session, pods and processes from discovery. Either makes pods *dirty*.
One loop takes what is dirty, and a single worker thread reads those pods afresh, decides each as a whole and hands
the result to the enforcer (`gthulhu.agent.batch`); the event loop only ever sees finished, immutable results. What is
dirty is a set, never a queue: a pod that changes a thousand times meanwhile is read once.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from gthulhu.agent import batch, expressions
from gthulhu.agent.discovery import base as discovering
from gthulhu.agent.domain import decision as deciding
from gthulhu.agent.domain import intent as intending
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base as enforcing
from gthulhu.agent.metrics import collector as collecting
from gthulhu.common import clock as clocks

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

Outcome = batch.Outcome

BATCH = 64
"""Pods that are read and enforced together: bounds how long a new change waits for the worker."""

REST_FACTOR = 2
REST_LIMIT = 0.05
"""After a batch that took t, events wait for 2 t, 50 ms at most: what piles up meanwhile is done at once, and a pod
that forks without end cannot keep the agent busy. New intents do not wait."""

POSTPONED_SECONDS = 1.0
"""See `Enforcer.postponed`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Enforced:
    """One decision, with what has become of it."""

    decision: deciding.Decision
    process: processes.Process
    effect: enforcing.Effect
    share: collecting.Share | None
    """CPU and waiting over the last measuring interval; None before there are two measurements."""


class Reconciler:
    """See the module's docstring. `run` must be running for anything to happen, and is to be run once."""

    def __init__(
        self,
        *,
        discovery: discovering.Discovery,
        enforcer: enforcing.Enforcer,
        clock: clocks.Clock,
        collector: collecting.Collector,
        matches: deciding.Matches = expressions.matches,
        verify_seconds: float = 30.0,
        measure_seconds: float = 5.0,
    ) -> None:
        """Take the node's parts.

        Args:
            discovery: The pods and processes.
            enforcer: What changes the kernel; called from one worker thread only.
            clock: Paces verification and measuring.
            collector: Measures the pods that have decisions; called from the same thread.
            matches: How a command's expression is matched.
            verify_seconds: How often drift is looked for.
            measure_seconds: The measuring interval of `Enforced.share`.
        """
        self._discovery = discovery
        self._enforcer = enforcer
        self._clock = clock
        self._collector = collector
        self._pass = batch.Pass(discovery=discovery, enforcer=enforcer, matches=matches)
        self._verify_seconds = verify_seconds
        self._measure_seconds = measure_seconds
        self._wanted: batch.Wanted = {}
        self._dirty: dict[str, list[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._results: dict[str, batch.Result] = {}
        self._generation = 0
        self._subscribers: list[Callable[[frozenset[str]], None]] = []
        self._usage: Mapping[str, collecting.PodUsage] = {}
        self._shares: Mapping[processes.ProcessKey, collecting.Share] = {}
        self._worker = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="reconciler")

    # What others ask for: all from memory, but for `pods`.

    def capabilities(self) -> enforcing.Capabilities:
        """Return what carries decisions into the kernel, and what it can."""
        return self._enforcer.capabilities()

    @property
    def generation(self) -> int:
        """Return a number that rises whenever `decisions` may have changed."""
        return self._generation

    def intents(self) -> Mapping[str, intending.Intent]:
        """Return the intents that are wanted now, by id."""
        return {one.id: one for its in self._wanted.values() for one in its.values()}

    def outcomes(self) -> Mapping[str, Outcome]:
        """Return what has become of each intent, by id; one that has not been reconciled yet is missing."""
        return {key: value for result in self._results.values() for key, value in result.outcomes.items()}

    def decisions(self, pod_uid: str | None = None) -> Sequence[Enforced]:
        """Return the decisions (of one pod), by PID, each with its effect."""
        results = self._results.values() if pod_uid is None else filter(None, [self._results.get(pod_uid)])
        return sorted(
            itertools.chain.from_iterable(map(self._enforced, results)), key=lambda one: one.decision.process.pid
        )

    def _enforced(self, result: batch.Result) -> Iterator[Enforced]:
        for process in result.pod.processes:
            if process.key in result.decisions:
                yield Enforced(
                    decision=result.decisions[process.key],
                    process=process,
                    effect=result.effects[process.key],
                    share=self._shares.get(process.key),
                )

    def usage(self) -> Mapping[str, collecting.PodUsage]:
        """Return the counters of each pod that has decisions, by UID, as last measured."""
        return self._usage

    async def pods(self, pod_uid: str | None = None) -> Sequence[processes.Pod]:
        """Return the node's pods (or one), by UID, with their processes as they are now (read off the event loop)."""
        known = [one.uid for one in self._discovery.pods()] if pod_uid is None else [pod_uid]
        read = await asyncio.to_thread(lambda: [self._discovery.pod(uid) for uid in known])
        return [one for one in read if one is not None]

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Have `callback` called, on the event loop, with the ids of intents whose outcomes have changed.

        Returns a function that ends the subscription.
        """
        self._subscribers.append(callback)
        return functools.partial(self._subscribers.remove, callback)

    async def set_intents(self, wanted: Mapping[str, intending.Intent]) -> None:
        """Replace the whole set of intents, by id; returns when every pod that it changes has been reconciled once."""
        by_pod: dict[str, dict[str, intending.Intent]] = {}
        for one in wanted.values():
            by_pod.setdefault(one.pod_uid, {})[one.id] = one
        before, self._wanted = self._wanted, by_pod
        self._discovery.track(frozenset(by_pod))
        changed = {uid for uid in before.keys() | by_pod.keys() if before.get(uid) != by_pod.get(uid)}
        left_over = self._enforcer.holds() - by_pod.keys()
        loop = asyncio.get_running_loop()
        waiting = {uid: loop.create_future() for uid in changed | left_over}
        for uid, done in waiting.items():
            self._dirty.setdefault(uid, []).append(done)
        self._urgent.set()
        self._wake.set()
        if waiting:
            await asyncio.wait(waiting.values())

    # What runs.

    async def run(self) -> None:
        """Reconcile until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(), name="reconciler: discovery")
                group.create_task(self._reconcile(group), name="reconciler: reconcile")
                group.create_task(self._verify(), name="reconciler: verify")
                group.create_task(self._measure(), name="reconciler: measure")
        finally:
            self._worker.shutdown(wait=True, cancel_futures=True)

    async def withdraw_all(self) -> None:
        """Put everything back as it was found; to be called once `run` has ended."""
        await asyncio.to_thread(self._enforcer.withdraw_all)

    async def _on_worker(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _mark(self, uids: Iterable[str]) -> None:
        """Make pods dirty, of those that are ours to care for."""
        for uid in uids:
            if uid in self._wanted or uid in self._results:
                self._dirty.setdefault(uid, [])
        if self._dirty:
            self._wake.set()

    async def _follow(self) -> None:
        async for uids in self._discovery.changes():
            self._mark(uids)

    async def _reconcile(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._wake.wait()
            taken = dict(itertools.islice(self._dirty.items(), BATCH))
            for uid in taken:
                del self._dirty[uid]
            if not self._dirty:
                self._wake.clear()
                self._urgent.clear()
            began = self._clock.monotonic()
            results = await self._on_worker(functools.partial(self._pass.run, tuple(taken), self._wanted))
            self._take_over(results)
            for done in itertools.chain.from_iterable(taken.values()):
                if not done.done():
                    done.set_result(None)
            if postponed := self._enforcer.postponed():
                group.create_task(self._later(postponed), name="reconciler: postponed")
            await self._rest(min(REST_FACTOR * (self._clock.monotonic() - began), REST_LIMIT))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()

    async def _later(self, uids: frozenset[str]) -> None:
        await self._clock.sleep(POSTPONED_SECONDS)
        self._mark(uids)

    def _take_over(self, results: Mapping[str, batch.Result | None]) -> None:
        changed: set[str] = set()
        for uid, result in results.items():
            before = self._results.pop(uid, None)
            if result is not None:
                self._results[uid] = result
            if before != result:
                self._generation += 1
            old, new = (one.outcomes if one else {} for one in (before, result))
            changed |= {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if changed:
            for callback in tuple(self._subscribers):
                callback(frozenset(changed))

    async def _verify(self) -> None:
        """Now and then have the enforcer look for drift; what discovery's events missed, its own walk finds."""
        while True:
            await self._clock.sleep(self._verify_seconds)
            try:
                repaired = await self._on_worker(self._enforcer.verify)
                self._mark(self._enforcer.postponed())
            except Exception:
                _logger.exception("verification failed; it will be tried again")
                continue
            if repaired:
                _logger.warning("repaired what something else had changed", extra={"pods": sorted(repaired)})

    async def _measure(self) -> None:
        before: Mapping[str, collecting.PodUsage] = {}
        while True:
            pods = [result.pod for result in self._results.values() if result.decisions]
            try:
                self._usage = await self._on_worker(functools.partial(self._collector.collect, pods))
            except Exception:
                _logger.exception("measuring failed; it will be tried again")
            self._shares = collecting.shares(before=before, after=self._usage)
            before = self._usage
            await self._clock.sleep(self._measure_seconds)
