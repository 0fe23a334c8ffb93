"""Nodes and pods as they are, and the cluster-wide switch."""

import asyncio
from typing import Any

import grpc

from gthulhu.common import batches, errors
from gthulhu.common import clock as clocks
from gthulhu.manager.distribution import links as link_reader
from gthulhu.manager.distribution import samples
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, conflict, explanation, reach, standing
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.services import agents, authorization, convert, measured, settling, trail
from gthulhu.manager.store import base
from gthulhu.v1 import cluster_pb2, cluster_pb2_grpc, node_pb2

_AT_ONCE = 200
"""After so many nodes other requests get their turn."""

Context = grpc.aio.ServicerContext[Any, Any]


class ClusterService(cluster_pb2_grpc.ClusterServiceServicer):
    """See the schema."""

    def __init__(
        self,
        *,
        world: worlds.World,
        store: base.Store,
        links: link_reader.Links,
        caller: agents.AgentCaller,
        kept: samples.Samples,
        clock: clocks.Clock,
    ) -> None:
        """Read nodes from the world, what replicas share of agents, agents themselves, and kept samples."""
        self._world = world
        self._store = store
        self._links = links
        self._agents = caller
        self._samples = kept
        self._clock = clock

    async def ListNodes(  # noqa: N802 - the schema's name
        self, _request: cluster_pb2.ListNodesRequest, _context: Context
    ) -> cluster_pb2.ListNodesResponse:
        """See the schema; nodes that are gone are listed while their agents' sessions live."""
        sessions = await self._links.sessions()
        names = self._world.nodes().keys() | {
            node for node, session in sessions.items() if self._links.link(session).connected
        }
        answer = cluster_pb2.ListNodesResponse()
        for some in batches.of(sorted(names), size=_AT_ONCE):
            answer.nodes.extend(self._node(name, sessions.get(name)) for name in some)
            await asyncio.sleep(0)
        return answer

    async def ListNodePodProcesses(  # noqa: N802 - the schema's name
        self, request: cluster_pb2.ListNodePodProcessesRequest, _context: Context
    ) -> node_pb2.ListPodProcessesResponse:
        """See the schema; pods that the inventory does not know are for those who may see every namespace."""
        policies = access.grants(caller := authorization.current(), "pod_pid_mapping.read")
        await self._check_node(request.node)
        answer = await self._agents.processes(request.node)
        result = node_pb2.ListPodProcessesResponse()
        for its in answer.pods:
            pod = self._world.pod_by_uid(its.pod_id)
            namespace = pod.namespace if pod else ""
            if access.allows(policies, caller_id=caller.user_id, k8s_namespace=namespace):
                result.pods.add(
                    pod_id=its.pod_id,
                    pod_name=pod.name if pod else its.pod_name,
                    k8s_namespace=pod.namespace if pod else its.k8s_namespace,
                    processes=its.processes,
                )
        return result

    async def ExplainPod(  # noqa: N802 - the schema's name
        self, request: cluster_pb2.ExplainPodRequest, _context: Context
    ) -> cluster_pb2.ExplainPodResponse:
        """See the schema."""
        caller = authorization.current()
        if not access.allows(
            access.grants(caller, "schedule_intent.read"),
            caller_id=caller.user_id,
            creator_id=caller.user_id,
            k8s_namespace=request.namespace,
        ):
            raise errors.PermissionDeniedError(
                "K8S_NAMESPACE_NOT_ALLOWED",
                f"your roles do not allow schedule_intent.read in k8sNamespace {request.namespace}",
            )
        pod = self._world.pod(request.namespace, request.name)
        if pod is None:
            raise errors.NotFoundError("POD_NOT_FOUND", f"there is no pod {request.name} in {request.namespace}")
        considered = self._consider(pod, caller)
        answer = cluster_pb2.ExplainPodResponse(
            pod_id=pod.uid,
            pod_name=pod.name,
            k8s_namespace=pod.namespace,
            node_id=pod.node,
            pod_labels=pod.labels,
            strategies=[_considered(one) for one in considered],
        )
        await self._add_intents(answer, pod)
        if any(one.in_force for one in considered) and pod.node:
            await self._add_decisions(answer, pod, shown={one.strategy.id for one in considered})
        return answer

    async def GetNodeMetrics(  # noqa: N802 - the schema's name
        self, request: cluster_pb2.GetNodeMetricsRequest, _context: Context
    ) -> cluster_pb2.NodeMetrics:
        """See the schema."""
        await self._check_node(request.node)
        sample = await self._samples.latest(request.node)
        if sample is None:
            raise errors.NotFoundError("METRICS_NOT_FOUND", f"node {request.node} has sent no sample yet")
        return measured.message(sample, now=self._clock.now())

    async def ListNodeMetrics(  # noqa: N802 - the schema's name
        self, _request: cluster_pb2.ListNodeMetricsRequest, _context: Context
    ) -> cluster_pb2.ListNodeMetricsResponse:
        """See the schema; pods are left out: those of thousands of nodes are more than one answer may hold."""
        now = self._clock.now()
        return cluster_pb2.ListNodeMetricsResponse(
            nodes=[measured.message(sample, now=now, with_pods=False) for sample in await self._samples.all()]
        )

    async def Pause(  # noqa: N802 - the schema's name
        self, _request: cluster_pb2.PauseRequest, _context: Context
    ) -> cluster_pb2.PauseResponse:
        """See the schema."""
        await self._switch(paused=True)
        return cluster_pb2.PauseResponse(paused=True)

    async def Resume(  # noqa: N802 - the schema's name
        self, _request: cluster_pb2.ResumeRequest, _context: Context
    ) -> cluster_pb2.ResumeResponse:
        """See the schema."""
        await self._switch(paused=False)
        return cluster_pb2.ResumeResponse(paused=False)

    async def _switch(self, *, paused: bool) -> None:
        caller = authorization.current()
        if not access.allows(
            access.grants(caller, "scheduler_config.update"),
            caller_id=caller.user_id,
            k8s_namespace="",
            strategy_namespace="",
        ):
            raise errors.PermissionDeniedError(
                "SCHEDULER_CONFIG_NOT_ALLOWED",
                "your roles allow scheduler_config.update within limits only; this concerns the whole cluster",
            )
        audit = trail.entry(caller, "scheduler.pause" if paused else "scheduler.resume", now=self._clock.now())
        await self._store.set_paused(paused, audit=audit)
        await settling.settle(self._world, self._store)

    async def _check_node(self, name: str) -> None:
        if name not in self._world.nodes() and await self._links.session(name) is None:
            raise errors.NotFoundError("NODE_NOT_FOUND", f"there is no node {name}")

    def _node(self, name: str, session: base.AgentSession | None) -> cluster_pb2.Node:
        link = self._links.link(session)
        node = cluster_pb2.Node(
            name=name,
            state=standing.of_node(link, now=self._clock.now()).value,
            pods=len(self._world.pods_on(name)),
            intents=self._world.count_intents(name),
        )
        if session is not None:
            node.MergeFrom(
                cluster_pb2.Node(
                    revision=session.acked_revision,
                    agent_version=session.agent_version,
                    enforcer=session.enforcer,
                    enforcer_reason=session.enforcer_reason,
                    levers=session.levers,
                    connect_time=convert.timestamp(session.opened_at if link.connected else None),
                )
            )
        return node

    def _consider(self, pod: Pod, caller: access.Principal) -> list[explanation.Considered]:
        considered = [
            explanation.consider(
                value,
                its=pod,
                scope=self._world.scope_of(value),
                state=self._world.state_of(value),
                denied=self._world.denied_namespaces,
            )
            for value in self._world.strategies()
            if reach.may_see_considered(caller, value, namespace=pod.namespace)
        ]
        return sorted(
            considered, key=lambda one: (not one.matched, not one.in_force, conflict.precedence(one.strategy))
        )

    async def _add_intents(self, answer: cluster_pb2.ExplainPodResponse, pod: Pod) -> None:
        by_strategy = {one.strategy_id: one for one in self._world.intents_of_pod(pod.uid).values()}
        standings = await self._links.standings(by_strategy.values())
        for one in answer.strategies:
            its = by_strategy.get(one.strategy_id)
            if its is not None:
                one.intent.CopyFrom(convert.intent(its, standings[its.id]))

    async def _add_decisions(self, answer: cluster_pb2.ExplainPodResponse, pod: Pod, *, shown: set[str]) -> None:
        try:
            decisions = await self._agents.decisions(pod.node, pod_uid=pod.uid)
        except errors.UnavailableError as error:
            answer.node_error = error.message
        else:
            answer.decisions.extend(one for one in decisions.decisions if one.strategy_id in shown)


def _considered(one: explanation.Considered) -> cluster_pb2.ExplainPodResponse.Considered:
    return cluster_pb2.ExplainPodResponse.Considered(
        strategy_id=one.strategy.id,
        name=one.strategy.name,
        strategy_namespace=one.strategy.namespace,
        matched=one.matched,
        reason=one.reason,
    )
