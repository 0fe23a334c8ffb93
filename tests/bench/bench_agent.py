"""The agent on a node: how soon a process is scheduled as it should be, and what that costs. Real cgroups, needs root.

The baseline is the older scheme: on every poll a scan of all of /proc, and each intent's expression compiled anew.
"""

import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import re
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator

from gthulhu.agent import config as configs
from gthulhu.agent import reconciler
from gthulhu.agent.discovery import connector, connector_pyroute2
from gthulhu.agent.discovery import node as discovering
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.enforcement import probe, stock
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.metrics import collector_procfs
from gthulhu.common import clock as clocks

Row = dict[str, object]

PODS = 100
PROCESSES = 2000
SELECTED = 10
"""Pods that an intent selects on the idle node."""
STARTS = 250
STARTS_A_SECOND = 50
SLICE_NS = 7_000_000
WORKERS = 200
IDLE_SECONDS = 35
"""Holds a walk and a verification."""

STARTER = """
import os, sys, time
from gthulhu.agent.enforcement import threads
SLICE = {slice_ns}
def child(procs):
    with open(procs, 'w') as file:
        file.write('0')
    began = time.monotonic_ns()
    while threads.get(0).setting.slice_ns != SLICE:
        time.sleep(0.0005)
    os.write(1, b'%d\\n' % (time.monotonic_ns() - began))
    os._exit(0)
for line in sys.stdin:
    if os.fork() == 0:
        child(line.strip())
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""

SLEEPERS = """
import os, signal, sys, threading
count, thread_count = int(sys.argv[2]), int(sys.argv[3])
for _ in range(count):
    if os.fork() == 0:
        with open(sys.argv[1], 'w') as file:
            file.write('0')
        for _ in range(thread_count - 1):
            threading.Thread(target=signal.pause, daemon=True).start()
        os.write(1, b'.')
        signal.pause()
signal.pause()
"""

FORKS = """
import os
for _ in range(1000):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
"""


class Node:
    """A kubelet's tree with pods of sleeping processes."""

    def __init__(self) -> None:
        self.hierarchy = hierarchies.find(pathlib.Path("/sys/fs/cgroup"))
        self.root = f"gthulhu-bench-{secrets.token_hex(4)}.slice"
        self.kubepods = f"{self.root}/kubepods.slice"
        self.pods: dict[str, str] = {}
        """The container's cgroup by the pod's UID."""

    def add_pod(self, *, processes: int, thread_count: int = 1) -> str:
        """Make a pod; returns its UID."""
        uid = str(uuid.uuid4())
        pod = f"{self.kubepods}/kubepods-pod{uid.replace('-', '_')}.slice"
        cgroup = f"{pod}/cri-containerd-{secrets.token_hex(32)}.scope"
        (self.hierarchy.root / cgroup).mkdir(parents=True)
        self.pods[uid] = cgroup
        if processes:
            arguments = [self.procs(uid), str(processes), str(thread_count)]
            with subprocess.Popen([sys.executable, "-c", SLEEPERS, *arguments], stdout=subprocess.PIPE) as parent:
                assert parent.stdout
                parent.stdout.read(processes)
                parent.kill()
        return uid

    def procs(self, uid: str) -> str:
        """Return the file that takes a process into a pod."""
        return f"{self.hierarchy.root}/{self.pods[uid]}/cgroup.procs"

    def config(self, folder: str) -> configs.AgentConfig:
        """Return an agent's configuration for it."""
        return configs.AgentConfig(
            state_dir=pathlib.Path(folder),
            node=configs.Node(kubepods=(self.kubepods,)),
            enforcement=configs.Enforcement(enforcer="stock"),
        )

    def close(self) -> None:
        """End every process and remove every cgroup."""
        while pids := self.hierarchy.pids(self.root):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for folder, _, _ in os.walk(self.hierarchy.root / self.root, topdown=False):
            pathlib.Path(folder).rmdir()


@contextlib.contextmanager
def a_node() -> Iterator[Node]:
    """Make a node, and remove it in any case."""
    made = Node()
    try:
        yield made
    finally:
        made.close()


