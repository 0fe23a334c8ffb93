"""Following how far intents have come: once for all who watch, and never more than is kept."""

import asyncio
import contextlib
import datetime
import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import errors
from gthulhu.manager.distribution import links, progress
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, scope
from gthulhu.manager.domain.intent import IntentState
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.domain.strategy import Strategy
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base as stores
from gthulhu.manager.store import sqlite
from tests.unit.common import clocks


class Fixture:
    """A world with one strategy for every pod, and what follows it."""

    def __init__(self, store: sqlite.SqliteStore, clock: clocks.ManualClock) -> None:
        now = clock.now()
        self.store = store
        self.clock = clock
        self.world = worlds.World(clock=clock)
        self.version = 0
        policies = (access.Policy(permission=scope.CREATE),)
        self.world.apply_store(
            stores.Snapshot(
                revision=1,
                strategies=(Strategy(id="s", name="s", all_pods=True, creator_id="u", created_at=now, updated_at=now),),
                users=(access.User(id="u", username="u", password_hash="", roles=("r",), created_at=now),),
                roles=(access.Role(id="r", name="r", policies=policies, created_at=now, updated_at=now),),
                paused=False,
            )
        )
        self.progress = progress.Progress(
            world=self.world, links=links.Links(store=store, clock=clock), clock=clock, keep=3
        )

    def pods(self, *names: str, node: str = "a") -> None:
        self.version += 1
        self.world.apply_inventory(
            inventories.InventoryChange(
                version=self.version,
                pods=tuple(Pod(uid=name, name=name, namespace="prod", node=node) for name in names),
                complete=True,
            )
        )


@pytest.fixture
async def it(tmp_path: pathlib.Path) -> AsyncIterator[Fixture]:
    clock = clocks.ManualClock()
    store = sqlite.SqliteStore(tmp_path / "store.sqlite3", clock=clock)
    await store.open()
    try:
        yield Fixture(store, clock)
    finally:
        await store.close()


def everything(_entry: progress.Entry) -> bool:
    return True


async def until_synced(events: AsyncIterator[progress.Event | None]) -> tuple[list[str], str]:
    """Return the names of the pods that were sent, and where to resume."""
    names = []
    async for event in events:
        assert event is not None
        if event.entry is None and not event.removed_id:
            return sorted(names), event.cursor
        names.append(event.entry.intent.pod_name if event.entry else f"-{event.removed_id}")
    raise AssertionError("the watch has ended")


async def once(it: Fixture, *, since: str = "") -> tuple[list[str], str]:
    """Watch until all has been sent."""
    async with contextlib.aclosing(it.progress.watch(everything, since=since)) as events:
        return await until_synced(events)


async def test_a_lease_that_runs_out_is_a_change_though_nobody_has_written_it(it: Fixture) -> None:
    now = it.clock.now()
    lease = now + datetime.timedelta(seconds=10)
    await it.store.open_session(
        stores.AgentSession(
            node="a", epoch=0, replica="r", opened_at=now, lease_until=lease, behind_since=now, agent_address="x"
        )
    )
    it.pods("p")
    async with contextlib.aclosing(it.progress.watch(everything)) as events:
        first = await anext(events)
        assert first is not None
        assert first.entry is not None
        assert first.entry.standing.state is IntentState.SENT
        await anext(events)
        assert await anext(events) is None
        it.clock.advance(10)
        event = await anext(events)
        assert event is not None
        assert event.entry is not None
        assert (event.entry.standing.state, event.entry.standing.reason) == (IntentState.PENDING, "AGENT_DISCONNECTED")


async def test_a_pod_that_gets_a_node_changes_once(it: Fixture) -> None:
    it.pods("p", node="")
    async with contextlib.aclosing(it.progress.watch(everything)) as events:
        assert (await until_synced(events))[0] == ["p"]
        it.pods("p", node="a")
        event = await anext(events)
        assert event is not None
        assert event.entry is not None
        assert event.entry.intent.node == "a"
        assert await anext(events) is None


async def test_a_cursor_that_is_too_old_starts_again(it: Fixture) -> None:
    it.pods("p1", "p2")
    _, cursor = await once(it)
    it.pods("p1", "p2", "p3")
    assert (await once(it, since=cursor))[0] == ["p3"]
    it.pods("p4", "p5")
    assert (await once(it, since=cursor))[0] == ["p4", "p5"]


async def test_who_reads_too_slowly_is_told_so(it: Fixture) -> None:
    it.pods("p1", "p2")
    async with contextlib.aclosing(it.progress.watch(everything)) as events:
        await until_synced(events)
        it.pods("p3", "p4")
        with pytest.raises(errors.UnavailableError) as caught:
            await anext(events)
    assert caught.value.reason == "WATCH_LOST"


async def test_who_goes_while_it_is_read_takes_nothing_from_the_others(it: Fixture) -> None:
    it.pods("p1")
    staying = it.progress.watch(everything)
    assert (await until_synced(staying))[0] == ["p1"]
    it.pods("p1", "p2")
    going = asyncio.create_task(anext(it.progress.watch(everything)))
    for _ in range(100):
        if not it.progress._touched and it.progress._reading.locked():
            break
        await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    event = await anext(staying)
    assert event is not None
    assert event.entry is not None
    assert event.entry.intent.pod_name == "p2"
