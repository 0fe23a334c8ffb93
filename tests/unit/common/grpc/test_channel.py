"""What our channels and servers do that gRPC's defaults do not."""

import asyncio
from typing import Any

import pytest

from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import tls
from tests.unit.common.grpc import servers

GOOD = servers.Request(strategy={})


async def test_a_stream_that_nobody_reads_is_bounded(identity: servers.Pki) -> None:
    """Within some 64 KiB; gRPC's own limit lies at 4 MB."""
    written, stuck = 0, asyncio.Event()

    async def flood(_: Any, context: Any) -> None:  # noqa: ANN401 - gRPC's
        nonlocal written
        while True:
            try:
                async with asyncio.timeout(0.3):
                    await context.write(servers.Response(description="x" * 1000))
            except TimeoutError:
                stuck.set()
                return
            written += 1000

    async with (
        servers.serving(identity, server_stream=flood, chain=[]) as address,
        servers.calling(identity, address) as channel,
    ):
        answers = servers.method(channel, "ServerStream")(GOOD)
        await answers.read()
        async with asyncio.timeout(10):
            await stuck.wait()
        answers.cancel()
    assert 10_000 < written < 400_000


async def test_two_servers_never_share_a_port(identity: servers.Pki) -> None:
    async with servers.serving(identity) as address:
        credentials = tls.server_credentials(*identity.files("manager"), require_client=True)
        with pytest.raises(RuntimeError, match="Failed to bind"):
            channels.create_server([]).add_secure_port(address, credentials)
