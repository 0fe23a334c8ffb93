"""Agents in a process of their own: `python -m tests.fleet.process [NETNS]` reads orders from stdin.

Each is a line with a JSON object. The first is
{"targets", "agents": [{"node", "folder", "token"}], "record": path or null}. Then {"expect": mark, "count": n} is
answered, once so many agents hold an intent with that mark (its executionTime), by {"mark", "last": monotonic seconds};
{"sampling": true} starts samples; {"stuck": [nodes]} stops those reading, {"freed": [nodes]} has them read on;
{"tell": n} is answered by {"tell": n, "connected", "received", "sent", "answered", "held": …}.
"""

import asyncio
import collections
import json
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import Any

from pyroute2 import netns

from tests.fleet import agent as agents


class Fleet:
    """All agents of the process."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        record = pathlib.Path(first["record"]) if first["record"] else None
        lines = record.read_text().splitlines() if record and record.exists() else []
        self._file = record.open("a", buffering=1) if record else None
        self._marks: collections.Counter[int] = collections.Counter()
        self._expected: dict[int, int] = {}
        self.agents = {
            one["node"]: agents.Agent(
                agents.Identity(node=one["node"], folder=pathlib.Path(one["folder"]), token=one["token"]),
                targets=first["targets"],
                tell=self._teller(one["node"]),
            )
            for one in first["agents"]
        }
        for line in lines:  # it is the agents' disk too
            its = json.loads(line)
            if its["kind"] == "delta":
                self.agents[its["node"]].restore(its["held"], its["revisions"])

    def _teller(self, node: str) -> agents.Tell:
        def tell(kind: str, what: Mapping[str, Any]) -> None:
            if self._file is not None:
                self._file.write(json.dumps({"t": time.monotonic(), "node": node, "kind": kind, **what}) + "\n")
            for mark in what.get("marks", ()):
                self._marks[mark] += 1
                self._look(mark)

        return tell

    def _look(self, mark: int) -> None:
        if mark in self._expected and self._marks[mark] >= self._expected[mark]:
            del self._expected[mark]
            say({"mark": mark, "last": time.monotonic()})

    def obey(self, order: Mapping[str, Any]) -> None:
        """Do what a line says."""
        if "expect" in order:
            self._expected[order["expect"]] = order["count"]
            self._look(order["expect"])
        if "sampling" in order:
            for one in self.agents.values():
                one.sampling.set()
        for node in order.get("stuck", ()):
            self.agents[node].reading.clear()
        for node in order.get("freed", ()):
            self.agents[node].reading.set()
        if "tell" in order:
            every = self.agents.values()
            say(
                {
                    "tell": order["tell"],
                    "connected": sum(one.connected for one in every),
                    "received": sum(one.received for one in every),
                    "sent": sum(one.samples_sent for one in every),
                    "answered": sum(one.samples_received for one in every),
                    "held": {one.node: one.held for one in every} if order.get("held") else None,
                }
            )


def say(what: Mapping[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Obey until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    fleet = Fleet(json.loads(await reader.readline()))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in fleet.agents.values()]
        while line := await reader.readline():
            fleet.obey(json.loads(line))
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        netns.setns(name)
    asyncio.run(main())
