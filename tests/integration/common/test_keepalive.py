"""How soon silence is noticed, and that patience is not mistaken for abuse; in real time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import grpc
import pytest

from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import tls
from tests.unit.common.grpc import servers

GOOD = servers.Request(strategy={})


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> servers.Pki:
    return servers.Pki(tmp_path_factory.mktemp("pki"))


class Relay:
    """Passes TCP connections on until it is told to fall silent: they stay open, and nothing passes any more."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._silent = False
        self._writers: list[asyncio.StreamWriter] = []
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    def fall_silent(self) -> None:
        self._silent = True

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        async with asyncio.timeout(5):
            await self._ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, upstream_writer]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(reader, upstream_writer))
            tasks.create_task(self._pump(upstream_reader, writer))
        self._ended.set()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self._silent:
                writer.write(data)
        writer.close()


async def test_a_peer_that_falls_silent_is_noticed_within_seconds(identity: servers.Pki) -> None:
    """As when a node is frozen, or its cable is cut."""

    async def forever(_: Any, __: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        yield servers.Response(name="first")
        await asyncio.Event().wait()

    async with (
        servers.serving(identity, server_stream=forever) as address,
        Relay(address) as relay,
        servers.calling(identity, relay.address) as channel,
    ):
        answers = servers.method(channel, "ServerStream")(GOOD)
        assert (await answers.read()).name == "first"
        relay.fall_silent()
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(10):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await answers.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert asyncio.get_running_loop().time() - started < 6


async def test_pings_as_frequent_as_ours_may_be_are_not_taken_for_abuse(identity: servers.Pki) -> None:
    """More often than the server itself pings, whose pings would spare the client its own."""
    interval = channels.MIN_PING_INTERVAL_MS + 100
    assert interval < channels.KEEPALIVE_MS
    options = (
        ("grpc.keepalive_time_ms", interval),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.ssl_target_name_override", "gthulhu-manager"),
    )

    async def slow(_: Any, __: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        yield servers.Response(name="first")
        # Time itself is what is tested: pings on a stream that carries nothing, more than gRPC forgives.
        await asyncio.sleep(6.5 * interval / 1000)
        yield servers.Response(name="last")

    async with (
        servers.serving(identity, server_stream=slow) as address,
        grpc.aio.secure_channel(address, tls.channel_credentials(*identity.files("agent")), options=options) as channel,
    ):
        answers = servers.method(channel, "ServerStream")(GOOD, timeout=20)
        assert [answer.name async for answer in answers] == ["first", "last"]
