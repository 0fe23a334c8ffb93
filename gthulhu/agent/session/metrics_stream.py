"""Samples to the manager, at the pace that it asks for. It may be slow, or not be there: intents never wait for it."""

import asyncio
import dataclasses
import logging
from typing import Protocol

import grpc

from gthulhu.agent.metrics import sampler as samplers
from gthulhu.agent.session import calls, credentials
from gthulhu.common import backoff as backoffs
from gthulhu.common import clock as clocks
from gthulhu.v1 import metric_pb2, metric_pb2_grpc

_log = logging.getLogger(__name__)

Call = grpc.aio.StreamStreamCall[metric_pb2.StreamMetricsRequest, metric_pb2.StreamMetricsResponse]

INTERVAL = 5.0
"""Seconds between samples until the manager asks for something else."""
LEAST_INTERVAL = 0.1
"""Seconds: what a manager can ask for at most, as samples cost the node."""


class Observer(Protocol):
    """Hears of samples."""

    def sampled(self, *, dropped: bool) -> None:
        """Note that a sample was taken, and whether one before it was dropped for it."""


class MetricsStream:
    """Keeps a stream of samples open on a channel while it lasts."""

    def __init__(
        self,
        *,
        node: str,
        sampler: samplers.Sampler,
        tokens: credentials.TokenFile,
        clock: clocks.Clock,
        backoff: backoffs.FullJitter,
        observer: Observer,
    ) -> None:
        """Take whose samples they are, and where they come from."""
        self._node = node
        self._sampler = sampler
        self._tokens = tokens
        self._clock = clock
        self._backoff = backoff
        self._observer = observer
        self._interval = INTERVAL
        self._sequence = 0
        self._slot: metric_pb2.StreamMetricsRequest | None = None
        self._filled = asyncio.Event()

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Send samples until cancelled; a stream that ends is opened again."""
        while True:
            try:
                token = await self._tokens.read()
            except credentials.TokenError as error:
                _log.debug("samples are not sent: %s", error)
            else:
                await self._stream(channel, token)
            await self._clock.sleep(self._backoff.next())

    async def _stream(self, channel: grpc.aio.Channel, token: credentials.NodeToken) -> None:
        call: Call = metric_pb2_grpc.MetricServiceStub(channel).StreamMetrics(
            metadata=(("authorization", f"Bearer {token.text}"),)
        )
        self._sequence, self._slot = 0, None
        self._filled.clear()
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(call), name="metrics: send")
                sampling = group.create_task(self._sample(), name="metrics: sample")
                while (answer := await calls.read(call)) is not None:
                    self._backoff.reset()
                    if answer.HasField("interval"):
                        self._interval = max(LEAST_INTERVAL, answer.interval.ToTimedelta().total_seconds())
                        sampling.cancel()
                        sampling = group.create_task(self._sample(), name="metrics: sample")
                sending.cancel()
                sampling.cancel()
        finally:
            call.cancel()

    async def _sample(self) -> None:
        while True:
            self._sequence += 1
            request = _request(node=self._node, sample=self._sampler.sample(), sequence=self._sequence)
            self._observer.sampled(dropped=self._slot is not None)
            self._slot = request
            self._filled.set()
            await self._clock.sleep(self._interval)

    async def _send(self, call: Call) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            request, self._slot = self._slot, None
            if request is not None:
                await calls.write(call, request)


def _request(*, node: str, sample: samplers.Sample, sequence: int) -> metric_pb2.StreamMetricsRequest:
    request = metric_pb2.StreamMetricsRequest(
        node=node,
        metric_set=metric_pb2.MetricSet(**dataclasses.asdict(sample.metric_set)),
        source=sample.source,
        sequence=sequence,
    )
    request.time.FromDatetime(sample.time)
    for uid, usage in sorted(sample.pods.items()):
        request.pods.add(
            pod_id=uid,
            run_ns=usage.total.run_ns,
            wait_ns=usage.total.wait_ns,
            voluntary_switches=usage.total.voluntary_switches,
            involuntary_switches=usage.total.involuntary_switches,
            migrations=usage.total.migrations,
            processes=len(usage.processes),
            threads=usage.threads,
        )
    return request
