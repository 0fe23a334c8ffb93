"""A process that is killed while it writes loses nothing that it was told is written, and leaves nothing half done."""

import asyncio
import json
import pathlib
import signal
import sys

import pytest

from gthulhu.common import clock
from gthulhu.manager.store import base, sqlite

WRITER = pathlib.Path(__file__).with_name("writer.py")
WRITES = 25
"""Acknowledged before the kill."""


def read(line: bytes) -> dict[str, str]:
    """Return the id and etag of a line; nothing where the kill has cut it off."""
    if not line.endswith(b"\n"):
        return {}
    written = json.loads(line)
    return {written["id"]: written["etag"]}


async def write_and_kill(path: pathlib.Path, turn: int) -> dict[str, str]:
    """Return the etags of what a writer had been told is written when it was killed, by id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), str(path), str(turn), stdout=asyncio.subprocess.PIPE
    )
    acknowledged: dict[str, str] = {}
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"open\n"
            while len(acknowledged) < WRITES:
                line = await process.stdout.readline()
                assert line, "the writer has ended by itself"
                acknowledged |= read(line)
            process.kill()
            for line in (await process.stdout.read()).splitlines(keepends=True):
                acknowledged |= read(line)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == -signal.SIGKILL
    return acknowledged


async def check(path: pathlib.Path, acknowledged: dict[str, str]) -> None:
    store = sqlite.SqliteStore(path, clock=clock.SystemClock())
    await store.open()
    try:
        snapshot = await store.snapshot()
        found = {value.id: value.etag for value in snapshot.strategies}
        assert acknowledged.items() <= found.items()
        assert snapshot.revision == len(found)
        audited = await store.list_audit(base.AuditFilter(), limit=100_000)
        assert {entry.target for entry in audited} == set(found)
        feed = store.watch(since=0)
        async with asyncio.timeout(10):
            changes = [await anext(feed) for _ in found]
        assert [change.revision for change in changes] == list(range(1, len(found) + 1))
        await feed.aclose()
    finally:
        await store.close()


async def rounds(path: pathlib.Path, count: int) -> None:
    acknowledged: dict[str, str] = {}
    for turn in range(count):
        acknowledged |= await write_and_kill(path, turn)
        await check(path, acknowledged)


async def test_no_acknowledged_write_is_lost(tmp_path: pathlib.Path) -> None:
    await rounds(tmp_path / "store.sqlite3", 3)


@pytest.mark.long
async def test_no_acknowledged_write_is_lost_in_chaos(tmp_path: pathlib.Path) -> None:
    await rounds(tmp_path / "store.sqlite3", 25)
