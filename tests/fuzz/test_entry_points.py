"""Whatever is sent to what needs no token: an answer comes, it is no fault of ours, and nobody else notices."""

import asyncio
import collections
import contextlib
import logging
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import aiohttp
import grpc
import pytest
import yarl
from google.protobuf import message

from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.v1 import auth_pb2, enrollment_pb2, system_pb2
from tests.fuzz import hostile
from tests.fuzz.conftest import Target

_COUNT = 5000
_AT_ONCE = 32
_SECONDS = 20.0
"""For one answer: the machine may be busy, but nothing hangs."""
_FAULTS = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
    }
)


@contextlib.asynccontextmanager
async def attacking(target: Target, caplog: pytest.LogCaptureFixture) -> AsyncIterator["collections.Counter[str]"]:
    """Count answers; afterwards show that nothing has failed inside, and that the system still works."""
    answers: collections.Counter[str] = collections.Counter()
    with caplog.at_level(logging.ERROR):
        yield answers
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert sum(answers.values()) == (_COUNT if hostile.FULL else _COUNT // 10)
    await target.still_works()


async def flood(attacks: Iterable[bytes], attack: Callable[[bytes], Awaitable[None]]) -> None:
    """Make all attacks, so many at once; the first that does not get what it must is raised."""
    waiting = iter(attacks)

    async def work() -> None:
        for content in waiting:
            try:
                async with asyncio.timeout(_SECONDS):
                    await attack(content)
            except BaseException as error:
                error.add_note(f"sent: {content[:2000]!r}")
                raise

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())


_ROUTES = {
    "/api/v1/auth/login": ("username", "password", "email"),
    "/api/v1/auth/refresh": ("refreshToken",),
    "/api/v1/auth/logout": ("refreshToken",),
}


@pytest.mark.parametrize("path", _ROUTES)
async def test_bodies(target: Target, caplog: pytest.LogCaptureFixture, path: str) -> None:
    evil = hostile.Hostile(path)
    async with aiohttp.ClientSession() as session, attacking(target, caplog) as answers:

        async def attack(body: bytes) -> None:
            headers = {"content-type": "application/json", **evil.headers()}
            async with session.post(target.url + path, data=body, headers=headers) as answer:
                content = await answer.read()
                answers[str(answer.status)] += 1
                assert answer.status < 500, (content, answer.request_info.headers)

        await flood(hostile.inputs(lambda: evil.body(_ROUTES[path]), _COUNT), attack)
    assert answers["200"] < sum(answers.values()) or "logout" in path


@pytest.mark.parametrize("path", ["/health", "/version", "/api/v1/users/self", "/api/v1/intents/watch"])
async def test_headers(target: Target, caplog: pytest.LogCaptureFixture, path: str) -> None:
    evil = hostile.Hostile(path)
    async with aiohttp.ClientSession() as session, attacking(target, caplog) as answers:

        async def attack(token: bytes) -> None:
            headers = {**evil.headers(), "authorization": f"Bearer {token.decode()}"}
            async with session.get(target.url + path, headers=headers) as answer:
                content = await answer.read()
                answers[str(answer.status)] += 1
                assert answer.status < 500, (content, answer.request_info.headers)

        await flood(hostile.inputs(lambda: evil.token().encode(), _COUNT), attack)
    if path.startswith("/api"):
        assert answers["200"] == 0


async def test_paths(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    evil = hostile.Hostile("paths")
    async with aiohttp.ClientSession() as session, attacking(target, caplog) as answers:

        async def attack(path: bytes) -> None:
            url = yarl.URL(target.url + path.decode(), encoded=True)
            async with session.get(url, headers=evil.headers(), allow_redirects=False) as answer:
                content = await answer.read()
                answers[str(answer.status)] += 1
                assert answer.status < 500, (content, answer.request_info.headers)
                assert b"root:x:0" not in content

        await flood(hostile.inputs(lambda: evil.path().encode(), _COUNT), attack)


async def test_connections(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP is refused (400, or 501 for encodings that nobody knows), or the connection is closed."""
    evil = hostile.Hostile("connections")
    address = urllib.parse.urlsplit(target.url)
    async with attacking(target, caplog) as answers:

        async def attack(content: bytes) -> None:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                with contextlib.suppress(ConnectionError):
                    writer.write(content)
                    writer.write_eof()
                    head = (await reader.read())[:12]
                    assert head[9:12] not in {b"500", b"502", b"503", b"504"}, head
            finally:
                writer.close()
            answers["closed"] += 1

        await flood(hostile.inputs(evil.wire, _COUNT), attack)


_METHODS: dict[str, type[message.Message]] = {
    "/gthulhu.v1.AuthService/Login": auth_pb2.LoginRequest,
    "/gthulhu.v1.AuthService/Refresh": auth_pb2.RefreshRequest,
    "/gthulhu.v1.AuthService/Logout": auth_pb2.LogoutRequest,
    "/gthulhu.v1.SystemService/GetHealth": system_pb2.GetHealthRequest,
    "/gthulhu.v1.SystemService/GetVersion": system_pb2.GetVersionRequest,
}


@pytest.mark.parametrize("method", _METHODS)
async def test_messages(target: Target, caplog: pytest.LogCaptureFixture, method: str) -> None:
    evil = hostile.Hostile(method)
    address = urllib.parse.urlsplit(target.url).netloc
    async with grpc.aio.insecure_channel(address) as opened, attacking(target, caplog) as answers:
        await flood(hostile.inputs(lambda: evil.message(_METHODS[method]), _COUNT), calling(opened, method, answers))


async def test_requests_for_certificates(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    """Not through Envoy: agents that have no certificate yet reach managers directly."""
    method, kind = "/gthulhu.v1.EnrollmentService/Enroll", enrollment_pb2.EnrollRequest
    evil = hostile.Hostile(method)
    credentials = tls.anonymous_channel_credentials(target.folder / "pki" / "ca.crt")
    address = f"127.0.0.1:{target.manager.enrollment_port}"
    async with (
        channel.open_channel(address, credentials, server_name="gthulhu-manager") as opened,
        attacking(target, caplog) as answers,
    ):
        await flood(hostile.inputs(lambda: evil.message(kind), _COUNT), calling(opened, method, answers))
    assert answers["OK"] == 0


def calling(
    opened: grpc.aio.Channel, method: str, answers: "collections.Counter[str]"
) -> Callable[[bytes], Awaitable[None]]:
    """Return what sends bytes as they are to a method."""
    call = opened.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)

    async def attack(content: bytes) -> None:
        try:
            await call(content, timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() in _FAULTS:
                raise
            answers[error.code().name] += 1
        else:
            answers["OK"] += 1

    return attack
