"""The reconciler: intents and discovery in, one pass over what is dirty, outcomes out."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

import pytest
import pytest_asyncio

from gthulhu.agent import reconciler
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base
from gthulhu.agent.metrics import collector
from gthulhu.common import clock as clocks


class Discovery:
    """Pods that the test holds in its hands."""

    def __init__(self) -> None:
        self.world: dict[str, processes.Pod] = {}
        self.tracked: frozenset[str] = frozenset()
        self.broken: set[str] = set()
        self._news: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    def put(self, uid: str, *comms: str, tell: bool = True) -> None:
        """Have a pod with processes of these names."""
        its = tuple(
            processes.Process(
                key=processes.ProcessKey(hash((uid, pid)) % 10000, 1), comm=comm, container_id="c", threads=(pid, 99)
            )
            for pid, comm in enumerate(comms)
        )
        self.world[uid] = processes.Pod(uid=uid, cgroup=uid, qos="Guaranteed", processes=its)
        if tell:
            self.tell(uid)

    def tell(self, *uids: str) -> None:
        self._news.put_nowait(frozenset(uids))

    def pods(self) -> Sequence[processes.Pod]:
        return list(self.world.values())

    def pod(self, uid: str) -> processes.Pod | None:
        if uid in self.broken:
            raise PermissionError(13, "Permission denied", "/proc/1/stat")
        return self.world.get(uid)

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        while True:
            yield await self._news.get()

    def track(self, uids: frozenset[str]) -> None:
        self.tracked = uids


class Enforcer:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.applied: dict[str, base.PodTarget] = {}
        self.calls: list[list[str]] = []
        self.left_over: frozenset[str] = frozenset()
        self.later: frozenset[str] = frozenset()
        self.broken: set[str] = set()
        self.effect = base.Effect(levers=("pod-weight",), limits=("LIMITED_BY_QOS",))
        self.verified = 0

    def capabilities(self) -> base.Capabilities:
        return base.Capabilities(enforcer="test")

    def apply(self, targets: Sequence[base.PodTarget]) -> Mapping[processes.ProcessKey, base.Effect]:
        self.calls.append([one.pod.uid for one in targets])
        if any(one.pod.uid in self.broken for one in targets):
            raise ValueError("secret detail")
        self.applied |= {one.pod.uid: one for one in targets}
        return {key: self.effect for one in targets for key in one.decisions}

    def forget(self, pod_uids: Sequence[str]) -> None:
        for uid in pod_uids:
            self.applied.pop(uid, None)

    def holds(self) -> frozenset[str]:
        return self.left_over

    def postponed(self) -> frozenset[str]:
        later, self.later = self.later, frozenset()
        return later

    def verify(self) -> Sequence[str]:
        self.verified += 1
        return ()

    def withdraw_all(self) -> None:
        self.applied.clear()


class Collector:
    """Counts readings: every process runs 1 ms a reading, at 2 ms intervals."""

    name = "test"

    def __init__(self) -> None:
        self.readings = 0

    def collect(self, pods: Iterable[processes.Pod]) -> Mapping[str, collector.PodUsage]:
        self.readings += 1
        counters = collector.Counters(run_ns=self.readings * 1_000_000)
        return {
            pod.uid: collector.PodUsage(
                at_ns=self.readings * 2_000_000,
                total=counters,
                processes={one.key: counters for one in pod.processes},
            )
            for pod in pods
        }

    def close(self) -> None:
        pass


class World:
    """A running reconciler with its surroundings."""

    def __init__(self) -> None:
        self.discovery = Discovery()
        self.enforcer = Enforcer()
        self.collector = Collector()
        self.reconciler = reconciler.Reconciler(
            discovery=self.discovery,
            enforcer=self.enforcer,
            clock=clocks.SystemClock(),
            collector=self.collector,
            verify_seconds=0.05,
            measure_seconds=0.02,
        )
        self.told: list[frozenset[str]] = []
        self.reconciler.subscribe(self.told.append)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 -- of something that tells nobody
                await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    task = asyncio.create_task(made.reconciler.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def intent(uid: str, *, name: str = "i", priority: int = 3, regex: str = "", version: str = "1") -> intents.Intent:
    return intents.Intent(
        id=f"{name}-{uid}",
        version=version,
        strategy_id=f"strategy-{name}",
        strategy_created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        pod_uid=uid,
        command_regex=regex,
        priority=priority,
    )


def by_id(*its: intents.Intent) -> dict[str, intents.Intent]:
    return {one.id: one for one in its}


async def test_intents_are_in_force_when_they_have_been_set(world: World) -> None:
    world.discovery.put("a", "nginx", "sh")
    await world.reconciler.set_intents(by_id(intent("a", regex="^nginx$")))
    (decision,) = world.enforcer.applied["a"].decisions.values()
    assert (decision.priority, decision.threads) == (3, (0, 99))
    outcome = world.reconciler.outcomes()["i-a"]
    assert (outcome.outcome.processes, outcome.outcome.threads) == (1, 2)
    assert (outcome.version, outcome.limits, outcome.failure) == ("1", ("LIMITED_BY_QOS",), "")
    assert world.discovery.tracked == {"a"}
    assert world.told == [frozenset({"i-a"})]


async def test_only_pods_that_change_are_touched(world: World) -> None:
    for uid in ("a", "b"):
        world.discovery.put(uid, "x")
    await world.reconciler.set_intents(by_id(intent("a"), intent("b")))
    world.enforcer.calls.clear()
    await world.reconciler.set_intents(by_id(intent("a"), intent("b", version="2", priority=4)))
    assert ["b"] in world.enforcer.calls
    assert ["a", "b"] not in world.enforcer.calls


async def test_what_is_not_wanted_any_more_is_withdrawn(world: World) -> None:
    world.discovery.put("a", "x")
    await world.reconciler.set_intents(by_id(intent("a")))
    await world.reconciler.set_intents({})
    assert world.enforcer.applied["a"].decisions == {}
    assert world.reconciler.outcomes() == {}
    assert world.reconciler.decisions() == []
    assert world.told == [frozenset({"i-a"})] * 2


async def test_what_is_left_over_from_before_a_restart_is_withdrawn_with_the_first_set(world: World) -> None:
    world.discovery.put("a", "x")
    world.discovery.put("old", "x")
    world.enforcer.left_over = frozenset({"a", "old"})
    await world.reconciler.set_intents(by_id(intent("a")))
    assert world.enforcer.applied["old"].decisions == {}
    assert world.enforcer.applied["a"].decisions


async def test_new_processes_and_pods_are_taken_in(world: World) -> None:
    await world.reconciler.set_intents(by_id(intent("a")))
    outcome = world.reconciler.outcomes()["i-a"]
    assert (outcome.outcome.processes, outcome.failure) == (0, "")
    world.discovery.put("a", "x", "y")
    await world.until(lambda: world.reconciler.outcomes()["i-a"].outcome.processes == 2)
    assert len(world.reconciler.decisions("a")) == 2


async def test_a_pod_that_goes_is_forgotten(world: World) -> None:
    world.discovery.put("a", "x")
    await world.reconciler.set_intents(by_id(intent("a")))
    del world.discovery.world["a"]
    world.discovery.tell("a")
    await world.until(lambda: "a" not in world.enforcer.applied)
    await world.until(lambda: world.reconciler.outcomes()["i-a"].outcome.processes == 0)


async def test_one_pods_trouble_is_not_anothers(world: World) -> None:
    for uid in ("a", "b", "c"):
        world.discovery.put(uid, "x")
    world.enforcer.broken = {"b"}
    world.discovery.broken = {"c"}
    await world.reconciler.set_intents(by_id(intent("a"), intent("b"), intent("c")))
    outcomes = world.reconciler.outcomes()
    assert outcomes["i-a"].outcome.processes == 1
    assert outcomes["i-a"].failure == ""
    assert outcomes["i-b"].failure == "internal error, see the log"
    assert outcomes["i-c"].failure == "Permission denied: /proc/1/stat"


async def test_a_decision_that_is_not_in_force_counts_as_failed_and_not_as_applied(world: World) -> None:
    world.discovery.put("a", "x")
    world.enforcer.effect = base.Effect(failure="[Errno 1] Operation not permitted")
    await world.reconciler.set_intents(by_id(intent("a")))
    outcome = world.reconciler.outcomes()["i-a"]
    assert (outcome.outcome.processes, outcome.failure) == (0, "[Errno 1] Operation not permitted")


async def test_the_loser_names_the_winner(world: World) -> None:
    world.discovery.put("a", "x")
    await world.reconciler.set_intents(by_id(intent("a", name="weak", priority=7), intent("a", name="strong")))
    assert world.reconciler.outcomes()["weak-a"].outcome.superseded_by == "strategy-strong"
    assert world.reconciler.outcomes()["strong-a"].outcome.processes == 1


async def test_an_expression_that_does_not_compile_matches_nothing_and_hurts_nobody(world: World) -> None:
    world.discovery.put("a", "x")
    await world.reconciler.set_intents(by_id(intent("a", name="bad", regex="(", priority=0), intent("a", name="good")))
    assert world.reconciler.outcomes()["bad-a"].outcome.processes == 0
    assert world.reconciler.outcomes()["good-a"].outcome.processes == 1


async def test_drift_is_looked_for_now_and_then(world: World) -> None:
    await world.until(lambda: world.enforcer.verified >= 2)


async def test_what_the_enforcer_postpones_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "POSTPONED_SECONDS", 0.01)
    world.discovery.put("a", "x")
    world.enforcer.later = frozenset({"a"})
    await world.reconciler.set_intents(by_id(intent("a")))
    await world.until(lambda: world.enforcer.calls.count(["a"]) >= 2)


async def test_shares_stand_beside_decisions(world: World) -> None:
    world.discovery.put("a", "x")
    await world.reconciler.set_intents(by_id(intent("a")))
    await world.until(lambda: world.reconciler.decisions()[0].share is not None)
    assert world.reconciler.decisions()[0].share == collector.Share(cpu=0.5, wait=0.0)
    assert world.reconciler.usage().keys() == {"a"}


async def test_more_pods_than_a_batch_holds_are_all_reconciled(world: World) -> None:
    uids = [f"pod{number}" for number in range(reconciler.BATCH * 2 + 1)]
    for uid in uids:
        world.discovery.put(uid, "x", tell=False)
    await world.reconciler.set_intents(by_id(*map(intent, uids)))
    assert world.enforcer.applied.keys() == set(uids)
    assert max(map(len, world.enforcer.calls)) <= reconciler.BATCH


async def test_pods_are_listed_with_processes_whether_selected_or_not(world: World) -> None:
    world.discovery.put("a", "x")
    assert [len(one.processes) for one in await world.reconciler.pods()] == [1]
    assert await world.reconciler.pods("nowhere") == []
