"""A real manager on loopback mTLS, and a client that speaks an agent's end of the session."""

import asyncio
import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import yaml

from gthulhu.common import clock as clocks
from gthulhu.common import digest
from gthulhu.common.grpc import channel
from gthulhu.common.identity import pki, tls, tokens
from gthulhu.manager import app, config
from gthulhu.manager.domain import access, strategy
from gthulhu.manager.store import base
from gthulhu.v1 import session_pb2, session_pb2_grpc

LIMIT = 10.0
"""Seconds that anything here may take."""
TRUST_DOMAIN = "gthulhu.local"

Request = session_pb2.StreamIntentsRequest
Response = session_pb2.StreamIntentsResponse


async def until(condition: Callable[[], bool | Awaitable[bool]], *, limit: float = LIMIT) -> None:
    """Return when the condition, looked at every few milliseconds, holds."""
    async with asyncio.timeout(limit):
        while True:
            holds = condition()
            if holds is True or (holds is not False and await holds):
                return
            await asyncio.sleep(0.005)


class StubAgent:
    """Keeps what a real agent keeps, and records what it was sent."""

    def __init__(self, *, node: str, target: str, folder: pathlib.Path, token: str) -> None:
        self.node = node
        self.held: dict[str, session_pb2.Intent] = {}
        self.revisions = session_pb2.Revisions()
        self.chunks: list[Response.Delta] = []
        self.deltas: list[list[Response.Delta]] = []
        self.digests: list[Response.Digest] = []
        self.drained = asyncio.Event()
        self.answering = asyncio.Event()
        """While it is not set, deltas are taken but not answered."""
        self.answering.set()
        self.reject: Callable[[session_pb2.Intent], str] = lambda _: ""
        self.token = token
        self._target = target
        self._folder = folder
        self._call: Any = None

    @property
    def names(self) -> set[str]:
        return {one.pod_name for one in self.held.values()}

    @contextlib.asynccontextmanager
    async def connected(self, *, node: str = "", hello: bool = True) -> AsyncIterator["asyncio.Task[None]"]:
        """Hold a session; the task ends when the stream does, and raises its status."""
        credentials = tls.channel_credentials(
            self._folder / "agent.crt", self._folder / "agent.key", self._folder / "ca.crt"
        )
        async with channel.open_channel(self._target, credentials, server_name="gthulhu-manager") as opened:
            stub = session_pb2_grpc.SessionServiceStub(opened)
            self._call = stub.StreamIntents(metadata=(("authorization", f"Bearer {self.token}"),))
            reader = asyncio.create_task(self._run(node or self.node, hello=hello))
            try:
                yield reader
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                self._call.cancel()

    async def say(self, message: Request) -> None:
        await self._call.write(message)

    def applied(self, *, processes: int) -> Request:
        """Return figures on everything that is held."""
        return Request(
            applied=Request.Applied(
                enforcer="stock",
                intents=[
                    Request.Applied.Intent(
                        intent_id=one.id, version=one.version, processes=processes, threads=2 * processes
                    )
                    for one in self.held.values()
                ],
            )
        )

    def digest(self) -> str:
        return digest.of_versions({key: one.version for key, one in self.held.items()})

    async def _run(self, node: str, *, hello: bool) -> None:
        if hello:
            await self.say(
                Request(
                    hello=Request.Hello(
                        node=node,
                        agent_version="1",
                        agent_address="127.0.0.1:1",
                        held={key: one.version for key, one in self.held.items()},
                        revisions=self.revisions,
                        capabilities=Request.Capabilities(enforcer="stock", levers=["pod-weight"]),
                    )
                )
            )
        async for message in self._call:
            match message.WhichOneof("body"):
                case "delta":
                    await self._take(message.delta)
                case "digest":
                    self.digests.append(message.digest)
                case "drain":
                    self.drained.set()
        if (code := await self._call.code()) is not grpc.StatusCode.OK:
            raise AssertionError(f"the stream ended with {code} without raising it")

    async def _take(self, chunk: Response.Delta) -> None:
        self.chunks.append(chunk)
        if chunk.chunk < chunk.chunks:
            return
        whole, self.chunks = self.chunks, []
        self.deltas.append(whole)
        await self.answering.wait()
        rejected = []
        for part in whole:
            for one in part.set:
                if reason := self.reject(one):
                    rejected.append(Request.Rejection(intent_id=one.id, version=one.version, reason=reason))
                else:
                    self.held[one.id] = one
            for key in part.removed:
                self.held.pop(key, None)
        self.revisions = chunk.revisions
        await self.say(Request(ack=Request.Ack(nonce=chunk.nonce, rejected=rejected)))


