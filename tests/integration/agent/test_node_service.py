"""What managers, and nobody else, can ask an agent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import pki, tls
from gthulhu.v1 import node_pb2, node_pb2_grpc
from tests.integration.agent import rig
from tests.integration.agent.rig import Installation, StubManager, intent, until


@contextlib.asynccontextmanager
async def calling(
    installation: Installation, node: rig.Node, role: str
) -> AsyncIterator[node_pb2_grpc.NodeServiceStub]:
    folder = installation.folder / role
    if not folder.exists():
        installation.authority.issue(role, folder)
    name = "agent" if role.startswith("agent") else role
    credentials = tls.channel_credentials(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")
    target = f"127.0.0.1:{node.agent.grpc_port}"
    async with channels.open_channel(target, credentials, server_name=pki.agent_server_name(rig.NODE)) as opened:
        yield node_pb2_grpc.NodeServiceStub(opened)


async def test_a_manager_sees_pods_processes_and_decisions(installation: Installation, manager: StubManager) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10, 11)
    discovery.put("pod-b", 20, comm="redis")
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery) as node:
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a", priority=3, slice_ns=1_000_000)])
        await until(lambda: manager.acks)
        async with calling(installation, node, "manager") as stub:
            pods = (await stub.ListPodProcesses(node_pb2.ListPodProcessesRequest())).pods
            assert [(one.pod_id, one.pod_name, len(one.processes)) for one in pods] == [
                ("pod-a", "pod-a", 2),
                ("pod-b", "", 1),
            ]
            assert pods[1].processes[0].comm == "redis"
            one = (await stub.ListPodProcesses(node_pb2.ListPodProcessesRequest(pod_uid="pod-b"))).pods
            assert [pod.pod_id for pod in one] == ["pod-b"]
            decisions = (await stub.ListDecisions(node_pb2.ListDecisionsRequest())).decisions
            assert [(one.pid, one.priority, one.execution_time, one.intent_id) for one in decisions] == [
                (10, 3, 1_000_000, "a"),
                (11, 3, 1_000_000, "a"),
            ]
            assert not (await stub.ListDecisions(node_pb2.ListDecisionsRequest(pod_uid="pod-b"))).decisions


async def test_nobody_else_is_answered(installation: Installation) -> None:
    async with rig.running(installation.config()) as node:
        for role in ("gateway", "agent/pki"):
            async with calling(installation, node, role) as stub:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await stub.ListDecisions(node_pb2.ListDecisionsRequest())
                assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_prometheus_metrics_are_served(installation: Installation) -> None:
    async with rig.running(installation.config()) as node:
        answers = {}
        for line in ("GET /metrics", "HEAD /metrics", "GET /other", "POST /metrics"):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.agent.metrics_port)
            writer.write(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with asyncio.timeout(rig.LIMIT):
                answers[line] = (await reader.read()).decode()
            writer.close()
        assert "gthulhu_agent_session_connected 0.0" in answers["GET /metrics"]
        assert {line: answer.split(" ", 2)[1] for line, answer in answers.items()} == {
            "GET /metrics": "200",
            "HEAD /metrics": "200",
            "GET /other": "404",
            "POST /metrics": "405",
        }
        assert answers["HEAD /metrics"].endswith("\r\n\r\n")
