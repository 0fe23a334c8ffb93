"""Two managers and a real agent that one of them has: either answers what only the agent knows."""

import pathlib

import grpc
import pytest

from gthulhu.common import clock as clocks
from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.manager import app
from gthulhu.manager import config as configs
from gthulhu.manager.store import sqlite
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, cluster_pb2, cluster_pb2_grpc
from tests.integration.agent import rig as agents
from tests.integration.agent.rig import NODE, until
from tests.integration.manager import rig as managers
from tests.integration.test_manager_and_agent import settings

PASSWORD = "correct horse battery staple"


class SharedStore(sqlite.SqliteStore):
    """One database for both, as MongoDB is: opened with the first manager, closed with the last."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path, clock=clocks.SystemClock())
        self._users = 0

    async def open(self) -> None:
        self._users += 1
        if self._users == 1:
            await super().open()

    async def close(self) -> None:
        self._users -= 1
        if not self._users:
            await super().close()


async def ask(installation: managers.Installation, manager: app.Manager) -> tuple[list[int], list[int], list[float]]:
    """Ask one manager; returns the PIDs of the pod's processes, those with decisions, and their shares and waits."""
    folder = installation.folder / "gateway"
    credentials = tls.channel_credentials(folder / "gateway.crt", folder / "gateway.key", folder / "ca.crt")
    target = f"127.0.0.1:{manager.grpc_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
        login = auth_pb2.LoginRequest(username="admin", password=PASSWORD)
        token = (await auth_pb2_grpc.AuthServiceStub(opened).Login(login)).access_token
        cluster, metadata = cluster_pb2_grpc.ClusterServiceStub(opened), (("authorization", f"Bearer {token}"),)
        listed = await cluster.ListNodePodProcesses(
            cluster_pb2.ListNodePodProcessesRequest(node=NODE), metadata=metadata
        )
        explained = await cluster.ExplainPod(
            cluster_pb2.ExplainPodRequest(namespace="default", name="web-0"), metadata=metadata
        )
        assert explained.node_error == ""
        return (
            [process.pid for pod in listed.pods for process in pod.processes],
            [one.pid for one in explained.decisions],
            [part for one in explained.decisions for part in (one.cpu_share, one.wait_share)],
        )


async def test_either_replica_tells_the_processes_and_decisions_of_a_node(tmp_path: pathlib.Path) -> None:
    installation = managers.install(tmp_path)
    installation.set_pods("web-0", node=NODE)
    installation.authority.issue("gateway", tmp_path / "gateway")
    folder = tmp_path / "agent"
    installation.authority.issue_agent(NODE, folder / "pki")
    (folder / "pki" / "node.token").write_text(installation.node_token(NODE))
    discovery = agents.MemoryDiscovery()
    discovery.put("uid-web-0", 10, 11)
    config = installation.config().model_copy(update={"account": configs.Account(admin_password=PASSWORD)})
    store = SharedStore(tmp_path / "store.sqlite3")
    async with app.build_manager(config, store=store) as first, app.build_manager(config, store=store) as second:
        await managers.add_admin(first.parts.store)
        await managers.put_strategy(first.parts.store)
        async with agents.running(settings(folder, first.grpc_port), discovery=discovery) as node:
            await until(lambda: node.enforcer.decided == {"uid-web-0": {10: 3, 11: 3}})
            await until(lambda: len(second.parts.world.strategies()) == 1)
            assert (len(first.parts.sessions), len(second.parts.sessions)) == (1, 0)
            for manager in (first, second):
                assert await ask(installation, manager) == ([10, 11], [10, 11], [0.0] * 4)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(installation, second)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
