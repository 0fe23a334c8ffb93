"""A real gRPC server with the services about strategies, a real store and a real world, for the time of a test."""

import asyncio
import contextlib
import datetime
import pathlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gthulhu.common import clock as clocks
from gthulhu.common.grpc import access as rules
from gthulhu.common.grpc import channel as channels
from gthulhu.common.grpc import context, errors, validation
from gthulhu.common.identity import tokens
from gthulhu.manager.distribution import links, progress, samples
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, pod
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.services import agents, authorization, callers, cluster, intents, peers, strategies, system
from gthulhu.manager.store import base as stores
from gthulhu.manager.store import sqlite
from gthulhu.v1 import cluster_pb2_grpc, intent_pb2_grpc, strategy_pb2_grpc, system_pb2_grpc

EVERYTHING = (
    "schedule_strategy.create",
    "schedule_strategy.read",
    "schedule_strategy.update",
    "schedule_strategy.delete",
    "schedule_intent.read",
    "pod_pid_mapping.read",
    "metrics.read",
    "scheduler_config.update",
)


class MemoryInventory:
    """An inventory that a test changes."""

    source = "memory"

    def __init__(self, *pods: pod.Pod, nodes: tuple[str, ...]) -> None:
        self._changes: asyncio.Queue[inventories.InventoryChange] = asyncio.Queue()
        self._version = 0
        self.change(pods=pods, nodes=tuple(pod.Node(name=name) for name in nodes), complete=True)

    def change(self, **fields: object) -> None:
        self._version += 1
        self._changes.put_nowait(inventories.InventoryChange(version=self._version, **fields))

    async def watch(self) -> AsyncGenerator[inventories.InventoryChange, None]:
        while True:
            yield await self._changes.get()


class Served:
    """What tests use."""

    def __init__(
        self,
        *,
        channel: grpc.aio.Channel,
        store: stores.Store,
        world: worlds.World,
        inventory: MemoryInventory,
        keys: tokens.KeyRing,
        kept: samples.Samples,
    ) -> None:
        self.strategies = strategy_pb2_grpc.StrategyServiceStub(channel)
        self.intents = intent_pb2_grpc.IntentServiceStub(channel)
        self.cluster = cluster_pb2_grpc.ClusterServiceStub(channel)
        self.system = system_pb2_grpc.SystemServiceStub(channel)
        self.store = store
        self.world = world
        self.inventory = inventory
        self.samples = kept
        self._keys = keys

    def as_user(self, name: str) -> dict[str, object]:
        """Return the arguments of a call that a user makes."""
        token = self._keys.issue(
            subject=name,
            audience=callers.AUDIENCE,
            kind="access",
            lifetime=datetime.timedelta(minutes=15),
            claims={callers.GENERATION: 0},
            now=clocks.SystemClock().now(),
        )
        return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 10}

    async def add_user(self, name: str, *policies: access.Policy) -> None:
        """Add a user with a role of its own."""
        now = clocks.SystemClock().now()
        role = access.Role(id=f"role-{name}", name=f"role-{name}", policies=policies, created_at=now, updated_at=now)
        await self.store.put_role(role, expected_etag=None, audit=_audit())
        user = access.User(id=name, username=name, password_hash="", roles=(role.id,), created_at=now)
        await self.store.put_user(user, expected_etag=None, audit=_audit())
        await self.settled()

    async def set_policies(self, name: str, *policies: access.Policy) -> None:
        """Give a user's role other policies."""
        role = await self.store.get_role(f"role-{name}")
        changed = access.Role(
            id=role.id, name=role.name, policies=policies, created_at=role.created_at, updated_at=role.updated_at
        )
        await self.store.put_role(changed, expected_etag=role.etag, audit=_audit())
        await self.settled()

    async def settled(self) -> None:
        """Wait until the world shows what the store has."""
        assert await self.world.wait_for(await self.store.revision(), timeout=5)

    async def connect(self, node: str, *, address: str = "", **fields: object) -> stores.AgentSession:
        """Open a session of a node's agent, as the replica that has it would."""
        now = clocks.SystemClock().now()
        session = stores.AgentSession(
            node=node,
            epoch=0,
            replica="here",
            opened_at=now,
            lease_until=now + datetime.timedelta(minutes=1),
            agent_address=address,
            **fields,
        )
        return await self.store.open_session(session)


def policy(permission: str, **limits: object) -> access.Policy:
    return access.Policy(permission=permission, **limits)


def everything(**limits: object) -> tuple[access.Policy, ...]:
    return tuple(policy(permission, **limits) for permission in EVERYTHING)


@contextlib.asynccontextmanager
async def serve(
    folder: pathlib.Path,
    keys: tokens.KeyRing,
    *pods: pod.Pod,
    nodes: tuple[str, ...] = ("a", "b"),
    credentials: Callable[[], grpc.ChannelCredentials] = grpc.ssl_channel_credentials,
) -> AsyncIterator[Served]:
    """Serve on a free port of the loopback; "admin" may do everything."""
    clock = clocks.SystemClock()
    store = sqlite.SqliteStore(folder / "store.sqlite3", clock=clock)
    await store.open()
    world = worlds.World(clock=clock, denied_namespaces=["kube-system"])
    inventory = MemoryInventory(*pods, nodes=nodes)
    reader = links.Links(store=store, clock=clock)
    kept = samples.Samples(store=store, clock=clock)
    server = channels.create_server(
        [
            context.ContextInterceptor(trust_domain="test"),
            errors.ErrorInterceptor(),
            authorization.AuthorizationInterceptor(
                declared=rules.rules(),
                known=callers.Callers(keys=keys, world=world, store=store, clock=clock),
                agents=peers.Agents(ring=keys, trust_domain="test", clock=clock),
            ),
            validation.ValidationInterceptor(),
        ]
    )
    strategy_pb2_grpc.add_StrategyServiceServicer_to_server(
        strategies.StrategyService(world=world, store=store, clock=clock), server
    )
    intent_pb2_grpc.add_IntentServiceServicer_to_server(
        intents.IntentService(
            world=world, links=reader, progress=progress.Progress(world=world, links=reader, clock=clock)
        ),
        server,
    )
    cluster_pb2_grpc.add_ClusterServiceServicer_to_server(
        cluster.ClusterService(
            world=world,
            store=store,
            links=reader,
            caller=agents.AgentCaller(nodes=reader, credentials=credentials, timeout=1.0),
            kept=kept,
            clock=clock,
        ),
        server,
    )
    system_pb2_grpc.add_SystemServiceServicer_to_server(
        system.SystemService(world=world, store=store, clock=clock), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    running = asyncio.create_task(world.run(store=store, inventory=inventory))
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            served = Served(channel=channel, store=store, world=world, inventory=inventory, keys=keys, kept=kept)
            await served.add_user("admin", *everything())
            yield served
    finally:
        await server.stop(grace=None)
        running.cancel()
        await asyncio.wait([running])
        await store.close()


@contextlib.asynccontextmanager
async def refused(code: grpc.StatusCode, reason: str) -> AsyncIterator[list[tuple[str, str]]]:
    """Expect a call to fail; gives the fields at fault, with what is said of them."""
    fields: list[tuple[str, str]] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield fields
    details = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"]).details
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in details:
        detail.Unpack(info)
        if detail.Unpack(bad):
            fields.extend((one.field, one.description) for one in bad.field_violations)
    assert (caught.value.code(), info.reason) == (code, reason), caught.value


def _audit() -> stores.AuditEntry:
    return stores.AuditEntry(time=clocks.SystemClock().now(), action="test.setup")
