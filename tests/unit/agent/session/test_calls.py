"""A call that ends never takes a cancellation of ours with it."""

import asyncio

import grpc
import pytest

from gthulhu.agent.session import calls
from gthulhu.v1 import metric_pb2, metric_pb2_grpc

MOMENTS = range(150)
"""Turns of the event loop after which a cancellation comes: from before the connection is tried until it has failed."""


async def _speak(channel: grpc.aio.Channel) -> None:
    """Read and write for ever, on one call after the other, as the metrics stream does."""
    while True:
        call = metric_pb2_grpc.MetricServiceStub(channel).StreamMetrics()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(calls.write(call, metric_pb2.StreamMetricsRequest()))
                assert await calls.read(call) is None
                await calls.status(call)
        finally:
            call.cancel()
        await asyncio.sleep(0)


async def _cancelled_after(turns: int) -> bool:
    """Tell whether a cancellation that comes after so many turns of the event loop arrives."""
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        task = asyncio.create_task(_speak(channel))
        for _ in range(turns):
            await asyncio.sleep(0.0001)
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        arrived = task.done()
        while not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=0.1)
        return arrived


@pytest.mark.timeout(60)
async def test_a_cancellation_arrives_whenever_it_comes() -> None:
    assert [turns for turns in MOMENTS if not await _cancelled_after(turns)] == []
