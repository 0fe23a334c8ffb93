"""A large cluster: what a manager needs to know it, and how soon a pod's event reaches the node. All over real sockets.

The API double, the manager and (where there is one) the agent are processes of their own. Events are timed from the
moment at which the double is told of them. The last figure needs root: the agent's pods are real cgroups.
"""

import asyncio
import contextlib
import datetime
import importlib.util
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from gthulhu.agent.enforcement import threads  # noqa: E402 - the tests' own tools are not installed
from gthulhu.cli.local import system, toml  # noqa: E402 - as above
from gthulhu.common import clock as clocks  # noqa: E402 - as above
from gthulhu.manager.domain import strategy as strategies  # noqa: E402 - as above
from gthulhu.manager.store import sqlite  # noqa: E402 - as above
from gthulhu.v1 import session_pb2  # noqa: E402 - as above
from tests.integration.manager import rig  # noqa: E402 - as above

Row = dict[str, object]

PODS = 150_000
NODES = 5_000
STRATEGIES = 1_000
AGENTS = 100
EVENTS = 2_000
EVENTS_A_SECOND = 200
REAL_PODS = 100
REAL_EVENTS_A_SECOND = 20
SLICE_NS = 7_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def row(name: str, value: float, unit: str, goal: float | None = None) -> Row:
    """Return one row of results."""
    return {"name": name, "value": value, "unit": unit, "goal": goal, "baseline": None, "ratio": None}


def percentile(values: list[float], part: float) -> float:
    """Return the smallest value that so many of all do not exceed."""
    return sorted(values)[max(0, round(part * len(values)) - 1)]


class Double:
    """The API double's process."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        """Take the running process."""
        self.url = url
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator["Double"]:
        """Start it, and wait until the cluster is in it."""
        async with program(str(ROOT / "tests/bench/api_double.py"), str(PODS), str(NODES)) as process:
            assert process.stdout
            yield cls(process, (await process.stdout.readline()).decode().strip())

    def put(self, *, uid: str, name: str, node: str, labels: dict[str, str]) -> None:
        """Let there be a pod."""
        assert self._process.stdin
        made = {"uid": uid, "name": name, "namespace": "bench", "node": node, "labels": labels}
        self._process.stdin.write(json.dumps(made).encode() + b"\n")


class Manager:
    """A manager's process, with a store that was filled before."""

    def __init__(self, installation: rig.Installation, *, double: str) -> None:
        """Write its configuration."""
        self.installation = installation
        self.grpc_port, self._health_port = system.free_ports(2)
        folder = installation.folder
        (folder / "kubeconfig").write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": double}}],
                    "users": [{"name": "u", "user": {}}],
                }
            )
        )
        (folder / "manager_config.toml").write_text(
            toml.dumps(
                {
                    "server": {
                        "grpc_address": f"127.0.0.1:{self.grpc_port}",
                        "health_address": f"127.0.0.1:{self._health_port}",
                        "metrics_address": "",
                    },
                    "logging": {"level": "warning"},
                    "k8s": {"kube_config_path": str(folder / "kubeconfig")},
                    "identity": {"trust_domain": rig.TRUST_DOMAIN},
                }
            )
        )
        self.first_sync = 0.0
        """Seconds from the moment at which it answered for the first time until it was able to serve."""
        self.waits: list[float] = []
        """How long it took to answer meanwhile, in ms."""
        self.resident = 0.0
        """MiB, with everything."""
        self.empty = 0.0
        """MiB, before."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start it, and measure until it is able to serve."""
        async with program("-m", "gthulhu", "manager", "-d", str(self.installation.folder)) as process:
            await self._follow(process.pid)
            yield

    async def _follow(self, pid: int) -> None:
        began = 0.0
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._health_port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                asked = time.monotonic()
                with contextlib.suppress(grpc.aio.AioRpcError):
                    alive = await stub.Check(health_pb2.HealthCheckRequest(service="live"), timeout=10)
                    assert alive.status == health_pb2.HealthCheckResponse.SERVING
                    if not began:
                        began, self.empty = time.monotonic(), resident(pid)
                    else:
                        self.waits.append((time.monotonic() - asked) * 1e3)
                    ready = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
                    if ready.status == health_pb2.HealthCheckResponse.SERVING:
                        self.first_sync = time.monotonic() - began
                        self.resident = resident(pid)
                        return
                await asyncio.sleep(0.01)


