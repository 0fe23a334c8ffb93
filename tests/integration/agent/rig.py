"""A real agent on a node that exists only in memory, and a manager that says what a test wants it to say."""

import asyncio
import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import grpc

from gthulhu.agent import app, config
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base as enforcing
from gthulhu.agent.enforcement import external
from gthulhu.agent.metrics import collector as collecting
from gthulhu.common import clock as clocks
from gthulhu.common import digest
from gthulhu.common.grpc import channel
from gthulhu.common.identity import pki, tls, tokens
from gthulhu.v1 import metric_pb2, metric_pb2_grpc, session_pb2, session_pb2_grpc

LIMIT = 15.0
"""Seconds that anything here may take."""
NODE = "node-1"

Request = session_pb2.StreamIntentsRequest
Response = session_pb2.StreamIntentsResponse


async def until(condition: Callable[[], object], *, limit: float = LIMIT) -> None:
    """Return when the condition, looked at every few milliseconds, holds."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - conditions of any kind
            await asyncio.sleep(0.005)


def intent(
    name: str, *, version: str = "1", pod: str = "pod-a", priority: int = 3, regex: str = "", slice_ns: int = 0
) -> session_pb2.Intent:
    """Return an intent as managers send it."""
    message = session_pb2.Intent(
        id=name,
        version=version,
        strategy_id=f"strategy-{name}",
        pod_uid=pod,
        pod_name=pod,
        namespace="default",
        labels={"app": "web"},
        command_regex=regex,
        priority=priority,
        execution_time=slice_ns,
    )
    message.strategy_create_time.FromDatetime(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    return message


class MemoryDiscovery:
    """Pods that a test puts there."""

    def __init__(self) -> None:
        self._pods: dict[str, processes.Pod] = {}
        self._changed: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    def put(self, uid: str, *pids: int, comm: str = "nginx") -> None:
        self._pods[uid] = processes.Pod(
            uid=uid,
            cgroup=f"kubepods/pod{uid}",
            qos="Guaranteed",
            processes=tuple(
                processes.Process(
                    key=processes.ProcessKey(pid, 1), comm=comm, command=comm, container_id="c" * 64, threads=(pid,)
                )
                for pid in pids
            ),
        )
        self._changed.put_nowait(frozenset({uid}))

    def pods(self) -> Sequence[processes.Pod]:
        return [dataclasses.replace(one, processes=()) for one in self._pods.values()]

    def pod(self, uid: str) -> processes.Pod | None:
        return self._pods.get(uid)

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        while True:
            yield await self._changed.get()

    def track(self, uids: frozenset[str]) -> None:
        pass


class MemoryCollector:
    """Measures nothing but noughts."""

    name = "memory"

    def collect(self, pods: Sequence[processes.Pod]) -> Mapping[str, collecting.PodUsage]:
        return {pod.uid: collecting.PodUsage(at_ns=0, total=collecting.Counters(), processes={}) for pod in pods}

    def close(self) -> None:
        pass


class RecordingEnforcer(external.External):
    """Remembers what it was told last of each pod, and each moment at which something was told."""

    def __init__(self) -> None:
        super().__init__()
        self.decided: dict[str, dict[int, int]] = {}
        """Pod UID → PID → priority."""
        self.moments: list[dict[str, dict[int, int]]] = []
        self.withdrawn = False

    def apply(self, targets: Sequence[enforcing.PodTarget]) -> Mapping[processes.ProcessKey, enforcing.Effect]:
        for target in targets:
            its = {key.pid: one.priority for key, one in target.decisions.items()}
            self.decided[target.pod.uid] = its
            if not its:
                del self.decided[target.pod.uid]
        self.moments.append(dict(self.decided))
        return super().apply(targets)

    def withdraw_all(self) -> None:
        self.decided.clear()
        self.withdrawn = True


Requests = AsyncIterator[Request]
Samples = AsyncIterator[metric_pb2.StreamMetricsRequest]
Context = grpc.aio.ServicerContext[Request, Response]


class StubManager(session_pb2_grpc.SessionServiceServicer, metric_pb2_grpc.MetricServiceServicer):
    """Records what agents say, and says what it is told to."""

    def __init__(self) -> None:
        self.hellos: list[Request.Hello] = []
        self.acks: list[Request.Ack] = []
        self.applied: list[Request.Applied] = []
        self.tokens: list[str] = []
        self.samples: list[metric_pb2.StreamMetricsRequest] = []
        self.sample_interval = 60.0
        self.take_samples = True
        self.refuse_with: grpc.StatusCode | None = None
        self.cut = asyncio.Event()
        self.authorizations: list[str] = []
        self._context: Any = None

    async def StreamIntents(self, request_iterator: Requests, context: Context) -> None:  # noqa: N802 - the schema's name
        self.authorizations.append(dict(context.invocation_metadata())["authorization"])
        if self.refuse_with:
            self.hellos.append((await anext(request_iterator)).hello)
            await context.abort(self.refuse_with, "made up")
        self._context = context
        self.cut.clear()
        reader = asyncio.create_task(self._read(request_iterator))
        cut = asyncio.create_task(self.cut.wait())
        try:
            await asyncio.wait((reader, cut), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            cut.cancel()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "made up")

    async def _read(self, requests: Requests) -> None:
        async for request in requests:
            match request.WhichOneof("body"):
                case "hello":
                    self.hellos.append(request.hello)
                case "ack":
                    self.acks.append(request.ack)
                case "applied":
                    self.applied.append(request.applied)
                case "reauth":
                    self.tokens.append(request.reauth.token)

    async def StreamMetrics(self, request_iterator: Samples, context: Context) -> None:  # noqa: N802 - the schema's name
        answer = metric_pb2.StreamMetricsResponse()
        answer.interval.FromMilliseconds(int(self.sample_interval * 1000))
        await context.write(answer)
        if not self.take_samples:
            await asyncio.Event().wait()
        async for request in request_iterator:
            self.samples.append(request)
            await context.write(metric_pb2.StreamMetricsResponse(received=request.sequence))

    async def say(self, message: Response) -> None:
        async with asyncio.timeout(LIMIT):
            await self._context.write(message)

    async def delta(
        self, nonce: str, *chunks: Sequence[session_pb2.Intent], removed: Sequence[str] = (), revision: int = 1
    ) -> None:
        """Send a delta, in these chunks."""
        for number, part in enumerate(chunks, start=1):
            await self.say(self.chunk(nonce, number, len(chunks), part, removed=removed, revision=revision))

    @staticmethod
    def chunk(
        nonce: str,
        number: int,
        of: int,
        part: Sequence[session_pb2.Intent],
        *,
        removed: Sequence[str] = (),
        revision: int = 1,
    ) -> Response:
        return Response(
            delta=Response.Delta(
                nonce=nonce,
                chunk=number,
                chunks=of,
                set=part,
                removed=removed if number == of else (),
                revisions=session_pb2.Revisions(store=revision, inventory=revision, inventory_source="memory"),
            )
        )

    async def digest(self, versions: Mapping[str, str]) -> None:
        await self.say(Response(digest=Response.Digest(digest=digest.of_versions(versions), intents=len(versions))))

    def outcome(self, intent_id: str) -> Request.Applied.Intent | None:
        """Return the last figures on an intent."""
        found = [one for applied in self.applied for one in applied.intents if one.intent_id == intent_id]
        return found[-1] if found else None


@dataclasses.dataclass
class Installation:
    """Keys and certificates, and where managers are."""

    folder: pathlib.Path
    authority: pki.Authority
    ring: tokens.KeyRing
    port: int = 0

    def node_token(self, *, seconds: float = 600.0, age: float = 0.0) -> str:
        now = clocks.SystemClock().now() - datetime.timedelta(seconds=age)
        return self.ring.issue(
            subject=NODE,
            audience="gthulhu-manager",
            kind="node",
            lifetime=datetime.timedelta(seconds=seconds),
            now=now,
        )

    def write_token(self, token: str) -> None:
        path = self.folder / "agent" / "pki" / "node.token"
        beside = path.with_suffix(".new")
        beside.write_text(token)
        beside.replace(path)

    def config(self, **changes: object) -> config.AgentConfig:
        given: dict[str, Any] = {
            "state_dir": self.folder / "agent",
            "server": config.Server(grpc_address="127.0.0.1:0", metrics_address="127.0.0.1:0"),
            "manager": config.Manager(address=f"127.0.0.1:{self.port}"),
            "node": config.Node(name=NODE),
            "enforcement": config.Enforcement(enforcer="external"),
        }
        return config.AgentConfig(**(given | changes))

    @contextlib.asynccontextmanager
    async def manager(self, manager: StubManager) -> AsyncIterator[grpc.aio.Server]:
        """Let a manager listen, on the same port each time."""
        server = channel.create_server(())
        session_pb2_grpc.add_SessionServiceServicer_to_server(manager, server)
        metric_pb2_grpc.add_MetricServiceServicer_to_server(manager, server)
        folder = self.folder / "manager"
        credentials = tls.server_credentials(
            folder / "manager.crt", folder / "manager.key", folder / "ca.crt", require_client=True
        )
        self.port = server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await server.start()
        try:
            yield server
        finally:
            await server.stop(None)


def install(folder: pathlib.Path) -> Installation:
    """Make keys, certificates and the node's token."""
    authority = pki.Authority.create(folder / "ca", trust_domain="gthulhu.local")
    authority.issue("manager", folder / "manager")
    authority.issue_agent(NODE, folder / "agent" / "pki")
    made = Installation(folder, authority, tokens.KeyRing.load_or_create(folder / "jwt"))
    made.write_token(made.node_token())
    return made


@dataclasses.dataclass
class Node:
    """A running agent, and what it runs on."""

    agent: app.Agent
    discovery: MemoryDiscovery
    enforcer: RecordingEnforcer
    task: asyncio.Task[None]

    @property
    def held(self) -> Mapping[str, str]:
        return self.agent.parts.wanted.held.versions()


@contextlib.asynccontextmanager
async def running(
    settings: config.AgentConfig, *, discovery: MemoryDiscovery | None = None, clock: clocks.Clock | None = None
) -> AsyncIterator[Node]:
    """Run an agent while the block runs."""
    discovery, enforcer = discovery or MemoryDiscovery(), RecordingEnforcer()
    agent = app.build_agent(settings, clock=clock, discovery=discovery, enforcer=enforcer, collector=MemoryCollector())
    async with agent:
        task = asyncio.create_task(agent.serve())
        try:
            yield Node(agent, discovery, enforcer, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
