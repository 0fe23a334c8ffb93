"""How soon a change is with a thousand agents: a real manager process, mTLS, one connection an agent.

The baseline is a small model of the older scheme: the manager POSTs each node's whole set to one agent after the other,
and a node's scheduler asks its agent every 5 s. The loopback is the network; manager and agents share this machine.
"""

import contextlib
import http.client
import http.server
import json
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the benchmark may be run as a file

from tests.fleet import installation as fleets  # noqa: E402 - see above

Row = dict[str, object]

CHANGES = 20
"""Changes of one kind; their slowest stands for p99."""
FEW = 10
POLL_SECONDS = 5.0
"""Of the older scheme's schedulers."""


class Bench:
    """A manager with agents connected."""

    def __init__(self, installed: fleets.Installation, *, count: int, fleet_processes: int = 1) -> None:
        self.installed = installed
        self.nodes = [f"node-{number:05}" for number in range(count)]
        self.manager = installed.add_manager()
        pods = {
            f"web-{number:05}": {"node": node, "labels": {"app": "web", "few": "yes" if number < FEW else "no"}}
            for number, node in enumerate(self.nodes)
        }
        installed.set_pods(pods, nodes=self.nodes)
        self.manager.start()
        self.user = installed.user(self.manager)
        self._mark = 1_000_000
        time.sleep(1)
        self.rss_before = self.manager.rss
        began = time.monotonic()
        for part in range(fleet_processes):
            installed.add_fleet(self.nodes[part::fleet_processes])
        self.await_connected(seconds=240)
        self.connected_after = time.monotonic() - began

    def tell(self, what: str) -> int:
        """Return the sum over all fleets of a figure."""
        return sum(int(one.tell()[what]) for one in self.installed.fleets)

    def await_connected(self, *, seconds: float) -> None:
        """Return when the manager has every session, and each has all that is wanted."""

        def settled() -> bool:
            found = self.manager.metrics()
            return (found["sessions"], found["sessions_behind"]) == (len(self.nodes), 0)

        def safely() -> bool:
            with contextlib.suppress(OSError, KeyError):
                return settled()
            return False

        fleets.until(safely, seconds=seconds, what="sessions", every=0.05)

    def change(self, *, name: str, labels: dict[str, str], count: int, strategy_id: str) -> tuple[float, str]:
        """Change a strategy; returns seconds until the manager has the last acknowledgement, and the id."""
        self._mark += 1
        before = self.manager.metric("acknowledgements_total")
        parts = self._parts(count)
        for fleet, expected in parts:
            fleet.order({"expect": self._mark, "count": expected})
        began = time.monotonic()
        made = self.user.put(name=name, labels=labels, mark=self._mark, strategy_id=strategy_id)
        for fleet, _ in parts:
            while fleet.answer().get("mark") != self._mark:
                pass
        fleets.until(lambda: self.manager.metric("acknowledgements_total") >= before + count, every=0.001)
        return time.monotonic() - began, made

    def changes(self, *, name: str, labels: dict[str, str], count: int, times: int) -> list[float]:
        """Change one strategy over and over."""
        _, made = self.change(name=name, labels=labels, count=count, strategy_id="")
        found = []
        for _ in range(times):
            time.sleep(0.3)
            found.append(self.change(name=name, labels=labels, count=count, strategy_id=made)[0])
        self.user.delete(made)
        self.await_connected(seconds=60)
        return found

    def restart(self) -> tuple[float, float]:
        """Kill the manager, start it 1 s later; returns seconds from its start until all are in sync, and bytes."""
        before = self.tell("received")
        self.manager.kill()
        time.sleep(1)
        began = time.monotonic()
        self.manager.spawn()
        self.await_connected(seconds=120)
        took = time.monotonic() - began
        return took, (self.tell("received") - before) / len(self.nodes)

    def _parts(self, count: int) -> Sequence[tuple[fleets.Fleet, int]]:
        """Return which fleets see a change of the first so many nodes, and how often."""
        number = len(self.installed.fleets)
        shares = [len(range(part, count, number)) for part in range(number)]
        return [(fleet, share) for fleet, share in zip(self.installed.fleets, shares, strict=True) if share]


