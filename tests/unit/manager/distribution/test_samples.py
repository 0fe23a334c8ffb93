"""What nodes measured and reported is shown by every replica, and kept no longer than it is of use."""

import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.manager.distribution import leftovers, samples, tally, world
from gthulhu.manager.domain.pod import Node
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base, sqlite
from tests.unit.manager.store.samples import NOW, a_report, a_sample, a_session

SECOND = datetime.timedelta(seconds=1)


class SetClock:
    """Stands where a test sets it; who sleeps gets its turn when `turns` allows."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime.datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody waits here, not {seconds} s")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def store(tmp_path: pathlib.Path, clock: SetClock) -> AsyncIterator[base.Store]:
    opened = sqlite.SqliteStore(tmp_path / "store", clock=clock)
    await opened.open()
    yield opened
    await opened.close()


async def share(kept: samples.Samples) -> None:
    """Run what shares samples until it is stopped: it then shares what has come."""
    with pytest.raises(AssertionError):
        await kept.run()


async def test_every_replica_shows_what_one_of_them_received(store: base.Store, clock: SetClock) -> None:
    one, other = (samples.Samples(store=store, clock=clock) for _ in range(2))
    one.add(a_sample("n1"))
    other.add(a_sample("n2"))
    await share(one)
    assert await other.latest("n1") == a_sample("n1")
    assert [each.node for each in await other.all()] == ["n1", "n2"]
    assert await one.latest("n2") is None


async def test_a_node_that_has_moved_is_shown_as_its_new_replica_received_it(
    store: base.Store, clock: SetClock
) -> None:
    one, other = (samples.Samples(store=store, clock=clock) for _ in range(2))
    one.add(a_sample("n1"))
    newer = a_sample("n1", received_at=NOW + 60 * SECOND)
    clock.time = newer.received_at
    other.add(newer)
    await share(other)
    await share(one)
    assert await one.latest("n1") == newer
    assert await one.all() == [dataclasses.replace(newer, pods=())]


async def test_a_short_ring_is_kept_with_pods_of_the_latest_only(store: base.Store, clock: SetClock) -> None:
    kept = samples.Samples(store=store, clock=clock, keep=3)
    for number in range(5):
        kept.add(a_sample(received_at=NOW + number * SECOND))
    assert [(one.received_at, len(one.pods)) for one in kept.recent("n1")] == [
        (NOW + 2 * SECOND, 0),
        (NOW + 3 * SECOND, 0),
        (NOW + 4 * SECOND, 1),
    ]


async def test_a_node_that_streams_elsewhere_takes_no_memory_once_it_is_shared(
    store: base.Store, clock: SetClock
) -> None:
    kept = samples.Samples(store=store, clock=clock)
    kept.add(a_sample())
    kept.forget("n1")
    assert kept.recent("n1"), "it has not been shared yet"
    await share(kept)
    kept.forget("n1")
    assert not kept.recent("n1")
    assert await kept.latest("n1") == a_sample()


async def test_reports_of_a_node_that_is_over_go_with_their_intents_and_all_of_it_after_a_day(
    store: base.Store, clock: SetClock
) -> None:
    view = world.World(clock=clock)
    swept = leftovers.Leftovers(view=view, store=store, clock=clock)
    for node in ("lost", "late"):
        row = await store.open_session(a_session(node))
        await store.save_sessions([base.SessionUpdate(session=row, reports=(a_report(f"i-{node}", node=node),))])
    await store.put_samples([a_sample("lost"), a_sample("late")])

    async def left() -> list[str]:
        return [one.intent_id for one in await store.list_reports()]

    clock.time = NOW + datetime.timedelta(days=2)
    await swept.remove()
    assert await left() == ["i-late", "i-lost"], "before the view is complete nothing is concluded from it"
    view.apply_inventory(inventories.InventoryChange(version=1, nodes=(Node(name="late"),), complete=True))
    view.apply_store(await store.snapshot())
    clock.time = NOW + datetime.timedelta(minutes=1)
    await swept.remove()
    assert await left() == ["i-late", "i-lost"], "they may come back"
    clock.time = NOW + datetime.timedelta(minutes=10)
    await swept.remove()
    assert await left() == []
    assert len(await store.list_sessions()) == 2
    clock.time = NOW + datetime.timedelta(days=2)
    await swept.remove()
    assert [one.node for one in await store.list_sessions()] == ["late"]
    assert [one.node for one in await store.list_samples()] == ["late"]


def test_convergence_runs_from_the_first_change_to_the_last_acknowledgement(clock: SetClock) -> None:
    convergence = tally.Convergence(clock=clock)
    convergence.note("a", behind=True)
    clock.time += 0.1 * SECOND
    convergence.note("b", behind=True)
    convergence.note("a", behind=False)
    assert len(convergence) == 1
    clock.time += 0.2 * SECOND
    convergence.note("b", behind=False)
    convergence.note("b", behind=False)
    buckets = dict(convergence.seconds.buckets())
    assert (buckets["0.2"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 1)
    assert convergence.seconds.sum == pytest.approx(0.3)
