"""What is taken away from a user is gone within a second, on streams that are open too, by REST and by gRPC."""

import asyncio
import contextlib
import dataclasses
import json
import secrets
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pydantic
import pytest
import pytest_asyncio

from gthulhu.gateway import options, process
from gthulhu.manager import app, config
from gthulhu.v1 import intent_pb2, intent_pb2_grpc
from tests.integration.gateway import harness
from tests.integration.manager import rig

_ADMIN_PASSWORD = "correct-horse-battery-7"
_FIRST_PASSWORD = "a-long-enough-pass-7"
_PASSWORD = "another-good-pass-8"
_WITHIN = 1.0
"""Seconds."""
_READS = {"permissionKey": "schedule_intent.read"}


@dataclasses.dataclass
class Caller:
    """Somebody who is logged in."""

    url: str
    token: str = ""
    id: str = ""
    name: str = ""
    role: str = ""

    async def call(self, method: str, path: str, body: object = None) -> harness.Answer:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return await harness.call(self.url, method, path, json_body=body, headers=headers)

    async def login(self, username: str, password: str) -> None:
        answer = await self.call("POST", "/api/v1/auth/login", {"username": username, "password": password})
        self.token = answer.json["data"]["accessToken"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    folder = tmp_path_factory.mktemp("revocation")
    installation = rig.install(folder)
    installation.authority.issue("gateway", folder / "pki")
    installation.set_pods("web-1")
    plain = installation.config()
    account = config.Account(admin_password=pydantic.SecretStr(_ADMIN_PASSWORD))
    cheap = config.Passwords(time_cost=1, memory_kib=8)
    async with app.build_manager(plain.model_copy(update={"account": account, "passwords": cheap})) as manager:
        settings = options.Options(
            kind="manager",
            listen="127.0.0.1:0",
            upstreams=[f"127.0.0.1:{manager.grpc_port}"],
            certificates=folder / "pki",
            trust_domain=rig.TRUST_DOMAIN,
            login_attempts=1_000_000,
            access_log="",
        )
        async with process.Gateway(settings, folder=folder / "gateway") as gateway:
            made = Caller(gateway.url)
            await made.login("admin", _ADMIN_PASSWORD)
            yield made


@pytest_asyncio.fixture(loop_scope="session")
async def user(admin: Caller) -> Caller:
    """Return somebody with a role of their own, who may watch intents."""
    name = f"user-{secrets.token_hex(4)}"
    role = await admin.call("POST", "/api/v1/roles", {"name": f"role-{name}", "rolePolicies": [_READS]})
    made = {"username": name, "password": _FIRST_PASSWORD, "roles": [f"role-{name}"]}
    created = await admin.call("POST", "/api/v1/users", made)
    found = Caller(admin.url, id=created.json["data"]["id"], name=name, role=role.json["data"]["id"])
    await found.login(name, _FIRST_PASSWORD)
    passwords = {"oldPassword": _FIRST_PASSWORD, "newPassword": _PASSWORD}
    assert (await found.call("PUT", "/api/v1/users/self/password", passwords)).status == 200
    await found.login(name, _PASSWORD)
    return found


Act = Callable[[Caller, Caller], Awaitable[harness.Answer]]

_TAKEN_AWAY: dict[str, tuple[Act, str]] = {
    "disabled": (
        lambda admin, user: admin.call("PUT", "/api/v1/users/permissions", {"userID": user.id, "status": "DISABLED"}),
        "TOKEN_REVOKED",
    ),
    "deleted": (lambda admin, user: admin.call("DELETE", "/api/v1/users", {"userID": user.id}), "TOKEN_REVOKED"),
    "own password": (
        lambda _, user: user.call(
            "PUT", "/api/v1/users/self/password", {"oldPassword": _PASSWORD, "newPassword": "yet-another-pass-9"}
        ),
        "TOKEN_REVOKED",
    ),
    "password reset": (
        lambda admin, user: admin.call(
            "PUT", "/api/v1/users/password", {"userID": user.id, "newPassword": "yet-another-pass-9"}
        ),
        "TOKEN_REVOKED",
    ),
    "logout-all": (lambda _, user: user.call("POST", "/api/v1/auth/logout-all", {}), "TOKEN_REVOKED"),
    "role taken": (
        lambda admin, user: admin.call("PUT", "/api/v1/users/permissions", {"userID": user.id, "roles": []}),
        "PERMISSION_DENIED",
    ),
    "role emptied": (
        lambda admin, user: admin.call("PUT", "/api/v1/roles", {"id": user.role, "rolePolicies": []}),
        "PERMISSION_DENIED",
    ),
    "role deleted": (
        lambda admin, user: admin.call("DELETE", "/api/v1/roles", {"id": user.role, "force": True}),
        "PERMISSION_DENIED",
    ),
    "role narrowed": (
        lambda admin, user: admin.call(
            "PUT", "/api/v1/roles", {"id": user.role, "rolePolicies": [{**_READS, "k8sNamespace": "elsewhere"}]}
        ),
        "PERMISSIONS_CHANGED",
    ),
}


@pytest.mark.parametrize("what", _TAKEN_AWAY)
async def test_open_streams_end_within_a_second(admin: Caller, user: Caller, what: str) -> None:
    act, expected = _TAKEN_AWAY[what]
    async with watching_by_rest(user) as rest, watching_by_grpc(user) as native:
        answer = await act(admin, user)
        done = time.monotonic()
        assert answer.status == 200, answer.body
        ended = await asyncio.gather(rest, native)
        late = time.monotonic() - done
    assert ended == [expected, expected]
    assert late < _WITHIN
    again = await user.call("GET", "/api/v1/intents")
    if expected == "PERMISSIONS_CHANGED":
        assert (again.status, again.json["data"]["intents"]) == (200, [])
    else:
        assert (again.status, again.json["code"]) == (401 if expected == "TOKEN_REVOKED" else 403, expected)


@contextlib.asynccontextmanager
async def watching_by_rest(user: Caller) -> AsyncIterator["asyncio.Task[str]"]:
    """Hold an event stream; the task returns why it was ended."""
    connection = harness.connect(user.url)
    headers = {"authorization": f"Bearer {user.token}"}
    await asyncio.to_thread(connection.request, "GET", "/api/v1/intents/watch", headers=headers)
    answer = await asyncio.to_thread(connection.getresponse)
    synced = asyncio.Event()

    async def read() -> str:
        while line := await asyncio.to_thread(answer.readline):
            if line.startswith(b"data:"):
                event = json.loads(line.removeprefix(b"data:"))
                if "error" in event:
                    return str(event["error"]["code"])
                if event.get("synced"):
                    synced.set()
        return "the stream ended without a word"

    async with _reading(read, synced) as task:
        yield task
    connection.close()


@contextlib.asynccontextmanager
async def watching_by_grpc(user: Caller) -> AsyncIterator["asyncio.Task[str]"]:
    """Do the same by gRPC."""
    synced = asyncio.Event()
    async with grpc.aio.insecure_channel(urllib.parse.urlsplit(user.url).netloc) as channel:

        async def read() -> str:
            metadata = (("authorization", f"Bearer {user.token}"),)
            stream = intent_pb2_grpc.IntentServiceStub(channel).WatchIntents(
                intent_pb2.WatchIntentsRequest(), metadata=metadata
            )
            try:
                async for event in stream:
                    if event.synced:
                        synced.set()
            except grpc.aio.AioRpcError as error:
                return str(json.loads(dict(error.trailing_metadata())["x-rest-error"])["code"])
            return "the stream ended without a word"

        async with _reading(read, synced) as task:
            yield task


@contextlib.asynccontextmanager
async def _reading(read: Callable[[], Awaitable[str]], synced: asyncio.Event) -> AsyncIterator["asyncio.Task[str]"]:
    task = asyncio.ensure_future(read())
    try:
        async with asyncio.timeout(10):
            await synced.wait()
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))
