"""What the gateway costs: the same calls straight to a manager or an agent over gRPC, and through Envoy.

Manager, Envoy and the client (this process) share the machine. Straight and through take turns, so that what else the
machine does meets both. Latency is that of one client at a time on a connection that is open; throughput is that of
eight threads.
"""

import asyncio
import concurrent.futures
import contextlib
import datetime
import http.client
import itertools
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the benchmark may be run as a file

import grpc  # noqa: E402 - see above

from gthulhu.agent.services import tokens as client_tokens  # noqa: E402
from gthulhu.common import clock as clocks  # noqa: E402
from gthulhu.common.identity import tls, tokens  # noqa: E402
from gthulhu.gateway import options  # noqa: E402
from gthulhu.v1 import decision_maker_pb2, decision_maker_pb2_grpc, strategy_pb2, strategy_pb2_grpc  # noqa: E402
from tests.bench import bench_strategies  # noqa: E402
from tests.integration.gateway import installed  # noqa: E402
from tests.integration.manager import rig  # noqa: E402

Row = dict[str, object]
Call = Callable[[], object]

CALLS = 500
THREADS = 8
THROUGHPUT_SECONDS = 3.0
ADDED_GOAL_MS = 1.0
POLL_GOAL_MS = 15.0
_OPTIONS = (("grpc.max_receive_message_length", 1 << 23), ("grpc.use_local_subchannel_pool", 1))


class Rest:
    """One connection that is kept; a request is one write, as most clients make it (http.client makes it two)."""

    def __init__(self, url: str, token: str) -> None:
        self._host = urllib.parse.urlsplit(url).netloc
        self._socket = socket.create_connection(options.split(self._host), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = token

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> bytes:
        """Return the body of an answer that must be good."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {self._token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + content)
        with http.client.HTTPResponse(self._socket, method=method) as answer:
            answer.begin()
            text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return text


def alternately(calls: Mapping[str, Call]) -> Mapping[str, list[float]]:
    """Return the seconds that each call took, sorted, by what they are of."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(CALLS):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    return {name: sorted(each) for name, each in taken.items()}


def per_second(make: Callable[[], Call]) -> float:
    """Return how many calls a second all threads make together; each has a client of its own."""
    ends = time.monotonic() + THROUGHPUT_SECONDS

    def go(call: Call) -> int:
        for count in itertools.count():
            if time.monotonic() >= ends:
                return count
            call()
        raise AssertionError

    calls = [make() for _ in range(THREADS)]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(go, calls)) / THROUGHPUT_SECONDS


def latencies(name: str, taken: Mapping[str, list[float]], straight: str, goal: float | None) -> Iterator[Row]:
    """Yield rows for what goes through a gateway, with what goes straight as the baseline."""
    base = taken[straight]
    for way, times in taken.items():
        if way == straight:
            continue
        added = (statistics.median(times) - statistics.median(base)) * 1e3
        yield {"name": f"{name}, {way}: added at the median", "value": added, "unit": "ms", "goal": goal}
        for label, place in (("median", 0.5), ("p99", 0.99)):
            value, baseline = (each[int(len(each) * place)] * 1e3 for each in (times, base))
            yield {
                "name": f"{name}, {way}: {label}",
                "value": value,
                "unit": "ms",
                "baseline": baseline,
                "ratio": value / baseline,
            }


