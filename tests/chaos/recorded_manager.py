"""A manager that writes down what it sends and hears in sessions, and whose wall clock can be set off.

`python -m tests.chaos.recorded_manager -c FILE -d FOLDER`: the same as `gthulhu manager`, but for FOLDER/history and
FOLDER/clock, which holds seconds to be added to the time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import pathlib
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from gthulhu.cli import settings
from gthulhu.common import clock as clocks
from gthulhu.common import logs
from gthulhu.manager import app

METHOD = "/gthulhu.v1.SessionService/StreamIntents"

Write = Callable[..., None]


class OffsetClock(clocks.SystemClock):
    """The machine's, set off by what a file says."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def now(self) -> datetime.datetime:
        """See `Clock.now`."""
        offset = float(self._path.read_text()) if self._path.exists() else 0.0
        return super().now() + datetime.timedelta(seconds=offset)


class Recorder(grpc.aio.ServerInterceptor):  # type: ignore[misc] - untyped base
    """Writes down deltas and their answers."""

    def __init__(self, path: pathlib.Path) -> None:
        self._file = path.open("a", buffering=1)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """See grpc."""
        handler = await continuation(details)
        if details.method != METHOD or handler is None:
            return handler
        inner = handler.stream_stream

        async def recorded(requests: AsyncIterator[Any], context: Any) -> None:  # noqa: ANN401 - grpc's
            session = _Session(self._write)
            await inner(session.heard(requests), _Context(context, session))

        return grpc.stream_stream_rpc_method_handler(
            recorded,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _write(self, **what: object) -> None:
        self._file.write(json.dumps({"t": time.monotonic(), **what}) + "\n")


class _Session:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._id = uuid.uuid4().hex
        self._node = ""

    async def heard(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            if request.HasField("hello"):
                self._node = request.hello.node
            if request.HasField("ack"):
                self._write(kind="ack", node=self._node, session=self._id, nonce=request.ack.nonce)
            yield request

    def said(self, message: Any) -> None:  # noqa: ANN401 - StreamIntentsResponse
        if message.HasField("delta"):
            self._write(
                kind="sent",
                node=self._node,
                session=self._id,
                nonce=message.delta.nonce,
                set={one.id: one.version for one in message.delta.set},
                removed=list(message.delta.removed),
            )


class _Context:
    """A context whose writes are seen."""

    def __init__(self, context: Any, session: _Session) -> None:  # noqa: ANN401 - grpc's
        self._context = context
        self._session = session

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:  # noqa: ANN401 - StreamIntentsResponse
        self._session.said(message)
        await self._context.write(message)


async def main(config: str, folder: pathlib.Path) -> None:
    """Serve until SIGTERM."""
    loaded = settings.manager(config=config, state_dir=folder).settings
    logs.configure(level=loaded.logging.level, format=loaded.logging.format)
    manager = app.build_manager(loaded, clock=OffsetClock(folder / "clock"))
    manager.parts = dataclasses.replace(
        manager.parts, interceptors=(*manager.parts.interceptors, Recorder(folder / "history"))
    )
    async with manager, asyncio.TaskGroup() as group:
        serving = group.create_task(manager.serve())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2], pathlib.Path(sys.argv[4])))
