"""An agent's end of the session without a node behind it: it holds what it is sent, in memory, and tells what happens.

It keeps to the protocol as the real agent does: complete deltas only, one answer each, full jitter between sessions.
Many of them run in one process, each with a connection of its own.
"""

import asyncio
import dataclasses
import pathlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from gthulhu.common import backoff, digest
from gthulhu.common import clock as clocks
from gthulhu.common.identity import tls
from gthulhu.v1 import metric_pb2, metric_pb2_grpc, session_pb2, session_pb2_grpc

Request = session_pb2.StreamIntentsRequest
Response = session_pb2.StreamIntentsResponse

SERVER_NAME = "gthulhu-manager"
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 2000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.ping_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 65535),
    ("grpc.enable_retries", 0),
    ("grpc.ssl_target_name_override", SERVER_NAME),
)
STABLE_SECONDS = 10.0
REPORT_SECONDS = 0.2

Tell = Callable[[str, Mapping[str, Any]], None]
"""Takes the kind of an event, and what belongs to it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What an agent shows."""

    node: str
    folder: pathlib.Path
    """Holds agent.crt, agent.key and ca.crt."""
    token: str


class Agent:
    """One of them; `run` it until cancelled."""

    def __init__(self, identity: Identity, *, targets: Sequence[str], tell: Tell) -> None:
        """Connect to one of the targets after the other."""
        self.node = identity.node
        self.held: dict[str, str] = {}
        """Intent id → version: what a real agent has on its disk."""
        self.revisions = session_pb2.Revisions()
        self.connected = False
        self.received = 0
        """Bytes of messages that managers have sent."""
        self.reading = asyncio.Event()
        """While it is not set, nothing is read: the agent is stuck."""
        self.reading.set()
        self.sampling = asyncio.Event()
        self.samples_sent = 0
        self.samples_received = 0
        self._identity = identity
        self._targets = [*targets]
        self._tell = tell
        self._clock = clocks.SystemClock()
        self._backoff = backoff.FullJitter(clock=self._clock)
        self._chunks: list[Response.Delta] = []
        self._writing = asyncio.Lock()
        self._unreported: set[str] = set()
        self._to_report = asyncio.Event()

    def restore(self, held: Mapping[str, str], revisions: tuple[int, int, str]) -> None:
        """Take what an earlier process held."""
        self.held = dict(held)
        store, inventory, source = revisions
        self.revisions = session_pb2.Revisions(store=store, inventory=inventory, inventory_source=source)

    async def run(self) -> None:
        """Keep a session."""
        number = random.randrange(len(self._targets))  # noqa: S311 - spreads load
        while True:
            began = self._clock.monotonic()
            target = self._targets[number % len(self._targets)]
            number += 1
            try:
                await self._session(target)
            except (grpc.aio.AioRpcError, ConnectionError) as error:
                code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else str(error)
                self._tell("ended", {"code": code})
            except asyncio.CancelledError:
                if asyncio.current_task().cancelling():  # type: ignore[union-attr] - we are one
                    raise
                self._tell("ended", {"code": "CANCELLED"})
            finally:
                self.connected = False
            if self._clock.monotonic() - began >= STABLE_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next())

    async def _session(self, target: str) -> None:
        folder = self._identity.folder
        credentials = tls.channel_credentials(folder / "agent.crt", folder / "agent.key", folder / "ca.crt")
        self._chunks = []
        async with grpc.aio.secure_channel(target, credentials, options=OPTIONS) as channel:
            metadata = (("authorization", f"Bearer {self._identity.token}"),)
            call = session_pb2_grpc.SessionServiceStub(channel).StreamIntents(metadata=metadata)
            beside = [
                asyncio.create_task(self._sample(channel, metadata)),
                asyncio.create_task(self._report(call)),
            ]
            try:
                self._tell("hello", {"target": target, "held": dict(self.held), "revision": self.revisions.store})
                hello = Request.Hello(
                    node=self.node,
                    agent_version="fleet",
                    held=self.held,
                    revisions=self.revisions,
                    capabilities=Request.Capabilities(enforcer="observe"),
                )
                await self._say(call, Request(hello=hello))
                await call.initial_metadata()
                self.connected = True
                while True:
                    await self.reading.wait()
                    message = await call.read()
                    if message is grpc.aio.EOF:
                        raise ConnectionError((await call.code()).name)
                    self.received += message.ByteSize()
                    if await self._take(call, message) == "drain":
                        self._tell("ended", {"code": "DRAIN"})
                        return
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
                call.cancel()

    async def _take(self, call: Any, message: Response) -> str:  # noqa: ANN401 - grpc.aio's call
        body = message.WhichOneof("body") or ""
        if body == "digest":
            own = digest.of_versions(self.held)
            self._tell("digest", {"equal": own == message.digest.digest})
            if own != message.digest.digest:
                raise ConnectionError("DIGEST")
        if body == "delta":
            chunk = message.delta
            if self._chunks and self._chunks[0].nonce != chunk.nonce:
                raise ConnectionError("INTERRUPTED")
            self._chunks.append(chunk)
            if chunk.chunk == chunk.chunks:
                chunks, self._chunks = self._chunks, []
                self._accept(chunks)
                await self._say(call, Request(ack=Request.Ack(nonce=chunk.nonce)))
                self._unreported |= {one.id for part in chunks for one in part.set}
                self._to_report.set()
        return body

    def _accept(self, chunks: Sequence[Response.Delta]) -> None:
        """Take in a delta in one step: nobody can see half of it."""
        set_ = {one.id: one.version for chunk in chunks for one in chunk.set}
        removed = [key for chunk in chunks for key in chunk.removed]
        for key in removed:
            self.held.pop(key, None)
        self.held |= set_
        last = chunks[-1].revisions
        self.revisions = session_pb2.Revisions(
            store=max(last.store, self.revisions.store),
            inventory=last.inventory,
            inventory_source=last.inventory_source,
        )
        marks_of = {one.id: one.execution_time for chunk in chunks for one in chunk.set}
        self._tell(
            "delta",
            {
                "nonce": chunks[0].nonce,
                "chunks": [(one.chunk, one.chunks) for one in chunks],
                "set": {key: [version, marks_of[key]] for key, version in set_.items()},
                "removed": removed,
                "revisions": [last.store, last.inventory, last.inventory_source],
                "held": dict(self.held),
                "marks": sorted(set(marks_of.values())),
            },
        )

    async def _say(self, call: Any, message: Request) -> None:  # noqa: ANN401 - grpc.aio's call
        async with self._writing:  # a call takes one write at a time
            await call.write(message)

    async def _report(self, call: Any) -> None:  # noqa: ANN401 - grpc.aio's call
        """Say that what was taken in is in force, as the real agent does: all at first, then what has changed."""
        self._unreported = {*self.held}
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            ids, self._unreported = self._unreported & self.held.keys(), set()
            figures = [
                Request.Applied.Intent(intent_id=key, version=self.held[key], processes=1, threads=2) for key in ids
            ]
            if figures:
                await self._say(call, Request(applied=Request.Applied(intents=figures, enforcer="observe")))
            self._to_report.clear()
            await self._to_report.wait()

    async def _sample(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        await self.sampling.wait()
        call = metric_pb2_grpc.MetricServiceStub(channel).StreamMetrics(metadata=metadata)
        reader = asyncio.create_task(self._received(call))
        try:
            await asyncio.sleep(random.random())  # noqa: S311 - spreads load
            while True:
                self.samples_sent += 1
                values = {field.name: self.samples_sent for field in metric_pb2.MetricSet.DESCRIPTOR.fields}
                await call.write(
                    metric_pb2.StreamMetricsRequest(
                        node=self.node,
                        sequence=self.samples_sent,
                        source="kernel",
                        metric_set=metric_pb2.MetricSet(**values),
                    )
                )
                await asyncio.sleep(1)
        finally:
            reader.cancel()
            call.cancel()

    async def _received(self, call: Any) -> None:  # noqa: ANN401 - grpc.aio's call
        while (answer := await call.read()) is not grpc.aio.EOF:
            if answer.received:
                self.samples_received += 1
