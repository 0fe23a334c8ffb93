"""Reading and writing a call that may end at any moment.

grpc.aio raises CancelledError both where our task is cancelled and where the call was ended under it (seen under storms
of connections); and where our task is cancelled just as the call fails, it raises the failure, and the cancellation is
lost. So whether our task was cancelled is asked of the task, whatever was raised.
"""

import asyncio
import logging
from typing import TypeVar, cast

import grpc

_log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


async def status(call: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> grpc.aio.AioRpcError | None:
    """Return how a call has ended; None where it ended well. Waits until it has."""
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return None
    return grpc.aio.AioRpcError(
        code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
    )


async def read(call: grpc.aio.StreamStreamCall[RequestT, ResponseT]) -> ResponseT | None:
    """Return the next message; None where the call has ended: `status` tells how."""
    try:
        message = await call.read()
    except (grpc.aio.AioRpcError, asyncio.CancelledError):
        _raise_if_ours()
        return None
    return None if message is grpc.aio.EOF else cast("ResponseT", message)


async def write(call: grpc.aio.StreamStreamCall[RequestT, ResponseT], message: RequestT) -> None:
    """Write one message. That the call has ended is no error here: whoever reads learns of it, and why."""
    try:
        await call.write(message)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError) as error:
        _raise_if_ours()
        _log.debug("not sent, the call has ended: %r", error)


def _raise_if_ours() -> None:
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise asyncio.CancelledError
