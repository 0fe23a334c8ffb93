"""A mongod that is killed while it is written to loses nothing that was acknowledged, and the feed goes on."""

import asyncio
import contextlib
import itertools
import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import clock, errors
from gthulhu.manager.store import base, mongodb
from tests.integration.store import mongod
from tests.unit.manager.store import samples

WRITES = 15
"""Acknowledged before each kill."""
RECOVERY_SECONDS = 30.0


class Watcher:
    """Follows a store through everything."""

    def __init__(self, store: base.Store) -> None:
        self._store = store
        self.revisions: list[int] = []
        self._more = asyncio.Condition()

    async def run(self) -> None:
        async for change in self._store.watch(since=0):
            async with self._more:
                self.revisions.append(change.revision)
                self._more.notify_all()

    async def reaches(self, revision: int) -> None:
        async with asyncio.timeout(RECOVERY_SECONDS), self._more:
            await self._more.wait_for(lambda: bool(self.revisions) and self.revisions[-1] >= revision)


async def write_until_killed(store: base.Store, server: mongod.Mongod, names: "itertools.count[int]") -> dict[str, str]:
    """Return the etags of what was acknowledged, by id."""
    acknowledged: dict[str, str] = {}

    async def write() -> None:
        while True:
            value = samples.a_strategy(f"s{next(names)}")
            kept = await store.put_strategy(value, expected_etag=None, audit=samples.an_entry(target=value.id))
            acknowledged[kept.id] = kept.etag
            if len(acknowledged) == WRITES:
                await asyncio.to_thread(server.kill)

    results = await asyncio.gather(*(write() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, errors.UnavailableError) for result in results), results
    assert len(acknowledged) >= WRITES
    return acknowledged


@contextlib.asynccontextmanager
async def watched(server: mongod.Mongod) -> AsyncIterator[tuple[base.Store, Watcher]]:
    store = mongodb.MongoStore(server.uri, database="gthulhu", clock=clock.SystemClock())
    await store.open()
    watcher = Watcher(store)
    watching = asyncio.create_task(watcher.run())
    try:
        yield store, watcher
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await store.close()


async def rounds(folder: pathlib.Path, program: pathlib.Path, count: int) -> None:
    acknowledged: dict[str, str] = {}
    names = itertools.count()
    with mongod.running(folder, program=program) as server:
        async with watched(server) as (store, watcher):
            for _ in range(count):
                acknowledged |= await write_until_killed(store, server, names)
                await asyncio.to_thread(server.start)
                snapshot = await store.snapshot()
                found = {value.id: value.etag for value in snapshot.strategies}
                assert acknowledged.items() <= found.items()
                assert snapshot.revision == len(found)
                audited = await store.list_audit(base.AuditFilter(), limit=100_000)
                assert {entry.target for entry in audited} == set(found)
                await watcher.reaches(snapshot.revision)
                assert watcher.revisions == list(range(1, snapshot.revision + 1))


async def test_no_acknowledged_write_is_lost(tmp_path: pathlib.Path, program: pathlib.Path) -> None:
    await rounds(tmp_path / "server", program, 1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_no_acknowledged_write_is_lost_in_chaos(tmp_path: pathlib.Path, program: pathlib.Path) -> None:
    await rounds(tmp_path / "server", program, 20)
