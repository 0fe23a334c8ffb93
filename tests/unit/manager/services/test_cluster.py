"""Nodes, pods, the switch and health over a real gRPC server, and a real agent's endpoint behind mTLS."""

import asyncio
import contextlib
import datetime
import pathlib
import socket
from collections.abc import AsyncIterator

import grpc
import pytest

from gthulhu.common import clock as clocks
from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import pki, tls, tokens
from gthulhu.manager.domain import sample
from gthulhu.manager.domain.pod import Pod
from gthulhu.v1 import cluster_pb2 as pb
from gthulhu.v1 import node_pb2, node_pb2_grpc, strategy_pb2, system_pb2
from tests.unit.manager.services import served

WEB = Pod(uid="u1", name="web-1", namespace="prod", node="a", labels={"app": "web", "tier": "front"})
DEV = Pod(uid="u2", name="dev-1", namespace="dev", node="a", labels={"app": "web"})
DNS = Pod(uid="u3", name="dns", namespace="kube-system", node="a", labels={"app": "web"})
WAITING = Pod(uid="u4", name="web-2", namespace="prod", labels={"app": "web"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a folder with the certificates of a manager and of the agents of nodes a and b."""
    top = tmp_path_factory.mktemp("pki")
    authority = pki.Authority.create(top / "ca", trust_domain="test")
    authority.issue("manager", top / "manager")
    for node in ("a", "b"):
        authority.issue_agent(node, top / node)
    return top


@pytest.fixture
async def it(tmp_path: pathlib.Path, keys: tokens.KeyRing, folder: pathlib.Path) -> AsyncIterator[served.Served]:
    its = folder / "manager"

    def credentials() -> grpc.ChannelCredentials:
        return tls.channel_credentials(its / "manager.crt", its / "manager.key", its / "ca.crt")

    async with served.serve(tmp_path, keys, WEB, DEV, DNS, WAITING, credentials=credentials) as running:
        yield running


class NodeAnswers(node_pb2_grpc.NodeServiceServicer):
    """Answers as an agent does."""

    def __init__(self) -> None:
        self.strategy_id = ""

    async def ListPodProcesses(self, _request: object, _context: object) -> node_pb2.ListPodProcessesResponse:  # noqa: N802 - the schema's name
        return node_pb2.ListPodProcessesResponse(
            pods=[
                node_pb2.PodProcesses(pod_id=uid, processes=[node_pb2.Process(pid=pid, comm="x")])
                for pid, uid in enumerate(("u1", "u2", "unknown"), start=1)
            ]
        )

    async def ListDecisions(  # noqa: N802 - the schema's name
        self, request: node_pb2.ListDecisionsRequest, _context: object
    ) -> node_pb2.ListDecisionsResponse:
        return node_pb2.ListDecisionsResponse(
            decisions=[
                node_pb2.Decision(pid=7, pod_id=request.pod_uid, strategy_id=one, cpu_share=0.5)
                for one in (self.strategy_id, "hidden")
            ]
        )


@contextlib.asynccontextmanager
async def agent(folder: pathlib.Path) -> AsyncIterator[tuple[str, NodeAnswers]]:
    answers = NodeAnswers()
    server = channels.create_server([])
    node_pb2_grpc.add_NodeServiceServicer_to_server(answers, server)
    credentials = tls.server_credentials(
        folder / "agent.crt", folder / "agent.key", folder / "ca.crt", require_client=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}", answers
    finally:
        await server.stop(grace=None)


async def create(it: served.Served, name: str, *labels: tuple[str, str], **fields: object) -> str:
    made = await it.strategies.CreateStrategy(
        strategy_pb2.CreateStrategyRequest(
            strategy=strategy_pb2.ScheduleStrategy(
                name=name,
                label_selectors=[strategy_pb2.LabelSelector(key=key, value=value) for key, value in labels],
                **fields,
            )
        ),
        **it.as_user("admin"),
    )
    return made.id


async def explain(it: served.Served, name: str = "web-1", namespace: str = "prod", user: str = "admin") -> object:
    return await it.cluster.ExplainPod(pb.ExplainPodRequest(namespace=namespace, name=name), **it.as_user(user))


async def test_nodes_with_their_agents(it: served.Served) -> None:
    await create(it, "web", ("app", "web"))
    await it.connect(
        "a",
        agent_version="1.2",
        enforcer="stock",
        enforcer_reason="no sched_ext",
        levers=("pod-weight",),
        acked_revision=4,
    )
    await it.connect("gone", behind_since=clocks.SystemClock().now() - datetime.timedelta(seconds=9))
    answer = await it.cluster.ListNodes(pb.ListNodesRequest(), **it.as_user("admin"))
    assert [(one.name, one.state, one.pods, one.intents) for one in answer.nodes] == [
        ("a", pb.Node.SYNCED, 3, 2),
        ("b", pb.Node.DISCONNECTED, 0, 0),
        ("gone", pb.Node.STALE, 0, 0),
    ]
    first = answer.nodes[0]
    assert (first.agent_version, first.enforcer, first.enforcer_reason) == ("1.2", "stock", "no sched_ext")
    assert (list(first.levers), first.revision, first.HasField("connect_time")) == (["pod-weight"], 4, True)


async def test_processes_come_from_the_agent_and_are_limited_by_roles(it: served.Served, folder: pathlib.Path) -> None:
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    async with agent(folder / "a") as (address, _):
        await it.connect("a", address=address)
        request = pb.ListNodePodProcessesRequest(node="a")
        answer = await it.cluster.ListNodePodProcesses(request, **it.as_user("admin"))
        assert [(one.pod_id, one.pod_name, one.k8s_namespace) for one in answer.pods] == [
            ("u1", "web-1", "prod"),
            ("u2", "dev-1", "dev"),
            ("unknown", "", ""),
        ]
        assert answer.pods[0].processes[0].pid == 1
        answer = await it.cluster.ListNodePodProcesses(request, **it.as_user("dev"))
        assert [one.pod_id for one in answer.pods] == ["u2"]


async def test_a_node_that_does_not_answer_is_unreachable(it: served.Served, folder: pathlib.Path) -> None:
    async def ask(node: str) -> None:
        await it.cluster.ListNodePodProcesses(pb.ListNodePodProcessesRequest(node=node), **it.as_user("admin"))

    async with served.refused(grpc.StatusCode.NOT_FOUND, "NODE_NOT_FOUND"):
        await ask("nowhere")
    async with served.refused(grpc.StatusCode.UNAVAILABLE, "NODE_UNREACHABLE"):
        await ask("a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await it.connect("a", address=f"127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(5), served.refused(grpc.StatusCode.UNAVAILABLE, "NODE_UNREACHABLE"):
            await ask("a")
    async with agent(folder / "b") as (address, _):
        await it.connect("a", address=address)
        async with served.refused(grpc.StatusCode.UNAVAILABLE, "NODE_UNREACHABLE"):
            await ask("a")


async def test_explain_tells_why_and_what_came_of_it(it: served.Served, folder: pathlib.Path) -> None:
    weak = await create(it, "weak", ("app", "web"), priority=7)
    strong = await create(it, "strong", ("app", ""), ("tier", "front"), priority=2)
    await create(it, "off", ("app", "web"), priority=1, suspended=True)
    await create(it, "value", ("app", "db"))
    await create(it, "key", ("zone", ""))
    await create(it, "place", ("app", "web"), k8s_namespace=["dev"])
    async with agent(folder / "a") as (address, answers):
        answers.strategy_id = strong
        await it.connect("a", address=address)
        answer = await explain(it)
    assert (answer.pod_id, answer.node_id, dict(answer.pod_labels)) == ("u1", "a", WEB.labels)
    reasons = {one.name: (one.matched, one.reason, one.HasField("intent")) for one in answer.strategies}
    assert reasons == {
        "strong": (True, "the pod has app, tier=front", True),
        "weak": (True, "the pod has app=web", True),
        "off": (True, "the pod has app=web; but the strategy is SUSPENDED", False),
        "value": (False, 'label app is "web", not "db"', False),
        "key": (False, "the pod has no label zone", False),
        "place": (False, "namespace prod is not among dev", False),
    }
    assert [one.strategy_id for one in answer.strategies][:2] == [strong, weak]
    assert [(one.pid, one.cpu_share) for one in answer.decisions] == [(7, 0.5)]
    assert answer.node_error == ""


async def test_explain_says_when_the_node_cannot_be_asked(it: served.Served) -> None:
    await create(it, "web", ("app", "web"))
    answer = await explain(it)
    assert "node a cannot be asked now" in answer.node_error
    assert answer.strategies[0].matched
    waiting = await explain(it, "web-2")
    assert (waiting.node_error, waiting.strategies[0].intent.state_reason) == ("", "NODE_NOT_ASSIGNED")


async def test_explain_of_a_denied_namespace(it: served.Served) -> None:
    await create(it, "web", ("app", "web"))
    answer = await explain(it, "dns", "kube-system")
    assert [(one.matched, one.reason) for one in answer.strategies] == [
        (False, "namespace kube-system is denied to all strategies")
    ]


async def test_explain_is_limited_by_roles(it: served.Served) -> None:
    await create(it, "web", ("app", "web"))
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    await it.add_user("own", *served.everything(self_only=True))
    async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "K8S_NAMESPACE_NOT_ALLOWED"):
        await explain(it, user="dev")
    assert not (await explain(it, user="own")).strategies
    async with served.refused(grpc.StatusCode.NOT_FOUND, "POD_NOT_FOUND"):
        await explain(it, "nobody")


async def test_pause_withdraws_everything_until_resume(it: served.Served) -> None:
    await create(it, "web", ("app", "web"))
    assert (await it.cluster.Pause(pb.PauseRequest(), **it.as_user("admin"))).paused
    assert not it.world.intents_of("a")
    answer = await it.strategies.ListStrategies(strategy_pb2.ListStrategiesRequest(), **it.as_user("admin"))
    assert answer.strategies[0].state == strategy_pb2.ScheduleStrategy.PAUSED
    assert not (await it.cluster.Resume(pb.ResumeRequest(), **it.as_user("admin"))).paused
    assert len(it.world.intents_of("a")) == 2


async def test_the_switch_is_not_for_those_who_are_limited_to_a_part(it: served.Served) -> None:
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "SCHEDULER_CONFIG_NOT_ALLOWED"):
        await it.cluster.Pause(pb.PauseRequest(), **it.as_user("dev"))


async def test_metrics_have_their_age(it: served.Served) -> None:
    async with served.refused(grpc.StatusCode.NOT_FOUND, "METRICS_NOT_FOUND"):
        await it.cluster.GetNodeMetrics(pb.GetNodeMetricsRequest(node="a"), **it.as_user("admin"))
    taken = clocks.SystemClock().now() - datetime.timedelta(seconds=60)
    it.samples.add(
        sample.Sample(node="a", taken_at=taken, received_at=taken, source="kernel", scheduler={"nr_queued": 1 << 63})
    )
    one = await it.cluster.GetNodeMetrics(pb.GetNodeMetricsRequest(node="a"), **it.as_user("admin"))
    assert (one.node, one.source, one.metric_set.nr_queued) == ("a", "kernel", 1 << 63)
    assert 60 <= one.age.seconds < 90
    every = await it.cluster.ListNodeMetrics(pb.ListNodeMetricsRequest(), **it.as_user("admin"))
    assert [node.node for node in every.nodes] == ["a"]


async def test_health_and_version_need_no_token(it: served.Served) -> None:
    call = it.system.GetHealth(system_pb2.GetHealthRequest(), timeout=10)
    answer = await call
    assert (answer.status, answer.service) == ("healthy", "gthulhu-manager")
    assert dict(answer.checks) == {"store": "ok", "inventory": "ok"}
    assert "x-rest-status" not in dict(await call.trailing_metadata())
    version = await it.system.GetVersion(system_pb2.GetVersionRequest(), timeout=10)
    assert version.version
    assert list(version.api_versions) == ["v1"]


async def test_health_fails_with_503_while_the_inventory_is_not_read(it: served.Served) -> None:
    it.world.inventory_synced = False
    call = it.system.GetHealth(system_pb2.GetHealthRequest(), timeout=10)
    answer = await call
    assert answer.status == "unhealthy"
    assert answer.checks["inventory"] == "not read yet"
    assert dict(await call.trailing_metadata())["x-rest-status"] == "503"
