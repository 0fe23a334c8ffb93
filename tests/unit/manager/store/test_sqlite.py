"""The embedded store: the contract of all stores, and what is special about a file."""

import asyncio
import contextlib
import pathlib
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import errors
from gthulhu.manager.store import base, sqlite
from tests.unit.manager.store import contract, samples


class TestSqliteStore(contract.StoreContract):
    """Runs all of it."""

    @pytest.fixture
    def make_store(self, tmp_path: pathlib.Path) -> samples.MakeStore:
        @contextlib.asynccontextmanager
        async def make(*, keep_changes: int = 10_000) -> AsyncIterator[base.Store]:
            store = sqlite.SqliteStore(
                tmp_path / "store.sqlite3", clock=samples.FixedClock(), keep_changes=keep_changes
            )
            await store.open()
            try:
                yield store
            finally:
                await store.close()

        return make


def a_store(path: pathlib.Path) -> sqlite.SqliteStore:
    return sqlite.SqliteStore(path, clock=samples.FixedClock())


async def test_a_second_manager_is_refused_and_told_who_holds_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.sqlite3"
    holder = a_store(path)
    await holder.open()
    attempt = (
        "import asyncio, pathlib, sys\n"
        "from gthulhu.common import clock, errors\n"
        "from gthulhu.manager.store import sqlite\n"
        "store = sqlite.SqliteStore(pathlib.Path(sys.argv[1]), clock=clock.SystemClock())\n"
        "try:\n    asyncio.run(store.open())\n"
        "except errors.UnavailableError as error:\n    print(error.reason, error.message)\n"
    )
    refusal = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", attempt, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert refusal.stdout.startswith("STORE_LOCKED")
    assert "store.sqlite3 is in use by another manager (process " in refusal.stdout
    await holder.close()
    again = a_store(path)
    await again.open()
    await again.close()


async def test_nobody_else_can_read_the_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / "store.sqlite3"
    store = a_store(path)
    await store.open()
    await store.set_paused(True, audit=samples.an_entry())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await store.close()


async def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    with samples.refused(errors.UnavailableError, "STORE_TOO_NEW"):
        await a_store(path).open()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_what_is_no_database_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_text("this is a letter to a friend, and no database at all")
    with samples.refused(errors.UnavailableError, "STORE_UNAVAILABLE"):
        await a_store(path).open()


async def test_audit_entries_cannot_be_changed_even_by_sql(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = a_store(path)
    await store.open()
    await store.add_audit(samples.an_entry())
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(statement)


async def test_where_the_audit_entry_cannot_be_written_nothing_is(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = a_store(path)
    await store.open()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with samples.refused(errors.UnavailableError, "STORE_UNAVAILABLE"):
        await store.put_strategy(samples.a_strategy(), expected_etag=None, audit=samples.an_entry())
    assert await store.snapshot() == base.Snapshot(revision=0, strategies=(), users=(), roles=(), paused=False)
    await store.close()


async def test_a_store_that_is_not_open_says_so(tmp_path: pathlib.Path) -> None:
    store = a_store(tmp_path / "store.sqlite3")
    with samples.refused(errors.UnavailableError, "STORE_UNAVAILABLE"):
        await store.check()


async def test_a_change_is_announced_even_if_its_writer_has_gone_away(tmp_path: pathlib.Path) -> None:
    store = a_store(tmp_path / "store.sqlite3")
    await store.open()
    feed = store.watch(since=0)
    waiting = asyncio.create_task(samples.take(feed, 1))
    writer = asyncio.create_task(store.set_paused(True, audit=samples.an_entry()))
    await asyncio.sleep(0)
    writer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writer
    assert await waiting == [base.PauseChange(revision=1, paused=True)]
    await feed.aclose()
    await store.close()