def resident(pid: int) -> float:
    """Return a process's resident MiB."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


@contextlib.asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python as a process of its own, and end it in any case."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def fill(installation: rig.Installation) -> None:
    """Put a creator and the strategies into the manager's store."""
    now = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    store = sqlite.SqliteStore(installation.folder / "store.sqlite3", clock=clocks.SystemClock())
    await store.open()
    try:
        await rig.add_admin(store)
        for number in range(STRATEGIES):
            name = f"strategy-{number}"
            value = strategies.Strategy(
                id=name,
                name=name,
                selectors=(
                    strategies.LabelSelector(key="app.kubernetes.io/managed-by", value="helm"),
                    strategies.LabelSelector(key="app", value=f"app-{number}"),
                ),
                k8s_namespaces=(f"ns-{number % 50}",) if number % 2 else (),
                priority=3,
                execution_time_ns=SLICE_NS,
                creator_id="u",
                created_at=now,
                updated_at=now,
            )
            await store.put_strategy(value, expected_etag=None, audit=rig.audit("strategy.put"))
    finally:
        await store.close()


class Receiver(rig.StubAgent):
    """An agent's end of a session that notes when the intent of which pod came."""

    def __init__(self, arrived: dict[str, float], *, node: str, target: str, folder: pathlib.Path, token: str) -> None:
        """Note in `arrived`, by the pod's UID."""
        super().__init__(node=node, target=target, folder=folder, token=token)
        self._arrived = arrived

    async def _take(self, chunk: session_pb2.StreamIntentsResponse.Delta) -> None:
        now = time.monotonic()
        for one in chunk.set:
            self._arrived.setdefault(one.pod_uid, now)
        await super()._take(chunk)


async def events(double: Double, manager: Manager) -> list[float]:
    """Let pods come at a steady rate, on nodes with agents; returns how long each intent took to be there, in ms."""
    arrived: dict[str, float] = {}
    put: dict[str, float] = {}
    async with contextlib.AsyncExitStack() as stack:
        for number in range(AGENTS):
            folder = manager.installation.folder / "agents" / f"node-{number}"
            manager.installation.authority.issue_agent(f"node-{number}", folder)
            agent = Receiver(
                arrived,
                node=f"node-{number}",
                target=f"127.0.0.1:{manager.grpc_port}",
                folder=folder,
                token=manager.installation.node_token(f"node-{number}"),
            )
            await stack.enter_async_context(agent.connected())
        await asyncio.sleep(3)  # first deltas, of what was there before
        async for number in paced(EVENTS, each=1 / EVENTS_A_SECOND):
            uid = str(uuid.uuid4())
            labels = {"app": f"app-{number % STRATEGIES // 2 * 2}", "app.kubernetes.io/managed-by": "helm"}
            put[uid] = time.monotonic()
            double.put(uid=uid, name=f"event-{number}", node=f"node-{number % AGENTS}", labels=labels)
        await rig.until(lambda: put.keys() <= arrived.keys(), limit=30)
    return [(arrived[uid] - began) * 1e3 for uid, began in put.items()]


async def paced(count: int, *, each: float) -> AsyncIterator[int]:
    """Yield numbers, one after so many seconds each, without drifting."""
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * each - time.monotonic()))
        yield number


