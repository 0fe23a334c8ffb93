"""What is on the node now, for managers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import grpc

from gthulhu.agent import reconciler as reconcilers
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.v1 import node_pb2, node_pb2_grpc


class View(Protocol):
    """The part of `gthulhu.agent.reconciler.Reconciler` that is shown."""

    def intents(self) -> Mapping[str, intents.Intent]:
        """Return the intents in force, by id."""

    def decisions(self, pod_uid: str | None = None) -> Sequence[reconcilers.Enforced]:
        """Return the decisions (of one pod), by PID."""

    async def pods(self, pod_uid: str | None = None) -> Sequence[processes.Pod]:
        """Return the node's pods (or one), by UID, with their processes."""


class NodeService(node_pb2_grpc.NodeServiceServicer):
    """See the schema."""

    def __init__(self, *, view: View) -> None:
        """Take what is shown."""
        self._view = view

    async def ListPodProcesses(
        self,
        request: node_pb2.ListPodProcessesRequest,
        context: grpc.aio.ServicerContext[node_pb2.ListPodProcessesRequest, node_pb2.ListPodProcessesResponse],
    ) -> node_pb2.ListPodProcessesResponse:
        """See the schema."""
        return await pod_processes(self._view, pod_uid=request.pod_uid)

    async def ListDecisions(
        self,
        request: node_pb2.ListDecisionsRequest,
        context: grpc.aio.ServicerContext[node_pb2.ListDecisionsRequest, node_pb2.ListDecisionsResponse],
    ) -> node_pb2.ListDecisionsResponse:
        """See the schema."""
        return node_pb2.ListDecisionsResponse(
            decisions=[_decision(one) for one in self._view.decisions(request.pod_uid or None)]
        )


async def pod_processes(view: View, *, pod_uid: str = "") -> node_pb2.ListPodProcessesResponse:
    """Return the node's pods (or one) with their processes, and their names where an intent has told them."""
    named = {one.pod_uid: one for one in view.intents().values()}
    response = node_pb2.ListPodProcessesResponse()
    for pod in await view.pods(pod_uid or None):
        known = named.get(pod.uid)
        response.pods.add(
            pod_id=pod.uid,
            pod_name=known.pod_name if known else "",
            k8s_namespace=known.namespace if known else "",
            processes=_processes(pod),
        )
    return response


def _processes(pod: processes.Pod) -> list[node_pb2.Process]:
    own = {one.key.pid for one in pod.processes}
    return [
        node_pb2.Process(
            pid=one.key.pid,
            ppid=one.ppid if one.ppid in own else 0,
            comm=one.comm,
            command=one.command,
            container_id=one.container_id,
            threads=len(one.threads),
        )
        for one in pod.processes
    ]


def _decision(of: reconcilers.Enforced) -> node_pb2.Decision:
    return node_pb2.Decision(
        pid=of.decision.process.pid,
        comm=of.process.comm,
        pod_id=of.decision.pod_uid,
        intent_id=of.decision.intent_id,
        strategy_id=of.decision.strategy_id,
        priority=of.decision.priority,
        execution_time=of.decision.execution_time_ns,
        levers=of.effect.levers,
        limit=of.effect.failure or ", ".join(of.effect.limits),
        threads=len(of.decision.threads),
        cpu_share=of.share.cpu if of.share else 0.0,
        wait_share=of.share.wait if of.share else 0.0,
    )
