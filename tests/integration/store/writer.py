"""Writes into a SQLite store until it is killed, and says of each write that it has returned.

Run as `python writer.py PATH ROUND`; prints `open`, then one line of JSON a write.
"""

import asyncio
import json
import pathlib
import sys

from gthulhu.common import clock
from gthulhu.manager.domain import strategy
from gthulhu.manager.store import base, sqlite


async def main(path: pathlib.Path, turn: str) -> None:
    """Write strategies and refresh tokens, several at once."""
    time = clock.SystemClock()
    store = sqlite.SqliteStore(path, clock=time)
    await store.open()
    print("open", flush=True)  # noqa: T201 - this is how it reports

    async def write(lane: int) -> None:
        number = 0
        while True:
            number += 1
            name = f"r{turn}-l{lane}-n{number}"
            now = time.now()
            value = strategy.Strategy(id=name, name=name, all_pods=True, creator_id="u", created_at=now, updated_at=now)
            entry = base.AuditEntry(time=now, action="strategy.create", target=name)
            kept = await store.put_strategy(value, expected_etag=None, audit=entry)
            print(json.dumps({"id": kept.id, "etag": kept.etag}), flush=True)  # noqa: T201 - as above

    async with asyncio.TaskGroup() as group:
        for lane in range(4):
            group.create_task(write(lane))


asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2]))
