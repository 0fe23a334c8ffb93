"""A manager's user-facing services on a real gRPC server, over a real store and a world that follows it."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import pathlib
from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest

from gthulhu.common import clock as clocks
from gthulhu.common.grpc import access as rules
from gthulhu.common.grpc import context, errors, validation
from gthulhu.common.identity import tokens
from gthulhu.manager import config
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import pod
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.services import (
    accounts,
    attempts,
    audit,
    auth,
    authorization,
    bootstrap,
    callers,
    passwords,
    peers,
    roles,
    users,
)
from gthulhu.manager.store import base as stores
from gthulhu.manager.store import sqlite
from gthulhu.v1 import (
    audit_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    intent_pb2,
    intent_pb2_grpc,
    role_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)

ADMIN_PASSWORD = "tall-ships-sail-early"
PASSWORD = "quiet-otters-swim-late"
LIMIT = 5.0
"""Seconds in which what must happen has happened."""


class MovableClock(clocks.SystemClock):
    """The machine's, shifted at will."""

    def __init__(self) -> None:
        self.shift = datetime.timedelta()

    def now(self) -> datetime.datetime:
        return super().now() + self.shift

    def monotonic(self) -> float:
        return super().monotonic() + self.shift.total_seconds()


class CheapHash:
    """Costs nothing, and counts."""

    def __init__(self) -> None:
        self.hashed = self.verified = 0

    def hash(self, password: bytes) -> str:
        self.hashed += 1
        return "cheap:" + password.hex()

    def verify(self, password: bytes, phc: str) -> bool:
        self.verified += 1
        return phc == "cheap:" + password.hex()


class EmptyCluster:
    """No pod at all, and none ever comes."""

    source = "test"

    async def watch(self) -> AsyncIterator[inventories.InventoryChange]:
        yield inventories.InventoryChange(version=1, nodes=(pod.Node(name="n1"),), complete=True)
        await asyncio.Event().wait()


class EndlessIntents(intent_pb2_grpc.IntentServiceServicer):
    """Stands for every stream: one message at the start, then nothing until it is ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def WatchIntents(  # noqa: N802 - the schema's name
        self, _request: intent_pb2.WatchIntentsRequest, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[intent_pb2.WatchIntentsResponse]:
        try:
            yield intent_pb2.WatchIntentsResponse()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@dataclasses.dataclass(kw_only=True)
class Api:
    """Everything a test may touch."""

    channel: grpc.aio.Channel
    store: stores.Store
    world: worlds.World
    clock: MovableClock
    keys: tokens.KeyRing
    hashing: CheapHash
    intents: EndlessIntents

    auth = property(lambda self: auth_pb2_grpc.AuthServiceStub(self.channel))
    users = property(lambda self: user_pb2_grpc.UserServiceStub(self.channel))
    roles = property(lambda self: role_pb2_grpc.RoleServiceStub(self.channel))
    audit = property(lambda self: audit_pb2_grpc.AuditServiceStub(self.channel))
    streams = property(lambda self: intent_pb2_grpc.IntentServiceStub(self.channel))

    async def log_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> auth_pb2.LoginResponse:
        """Return the tokens."""
        return await self.auth.Login(auth_pb2.LoginRequest(username=username, password=password))

    async def as_user(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> tuple[tuple[str, str], ...]:
        """Log in, and return the metadata to call with."""
        return bearer((await self.log_in(username, password)).access_token)

    async def add_user(self, username: str, *roles: str) -> user_pb2.User:
        """Add a user whose password is `PASSWORD`, with nothing to change at the first login."""
        request = user_pb2.CreateUserRequest(
            username=username, email=f"{username}@example.com", password=PASSWORD, roles=roles
        )
        made = await self.users.CreateUser(request, metadata=await self.as_user())
        user = await self.store.get_user(made.id)
        assert user is not None
        entry = stores.AuditEntry(time=self.clock.now(), action="test")
        ready = dataclasses.replace(user, must_change_password=False)
        await self.store.put_user(ready, expected_etag=user.etag, audit=entry)
        await self.world.wait_for(await self.store.revision(), timeout=LIMIT)
        return made

    async def actions(self) -> list[str]:
        """Return what the audit log holds, oldest first, but for what tests do themselves."""
        entries = await self.store.list_audit(stores.AuditFilter(), limit=100)
        return [entry.action for entry in reversed(entries) if entry.action != "test"]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata for a token."""
    return (("authorization", f"Bearer {token}"),)


@contextlib.asynccontextmanager
async def serving(
    folder: pathlib.Path,
    *,
    keys: tokens.KeyRing,
    store: stores.Store | None = None,
    services: "tuple[tuple[object, object], ...]" = (),
) -> AsyncIterator[Api]:
    """Serve on loopback, with an administrator whose password is `ADMIN_PASSWORD`.

    Args:
        folder: For the store's file.
        keys: Sign tokens.
        store: In place of one in a file.
        services: Further pairs of what adds a service and the service.
    """
    clock, hashing, intents = MovableClock(), CheapHash(), EndlessIntents()
    store = store or sqlite.SqliteStore(folder / "store.sqlite3", clock=clock)
    world = worlds.World(clock=clock)
    hasher = passwords.Passwords(hashing, workers=2)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(hasher.close)
        await store.open()
        stack.push_async_callback(store.close)
        account = config.Account(admin_email="admin@example.com", admin_password=ADMIN_PASSWORD)
        await bootstrap.ensure_admin(store=store, account=account, hasher=hasher, clock=clock)
        follower = asyncio.create_task(world.run(store=store, inventory=EmptyCluster()))
        stack.push_async_callback(_ended, follower)
        assert await world.wait_for(timeout=LIMIT)
        agents = peers.Agents(ring=keys, trust_domain="test", clock=clock)
        known = callers.Callers(keys=keys, world=world, store=store, clock=clock)
        server = grpc.aio.server(
            interceptors=[
                context.ContextInterceptor(trust_domain="test"),
                errors.ErrorInterceptor(),
                authorization.AuthorizationInterceptor(declared=rules.rules(), known=known, agents=agents),
                validation.ValidationInterceptor(),
            ]
        )
        people = accounts.Accounts(store=store, world=world, clock=clock)
        tries = attempts.Attempts(allowed=5, clock=clock)
        lifetimes = auth.Lifetimes(access=datetime.timedelta(minutes=15), refresh=datetime.timedelta(hours=1))
        auth_pb2_grpc.add_AuthServiceServicer_to_server(
            auth.AuthService(people=people, keys=keys, hasher=hasher, tries=tries, lifetimes=lifetimes), server
        )
        user_pb2_grpc.add_UserServiceServicer_to_server(
            users.UserService(people=people, hasher=hasher, tries=tries), server
        )
        role_pb2_grpc.add_RoleServiceServicer_to_server(roles.RoleService(people=people), server)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(audit.AuditService(store=store), server)
        intent_pb2_grpc.add_IntentServiceServicer_to_server(intents, server)
        for add, service in services:
            add(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        yield Api(channel=channel, store=store, world=world, clock=clock, keys=keys, hashing=hashing, intents=intents)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a refused call came to."""

    status: grpc.StatusCode
    rest: dict[str, object]
    """The body that REST clients get."""


async def raises(call: Awaitable[object], reason: str) -> Refusal:
    """Await a call that must be refused for a reason."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async with asyncio.timeout(LIMIT):
            await call
    trailing = dict(raised.value.trailing_metadata() or ())
    rest = json.loads(trailing.get(errors.REST_ERROR, "{}"))
    assert rest.get("code") == reason, raised.value.details()
    return Refusal(status=raised.value.code(), rest=rest)