@contextlib.asynccontextmanager
async def an_agent(config: configs.AgentConfig) -> AsyncIterator[reconciler.Reconciler]:
    """Run the node's side of an agent: discovery, decisions, the stock enforcer, measuring."""
    enforcer = probe.choose_enforcer(config, clock=clocks.SystemClock())
    assert isinstance(enforcer, stock.Stock)
    made = reconciler.Reconciler(
        discovery=discovering.from_config(config),
        enforcer=enforcer,
        clock=clocks.SystemClock(),
        collector=collector_procfs.ProcfsCollector(),
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        enforcer.withdraw_all()
        enforcer.close()


def wanted(*uids: str, slice_ns: int = SLICE_NS) -> dict[str, intents.Intent]:
    """Return an intent for each pod."""
    return {
        uid: intents.Intent(
            id=uid,
            version=str(slice_ns),
            strategy_id="s",
            strategy_created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            pod_uid=uid,
            command_regex="python",
            priority=3,
            execution_time_ns=slice_ns,
        )
        for uid in uids
    }


def percentile(values: list[float], part: float) -> float:
    """Return the smallest value that so many of all do not exceed."""
    return sorted(values)[max(0, round(part * len(values)) - 1)]


def row(name: str, value: float, unit: str, *, goal: float | None = None, baseline: float | None = None) -> Row:
    """Return one row of results."""
    ratio = baseline / value if baseline and value else None
    return {"name": name, "value": value, "unit": unit, "goal": goal, "baseline": baseline, "ratio": ratio}


async def starts(node: Node, folder: str) -> list[float]:
    """Start processes in selected pods at a steady rate; returns how long each waited for its slice, in ms."""
    selected = list(node.pods)[:SELECTED]
    async with an_agent(node.config(folder)) as agent:
        await agent.set_intents(wanted(*selected))
        starter = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            STARTER.format(slice_ns=SLICE_NS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert starter.stdin
        assert starter.stdout
        found = []
        try:
            for number in range(STARTS):
                starter.stdin.write(node.procs(selected[number % SELECTED]).encode() + b"\n")
                await asyncio.sleep(1 / STARTS_A_SECOND)
            async with asyncio.timeout(30):
                found = [int(await starter.stdout.readline()) / 1e6 for _ in range(STARTS)]
        finally:
            starter.kill()
            await starter.wait()
        return found


async def arrivals(node: Node, folder: str) -> list[float]:
    """Have an intent arrive for many threads, over and over; returns how long each took to be in force, in ms."""
    uid = node.add_pod(processes=WORKERS, thread_count=4)
    found = []
    async with an_agent(node.config(folder)) as agent:
        for number in range(40):
            began = time.perf_counter()
            await agent.set_intents(wanted(uid, slice_ns=SLICE_NS + number))
            found.append((time.perf_counter() - began) * 1e3)
            outcome = agent.outcomes()[uid].outcome
            assert (outcome.processes, outcome.threads) == (WORKERS, 4 * WORKERS)
            await asyncio.sleep(0.2)
    return found


async def idle(node: Node, folder: str) -> dict[str, float]:
    """Run an agent where nothing changes; returns its part of a CPU in per cent, and its resident MB."""
    async with an_agent(node.config(folder)) as agent:
        await agent.set_intents(wanted(*list(node.pods)[:SELECTED]))
        before = time.process_time()
        began = time.monotonic()
        await asyncio.sleep(IDLE_SECONDS)
        used = (time.process_time() - before) / (time.monotonic() - began)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": 100 * used, "rss": rss}


def idle_apart(node: Node, folder: str) -> dict[str, float]:
    """Do it in a process of its own, so that nothing else is counted."""
    code = (
        "import asyncio, json, sys, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('bench_agent', sys.argv[1])\n"
        "bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench)\n"
        "node = bench.Node(); node.root, node.kubepods, node.pods = json.loads(sys.argv[2])\n"
        "print(json.dumps(asyncio.run(bench.idle(node, sys.argv[3]))))\n"
    )
    state = json.dumps([node.root, node.kubepods, node.pods])
    done = subprocess.run([sys.executable, "-c", code, __file__, state, folder], capture_output=True, check=True)
    return dict(json.loads(done.stdout))


def older_poll(count: int) -> float:
    """Poll once as the older scheme does; returns the milliseconds of CPU that it took."""
    began = time.process_time()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            cgroup = (entry / "cgroup").read_text()
            comm = (entry / "comm").read_text()
            command = (entry / "cmdline").read_text(errors="replace")
            for number in range(count if "kubepods" in cgroup else 0):
                re.purge()
                re.compile(f"python|worker-{number}").search(comm + command)
    return (time.process_time() - began) * 1e3


def event_cost(make: type[connector.Connector]) -> float:
    """Return the microseconds of CPU that hearing of one fork or exit takes."""
    events = make()
    subprocess.run([sys.executable, "-c", FORKS], check=True)
    began, heard = time.process_time(), 0
    while batch := len(list(events.read())):
        heard += batch
    used = time.process_time() - began
    events.close()
    return used / heard * 1e6


def run() -> list[Row]:
    """Measure everything."""
    with a_node() as node, tempfile.TemporaryDirectory() as folder:
        for _ in range(PODS):
            node.add_pod(processes=PROCESSES // PODS)
        config = node.config(folder)
        discovery = discovering.from_config(config)
        began = time.perf_counter()
        assert len(discovery.pods()) == PODS
        walk = (time.perf_counter() - began) * 1e3
        began = time.perf_counter()
        assert sum(len(discovery.pod(uid).processes) for uid in node.pods) == PROCESSES
        reading = (time.perf_counter() - began) * 1e3
        poll = older_poll(SELECTED)
        waits = asyncio.run(starts(node, folder))
        resting = idle_apart(node, folder)
        arrived = asyncio.run(arrivals(node, folder))
    return [
        row("process start to slice in force, 2,000 processes, 50 starts a second, p50", percentile(waits, 0.5), "ms"),
        row("process start to slice in force, as above, p99", percentile(waits, 0.99), "ms", goal=250),
        row("intent to in force, 200 processes x 4 threads, p50", percentile(arrived, 0.5), "ms"),
        row("intent to in force, as above, p99", percentile(arrived, 0.99), "ms", goal=100),
        row("idle node, 100 pods, 2,000 processes: CPU of the node's side", resting["cpu"], "% of a core", goal=0.5),
        row("idle node, as above: resident", resting["rss"], "MB", goal=80),
        row("walk of the cgroup tree, 100 pods", walk, "ms", baseline=poll),
        row("every process of 100 pods read, 2,000", reading, "ms", baseline=poll),
        row("process event, plain netlink", event_cost(connector.Connector), "us"),
        row("process event, decoded by pyroute2", event_cost(connector_pyroute2.Pyroute2Connector), "us"),
    ]


if __name__ == "__main__":
    for one in run():
        print(json.dumps(one))  # noqa: T201 - run by hand
