"""The routes that external sched_ext schedulers poll, and over which managers of the older protocol post intents."""

import datetime
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import grpc
from google.api import httpbody_pb2

from gthulhu.agent.domain import acceptance
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.metrics import sampler as samplers
from gthulhu.agent.services import node, strategies, tokens
from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common import priority as priorities
from gthulhu.v1 import decision_maker_pb2 as pb2
from gthulhu.v1 import decision_maker_pb2_grpc as pb2_grpc
from gthulhu.v1 import metric_pb2, node_pb2

_log = logging.getLogger(__name__)

_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
"""The age of posted intents, which tell none: between two equally strong ones the id decides."""

Context = grpc.aio.ServicerContext[Any, Any]


class Posted(Protocol):
    """Keeps the set of intents that came by this route."""

    async def replace_posted(self, posted: Iterable[intents.Intent]) -> int:
        """Put a set in place of the one before; returns how many it has."""


class DecisionMakerService(pb2_grpc.DecisionMakerServiceServicer):
    """See the schema. Answers are bytes that are ready, where they are polled."""

    def __init__(
        self,
        *,
        node_name: str,
        view: node.View,
        table: strategies.Strategies,
        posted: Posted,
        client_tokens: tokens.ClientTokens,
        report: Callable[[samplers.MetricSet], None],
        metrics: Callable[[], bytes],
        clock: clocks.Clock,
    ) -> None:
        """Take what the routes are about.

        Args:
            node_name: This node's.
            view: Pods and processes.
            table: The answer that schedulers poll.
            posted: Takes in intents.
            client_tokens: Issues tokens.
            report: Takes in a scheduler's counters.
            metrics: Returns the Prometheus text.
            clock: For timestamps.
        """
        self._node_name = node_name
        self._view = view
        self._table = table
        self._posted = posted
        self._tokens = client_tokens
        self._report = report
        self._metrics = metrics
        self._clock = clock

    async def IssueToken(self, request: pb2.IssueTokenRequest, context: Context) -> httpbody_pb2.HttpBody:
        """See the schema."""
        try:
            issued = self._tokens.issue(request.public_key)
        except errors.UnauthenticatedError:
            _log.warning("a token was refused to client %r", request.client_id)
            raise
        _log.info("a token was issued to client %r", request.client_id)
        return _body(
            {
                "success": True,
                "data": {"token": issued.token, "expired_at": int(issued.expires_at.timestamp())},
                "timestamp": strategies.timestamp(self._clock.now()),
            }
        )

    async def GetSchedulingStrategies(
        self, request: pb2.GetSchedulingStrategiesRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        """See the schema."""
        return httpbody_pb2.HttpBody(content_type=_JSON, data=self._table.body(now=self._clock.now()))

    async def ReplaceIntents(self, request: pb2.ReplaceIntentsRequest, context: Context) -> pb2.ReplaceIntentsResponse:
        """See the schema."""
        posted = []
        for index, message in enumerate(request.intents):
            if message.node_id not in ("", self._node_name):
                continue
            intent = _intent(message)
            if fault := acceptance.fault(intent):
                raise errors.InvalidInputError.of_field(f"intents[{index}]", fault)
            posted.append(intent)
        try:
            return pb2.ReplaceIntentsResponse(intents=await self._posted.replace_posted(posted))
        except OSError as error:
            _log.error("posted intents cannot be written", exc_info=error)
            raise errors.UnavailableError("DISK", "the agent cannot write its state now") from None

    async def ListPodPids(self, request: pb2.ListPodPidsRequest, context: Context) -> node_pb2.ListPodProcessesResponse:
        """See the schema."""
        return await node.pod_processes(self._view)

    async def ReportMetrics(self, request: metric_pb2.MetricSet, context: Context) -> pb2.ReportMetricsResponse:
        """See the schema."""
        fields = (field.name for field in metric_pb2.MetricSet.DESCRIPTOR.fields)
        self._report(samplers.MetricSet(**{name: getattr(request, name) for name in fields}))
        return pb2.ReportMetricsResponse()

    async def GetMetrics(self, request: pb2.GetMetricsRequest, context: Context) -> httpbody_pb2.HttpBody:
        """See the schema."""
        return httpbody_pb2.HttpBody(content_type=_PROMETHEUS, data=self._metrics())


def _intent(message: pb2.ReplaceIntentsRequest.Intent) -> intents.Intent:
    """Return a posted intent; the older protocol names no strategy, so each is one of its own."""
    labels = dict(message.pod_labels)
    priority = message.priority if message.HasField("priority") else priorities.NEUTRAL
    content = (message.pod_id, message.command_regex, priority, message.execution_time, sorted(labels.items()))
    digest = hashlib.blake2b(repr(content).encode(), digest_size=16).hexdigest()
    return intents.Intent(
        id=f"posted-{digest}",
        version=digest,
        strategy_id=f"posted-{digest}",
        strategy_created_at=_EPOCH,
        pod_uid=message.pod_id,
        pod_name=message.pod_name,
        namespace=message.k8s_namespace,
        labels=labels,
        command_regex=message.command_regex,
        priority=priority,
        execution_time_ns=message.execution_time,
    )


def _body(content: dict[str, object]) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type=_JSON, data=json.dumps(content, separators=(",", ":")).encode())
