"""Takes in what agents measure."""

import datetime
from collections.abc import AsyncIterator

import grpc
from google.protobuf import duration_pb2

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import samples, waiting
from gthulhu.manager.domain import sample
from gthulhu.manager.services import peers
from gthulhu.v1 import metric_pb2, metric_pb2_grpc


class MetricService(metric_pb2_grpc.MetricServiceServicer):
    """See the schema."""

    def __init__(
        self, *, kept: samples.Samples, agents: peers.Agents, clock: clocks.Clock, interval: datetime.timedelta
    ) -> None:
        """Keep samples of agents that prove which node they are on, and ask them for one in every interval."""
        self._kept = kept
        self._agents = agents
        self._clock = clock
        self._interval = duration_pb2.Duration()
        self._interval.FromTimedelta(interval)

    async def StreamMetrics(  # noqa: N802 - the schema's name
        self,
        requests: AsyncIterator[metric_pb2.StreamMetricsRequest],
        context: grpc.aio.ServicerContext[metric_pb2.StreamMetricsRequest, metric_pb2.StreamMetricsResponse],
    ) -> None:
        """See the schema."""
        agent = self._agents.identify(context)
        await context.write(metric_pb2.StreamMetricsResponse(interval=self._interval))
        try:
            await waiting.first(self._take(requests, context, agent), self._expire(agent))
        finally:
            self._kept.forget(agent.node)

    async def _take(
        self,
        requests: AsyncIterator[metric_pb2.StreamMetricsRequest],
        context: grpc.aio.ServicerContext[metric_pb2.StreamMetricsRequest, metric_pb2.StreamMetricsResponse],
        agent: peers.Agent,
    ) -> None:
        async for request in requests:
            if request.node != agent.node:
                raise errors.PermissionDeniedError(
                    "NODE_MISMATCH", f"the sample is of node {request.node!r}, the certificate of {agent.node!r}"
                )
            self._kept.add(_sample(request, received_at=self._clock.now()))
            await context.write(metric_pb2.StreamMetricsResponse(received=request.sequence))
        raise errors.UnavailableError("SESSION_LOST", "the agent's stream has ended")

    async def _expire(self, agent: peers.Agent) -> None:
        """Tokens are checked when a stream begins and never again: so it ends with them."""
        while (left := (agent.expires_at - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)
        raise errors.UnauthenticatedError("TOKEN_EXPIRED", "the token or the certificate is over")


def _sample(message: metric_pb2.StreamMetricsRequest, *, received_at: datetime.datetime) -> sample.Sample:
    fields = message.metric_set.DESCRIPTOR.fields
    has_set = message.HasField("metric_set")
    return sample.Sample(
        node=message.node,
        taken_at=message.time.ToDatetime(tzinfo=datetime.UTC) if message.HasField("time") else received_at,
        received_at=received_at,
        source=message.source,
        scheduler={field.name: getattr(message.metric_set, field.name) for field in fields} if has_set else {},
        pods=tuple(
            sample.PodSample(
                uid=pod.pod_id,
                run_ns=pod.run_ns,
                wait_ns=pod.wait_ns,
                voluntary_switches=pod.voluntary_switches,
                involuntary_switches=pod.involuntary_switches,
                migrations=pod.migrations,
                processes=pod.processes,
                threads=pod.threads,
            )
            for pod in message.pods
        ),
    )