async def of_manager() -> list[Row]:
    """Measure reads and writes of strategies."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        installation = rig.install(folder)
        installation.set_pods("web-1", "web-2")
        installation.authority.issue("gateway", folder / "pki")
        async with (
            installed.gateway("manager", folder / "g", f"127.0.0.1:{port}", certificates=folder / "pki") as url,
            installed.manager_process(installation, port),
        ):
            token = await asyncio.to_thread(_log_in, url)
            return await asyncio.to_thread(_manager_rows, folder / "pki", f"127.0.0.1:{port}", url, token)


def _manager_rows(pki: pathlib.Path, target: str, url: str, token: str) -> list[Row]:
    metadata = (("authorization", f"Bearer {token}"),)
    credentials = tls.channel_credentials(pki / "gateway.crt", pki / "gateway.key", pki / "ca.crt")
    numbers = itertools.count()
    selector = {"key": "app", "value": "web"}

    def new() -> tuple[str, str]:
        """Make a strategy: two who write one at once refuse each other."""
        name = f"s{next(numbers)}"
        body = {"name": name, "labelSelectors": [selector]}
        return json.loads(Rest(url, token).call("POST", "/api/v1/strategies", body))["data"]["id"], name

    def straight() -> strategy_pb2_grpc.StrategyServiceStub:
        named = (*_OPTIONS, ("grpc.ssl_target_name_override", "gthulhu-manager"))
        return strategy_pb2_grpc.StrategyServiceStub(grpc.secure_channel(target, credentials, options=named))

    def native() -> strategy_pb2_grpc.StrategyServiceStub:
        opened = grpc.insecure_channel(urllib.parse.urlsplit(url).netloc, options=_OPTIONS)
        return strategy_pb2_grpc.StrategyServiceStub(opened)

    def get(stub: strategy_pb2_grpc.StrategyServiceStub) -> Call:
        request = strategy_pb2.GetStrategyRequest(strategy_id=new()[0])
        return lambda: stub.GetStrategy(request, metadata=metadata, timeout=30)

    def write(stub: strategy_pb2_grpc.StrategyServiceStub) -> Call:
        made, name = new()
        return lambda: stub.UpdateStrategy(
            strategy_pb2.UpdateStrategyRequest(
                strategy_id=made, name=name, label_selectors=[selector], priority=next(numbers) % 20
            ),
            metadata=metadata,
            timeout=30,
        )

    def rest_get() -> Call:
        client, path = Rest(url, token), f"/api/v1/strategies/{new()[0]}"
        return lambda: client.call("GET", path)

    def rest_write() -> Call:
        client, (made, name) = Rest(url, token), new()
        return lambda: client.call(
            "PUT",
            "/api/v1/strategies",
            {"strategyId": made, "name": name, "labelSelectors": [selector], "priority": next(numbers) % 20},
        )

    rows: list[Row] = []
    for name, call, rest in (("GET of a strategy", get, rest_get), ("PUT of a strategy", write, rest_write)):
        taken = alternately({"straight": call(straight()), "gRPC": call(native()), "REST": rest()})
        rows.extend(latencies(name, taken, "straight", ADDED_GOAL_MS))
        baseline = per_second(lambda call=call: call(straight()))
        through = per_second(rest)
        rows.append(
            {
                "name": f"{name}, REST: throughput of {THREADS} clients",
                "value": through,
                "unit": "/s",
                "baseline": baseline,
                "ratio": through / baseline,
            }
        )
    return rows


async def of_agent(count: int) -> list[Row]:
    """Measure what a scheduler polls."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "bench.sock"
        with _serving(count, path, folder):
            async with installed.gateway("agent", folder / "gateway", f"unix:{path}") as url:
                return await asyncio.to_thread(_agent_rows, count, path, url, _scheduler_token(folder))


def _agent_rows(count: int, path: pathlib.Path, url: str, token: str) -> list[Row]:
    metadata = (("authorization", f"Bearer {token}"),)
    request = decision_maker_pb2.GetSchedulingStrategiesRequest()
    with grpc.insecure_channel(f"unix:{path}", options=_OPTIONS) as opened:
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(opened)
        stub.GetSchedulingStrategies(request, metadata=metadata, wait_for_ready=True, timeout=30)
        client = Rest(url, token)
        taken = alternately(
            {
                "straight": lambda: stub.GetSchedulingStrategies(request, metadata=metadata, timeout=30),
                "REST": lambda: client.call("GET", "/api/v1/scheduling/strategies"),
            }
        )
    rows = list(latencies(f"GET of scheduling strategies, {count} decisions", taken, "straight", None))
    if count == 5000:  # what the goal is about
        rows[1]["goal"] = POLL_GOAL_MS
    return rows


@contextlib.contextmanager
def _serving(count: int, path: pathlib.Path, folder: pathlib.Path) -> Iterator[None]:
    command = [sys.executable, bench_strategies.__file__, "kept", str(count), str(path), str(folder)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def _scheduler_token(folder: pathlib.Path) -> str:
    return tokens.KeyRing.load_or_create(folder).issue(
        subject="scheduler",
        audience=client_tokens.AUDIENCE,
        kind="scheduler",
        lifetime=datetime.timedelta(hours=1),
        claims={"scope": "SCHEDULER"},
        now=clocks.SystemClock().now(),
    )


def _log_in(url: str) -> str:
    ends = time.monotonic() + 30
    while True:
        try:
            body = {"username": "admin", "password": installed.ADMIN_PASSWORD}
            return json.loads(Rest(url, "").call("POST", "/api/v1/auth/login", body))["data"]["accessToken"]
        except RuntimeError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def run() -> list[Row]:
    """Measure the manager's gateway, then the agent's."""
    rows = asyncio.run(of_manager())
    for count in (0, 1000, 5000):
        rows += asyncio.run(of_agent(count))
    return rows