@contextlib.contextmanager
def running(count: int, *, fleet_processes: int = 1) -> Iterator[Bench]:
    """Run a manager and so many agents."""
    with tempfile.TemporaryDirectory() as folder, fleets.installed(pathlib.Path(folder)) as installed:
        yield Bench(installed, count=count, fleet_processes=fleet_processes)


class _Receiver(http.server.BaseHTTPRequestHandler):
    """An agent of the older scheme: takes a node's whole set."""

    def do_POST(self) -> None:
        """Take it."""
        json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def older_scheme(count: int) -> float:
    """Return seconds until the last scheduler has asked for what its agent was posted."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = json.dumps({"intents": [{"podID": "uid", "priority": 3, "executionTime": 20_000_000, "labels": {"a": "b"}}]})
    draw = random.Random(1)  # noqa: S311 - phases of the polls
    began, last = time.monotonic(), 0.0
    for _ in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("POST", "/api/v1/intents", body, {"content-type": "application/json"})
        connection.getresponse().read()
        connection.close()
        last = max(last, time.monotonic() - began + draw.uniform(0, POLL_SECONDS))
    server.shutdown()
    server.server_close()
    return last


def row(name: str, value: float, unit: str, *, goal: float | None = None, baseline: float | None = None) -> Row:
    """Return one row of results."""
    ratio = baseline / value if baseline and value else None
    return {"name": name, "value": value, "unit": unit, "goal": goal, "baseline": baseline, "ratio": ratio}


def a_thousand(count: int = 1000, times: int = CHANGES) -> list[Row]:
    """Measure everything that is about a thousand agents."""
    with running(count) as it:
        connected = it.connected_after
        every = it.changes(name="every", labels={"app": "web"}, count=count, times=times)
        few = it.changes(name="few", labels={"few": "yes"}, count=FEW, times=4 * times)
        memory = (it.manager.rss - it.rss_before) / count / 1000
        back = [it.restart() for _ in range(3)]
        it.installed.fleets[0].order({"sampling": True})
        time.sleep(3)
        sent, answered, began = it.tell("sent"), it.tell("answered"), time.monotonic()
        beside = it.changes(name="beside", labels={"app": "web"}, count=count, times=times)
        pace = (it.tell("sent") - sent) / (time.monotonic() - began)
        fleets.until(lambda: it.tell("answered") - answered >= (it.tell("sent") - sent) * 0.98, seconds=10)
        lost = (it.tell("sent") - it.tell("answered")) / count
    older = older_scheme(count)
    return [
        row("change for 1,000 of 1,000 agents, until the last ack is in, p50", statistics.median(every), "s"),
        row("the same, slowest of 20", max(every), "s", goal=1.0, baseline=older),
        row("change for 10 of 1,000 agents, p50", statistics.median(few) * 1e3, "ms"),
        row("the same, slowest of 80", max(few) * 1e3, "ms", goal=150),
        row("manager's memory an agent", memory, "kB", goal=150),
        row("1,000 agents connect at once", connected, "s"),
        row("manager killed: from its start to 1,000 in sync, worst of 3", max(t for t, _ in back), "s", goal=5),
        row("bytes sent in a session's messages when nothing changed", max(b for _, b in back), "B", goal=1000),
        row("first row with 1,000 MetricSets a second beside it, slowest of 20", max(beside), "s", goal=1.5),
        row("MetricSets taken in meanwhile", pace, "a second", goal=1000 * 0.95),
        row("MetricSets under way at the end, an agent", lost, "", goal=1),
    ]


def five_thousand(count: int = 5000, times: int = 10) -> list[Row]:
    """Measure what is about five thousand agents."""
    with running(count, fleet_processes=2) as it:
        connected = it.connected_after
        every = it.changes(name="every", labels={"app": "web"}, count=count, times=times)
        memory = (it.manager.rss - it.rss_before) / count / 1000
    older = older_scheme(count)
    return [
        row("change for 5,000 of 5,000 agents, p50", statistics.median(every), "s"),
        row("the same, slowest of 10", max(every), "s", goal=3.0, baseline=older),
        row("manager's memory an agent, 5,000 agents", memory, "kB", goal=150),
        row("5,000 agents connect at once", connected, "s"),
    ]


def run() -> list[Row]:
    """Measure everything."""
    return [*a_thousand(), *five_thousand()]


if __name__ == "__main__":
    for one in run():
        print(json.dumps(one), flush=True)  # noqa: T201 - run by hand