async def decisions(double: Double, manager: Manager) -> list[float]:
    """Let the pods of a real node come, whose processes wait; returns how long each took to be in force, in ms."""
    bench = _bench_agent()
    installation, name = manager.installation, "real-node"
    with bench.a_node() as node:
        for _ in range(REAL_PODS):
            node.add_pod(processes=1)
        pids = {uid: next(iter(node.hierarchy.pids(cgroup))) for uid, cgroup in node.pods.items()}
        folder = installation.folder / "agents" / name
        installation.authority.issue_agent(name, folder / "pki")
        (folder / "pki" / "node.token").write_text(installation.node_token(name))
        (folder / "dm_config.toml").write_text(
            toml.dumps(
                {
                    "server": {"grpc_address": "127.0.0.1:0", "metrics_address": ""},
                    "logging": {"level": "warning"},
                    "manager": {"address": f"127.0.0.1:{manager.grpc_port}"},
                    "identity": {"trust_domain": rig.TRUST_DOMAIN},
                    "node": {"name": name, "kubepods": [node.kubepods]},
                    "enforcement": {"enforcer": "stock", "restore_on_exit": True},
                }
            )
        )
        async with program("-m", "gthulhu", "agent", "-d", str(folder)):
            await asyncio.sleep(3)  # it connects, and finds the pods
            return await _until_in_force(double, name, pids)


async def _until_in_force(double: Double, node: str, pids: dict[str, int]) -> list[float]:
    put: dict[str, float] = {}
    done: dict[str, float] = {}

    async def come() -> None:
        async for number in paced(len(pids), each=1 / REAL_EVENTS_A_SECOND):
            uid = list(pids)[number]
            put[uid] = time.monotonic()
            labels = {"app": "app-0", "app.kubernetes.io/managed-by": "helm"}
            double.put(uid=uid, name=f"real-{number}", node=node, labels=labels)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(come())
        while len(done) < len(pids):
            for uid in put.keys() - done.keys():
                if threads.get(pids[uid]).setting.slice_ns == SLICE_NS:
                    done[uid] = time.monotonic()
            await asyncio.sleep(0.002)
    return [(done[uid] - began) * 1e3 for uid, began in put.items()]


def _bench_agent():  # noqa: ANN202 - a module
    spec = importlib.util.spec_from_file_location("bench_agent", ROOT / "tests/bench/bench_agent.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def measure(folder: pathlib.Path) -> Iterable[Row]:
    """Measure everything, one after the other, on one manager."""
    installation = rig.install(folder)
    await fill(installation)
    async with Double.running() as double:
        manager = Manager(installation, double=double.url)
        async with manager.running():
            handed = await events(double, manager)
            in_force = await decisions(double, manager)
    bytes_a_pod = (manager.resident - manager.empty) * 2**20 / PODS
    return [
        row(f"first sync of {PODS:,} pods and {NODES:,} nodes", manager.first_sync, "s", 60),
        row("longest wait for an answer meanwhile", max(manager.waits), "ms", 100),
        row(f"manager's resident memory then, with {STRATEGIES:,} strategies", manager.resident, "MiB", 1024),
        row("of that for each pod", bytes_a_pod, "B"),
        row(f"pod event to intent at the agent, {EVENTS_A_SECOND} a second, p50", percentile(handed, 0.5), "ms"),
        row("pod event to intent at the agent, as above, p99", percentile(handed, 0.99), "ms", 150),
        row(f"pod event to decision in force, {REAL_EVENTS_A_SECOND} a second, p50", percentile(in_force, 0.5), "ms"),
        row("pod event to decision in force, as above, p99", percentile(in_force, 0.99), "ms", 1000),
    ]


def run() -> list[Row]:
    """Return the rows of all."""
    with tempfile.TemporaryDirectory() as folder:
        return list(asyncio.run(measure(pathlib.Path(folder))))


def main() -> None:
    """Print the rows."""
    for one in run():
        sys.stdout.write(json.dumps(one) + "\n")


if __name__ == "__main__":
    main()