@dataclasses.dataclass
class Installation:
    """Keys, certificates, configuration and inventory of one manager."""

    folder: pathlib.Path
    authority: pki.Authority

    @property
    def inventory(self) -> pathlib.Path:
        return self.folder / "inventory.yaml"

    def set_pods(self, *names: str, node: str = "node-1", labels: dict[str, str] | None = None) -> None:
        """Let the inventory hold these pods of one node, in namespace `default`."""
        content = {
            "nodes": [{"name": node}],
            "pods": [
                {"name": name, "uid": f"uid-{name}", "node": node, "labels": labels or {"app": "web"}} for name in names
            ],
        }
        written = self.inventory.with_suffix(".new")
        written.write_text(yaml.safe_dump(content))
        written.replace(self.inventory)

    def config(self, *, distribution: config.Distribution | None = None) -> config.ManagerConfig:
        return config.ManagerConfig(
            state_dir=self.folder,
            server=config.Server(grpc_address="127.0.0.1:0", metrics_address="127.0.0.1:0"),
            inventory=config.Inventory(file=self.inventory),
            identity=config.Identity(trust_domain=TRUST_DOMAIN),
            distribution=distribution or config.Distribution(),
        )

    def node_token(self, node: str, *, seconds: float = 600, now: datetime.datetime | None = None) -> str:
        ring = tokens.KeyRing.load_or_create(self.folder / "pki" / "jwt")
        return ring.issue(
            subject=node,
            audience="gthulhu-manager",
            kind="node",
            lifetime=datetime.timedelta(seconds=seconds),
            now=now or clocks.SystemClock().now(),
        )

    def agent(self, manager: app.Manager, *, node: str = "node-1", token: str = "") -> StubAgent:
        folder = self.folder / "agents" / node
        if not folder.exists():
            self.authority.issue_agent(node, folder)
        return StubAgent(
            node=node,
            target=f"127.0.0.1:{manager.grpc_port}",
            folder=folder,
            token=token or self.node_token(node),
        )


def install(folder: pathlib.Path) -> Installation:
    """Make keys, certificates and an empty inventory."""
    authority = pki.Authority.create(folder / "ca", trust_domain=TRUST_DOMAIN)
    authority.issue("manager", folder / "pki")
    made = Installation(folder, authority)
    made.set_pods()
    return made


def audit(action: str) -> base.AuditEntry:
    return base.AuditEntry(time=clocks.SystemClock().now(), action=action)


async def add_admin(store: base.Store) -> None:
    """Make a user who may select pods everywhere: strategies need one who does."""
    now = clocks.SystemClock().now()
    policy = access.Policy(permission="schedule_strategy.create")
    role = access.Role(id="r", name="tester", policies=(policy,), created_at=now, updated_at=now)
    await store.put_role(role, expected_etag=None, audit=audit("role.create"))
    user = access.User(id="u", username="tester", password_hash="-", roles=("r",), created_at=now)
    await store.put_user(user, expected_etag=None, audit=audit("user.create"))


async def put_strategy(store: base.Store, *, name: str = "web", priority: int = 3, regex: str = "") -> None:
    """Create or replace a strategy for pods with app=web."""
    now = clocks.SystemClock().now()
    before = await store.get_strategy(name)
    value = strategy.Strategy(
        id=name,
        name=name,
        selectors=(strategy.LabelSelector(key="app", value="web"),),
        priority=priority,
        command_regex=regex,
        creator_id="u",
        created_at=before.created_at if before else now,
        updated_at=now,
    )
    await store.put_strategy(value, expected_etag=before.etag if before else None, audit=audit("strategy.put"))


async def delete_strategy(store: base.Store, *, name: str = "web") -> None:
    before = await store.get_strategy(name)
    assert before is not None
    await store.delete_strategy(name, expected_etag=before.etag, audit=audit("strategy.delete"))
