"""A node's agent gets its identity, and nobody else gets it."""

import asyncio
import datetime
import pathlib
import shutil
import stat

import grpc
import pytest
import pytest_asyncio
from cryptography import x509

from gthulhu.agent import config as agent_config
from gthulhu.agent.session import enrollment as agents
from gthulhu.cli import rotation
from gthulhu.cli.local import children as processes
from gthulhu.common import clock as clocks
from gthulhu.common.identity import enrollment, pki
from gthulhu.manager.store import base
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, cluster_pb2, cluster_pb2_grpc, enrollment_pb2, session_pb2
from tests.integration.identity import rig
from tests.integration.manager import rig as managers

NODE = "node-1"
_STARTS_WITHIN = 30.0
"""Seconds: an agent as a process of its own, on a machine that is busy."""


@pytest.fixture
def installation(tmp_path: pathlib.Path) -> managers.Installation:
    return managers.install(tmp_path / "installation")


@pytest_asyncio.fixture
async def children(tmp_path: pathlib.Path) -> processes.Children:
    with processes.Children(logs=tmp_path / "logs") as made:
        yield made


def request(**proof: str) -> enrollment_pb2.EnrollRequest:
    return enrollment_pb2.EnrollRequest(csr=enrollment.new_request(node=NODE).csr, **proof)


def reason(error: grpc.aio.AioRpcError) -> str:
    return dict(error.trailing_metadata())["x-rest-error"].split('"code":"')[1].split('"')[0]


async def test_an_agent_joins_with_a_token_and_keeps_a_session(
    installation: managers.Installation, tmp_path: pathlib.Path, children: processes.Children
) -> None:
    folder = tmp_path / "agent"
    token_file = tmp_path / "join.token"
    token_file.write_text(rig.join_token(installation, NODE) + "\n")
    async with rig.manager_that_signs(installation) as manager:
        rig.start_agent(
            children,
            folder,
            manager,
            node=NODE,
            identity={"join_token_file": token_file, "ca_file": installation.folder / "ca" / "ca.crt"},
        )
        await managers.until(lambda: rig.connected(manager, NODE), limit=_STARTS_WITHIN)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "pki").iterdir()}
        assert modes == {"agent.crt": 0o644, "agent.key": 0o600, "ca.crt": 0o644, "node.token": 0o600}
        assert stat.S_IMODE((folder / "pki").stat().st_mode) == 0o700
        certificate = x509.load_pem_x509_certificate((folder / "pki" / "agent.crt").read_bytes())
        left = certificate.not_valid_after_utc - clocks.SystemClock().now()
        assert datetime.timedelta(hours=23) < left <= datetime.timedelta(hours=24)
        async with rig.administrator(installation, manager) as (channel, metadata):
            nodes = cluster_pb2_grpc.ClusterServiceStub(channel)

            async def synced() -> bool:
                answer = await nodes.ListNodes(cluster_pb2.ListNodesRequest(), metadata=metadata)
                return [(one.name, one.state) for one in answer.nodes] == [(NODE, cluster_pb2.Node.SYNCED)]

            await managers.until(synced)
        [entry] = await manager.parts.store.list_audit(base.AuditFilter(action="agent.enroll"), limit=10)
        assert (entry.target, entry.address, entry.after) == (f"node/{NODE}", "127.0.0.1", {"proof": "join_token"})


async def test_an_agent_of_a_cluster_joins_with_its_pods_token(
    installation: managers.Installation, tmp_path: pathlib.Path, children: processes.Children
) -> None:
    cluster = rig.Cluster()
    cluster.tokens["projected"] = rig.PodToken(node=NODE)
    (tmp_path / "token").write_text("projected")
    (tmp_path / "cluster").mkdir()
    async with (
        cluster.running(tmp_path / "cluster") as kubeconfig,
        rig.manager_that_signs(installation, kubeconfig=kubeconfig) as manager,
    ):
        rig.start_agent(
            children,
            tmp_path / "agent",
            manager,
            node=NODE,
            identity={
                "service_account_token_file": tmp_path / "token",
                "ca_file": installation.folder / "ca" / "ca.crt",
            },
        )
        await managers.until(lambda: rig.connected(manager, NODE), limit=_STARTS_WITHIN)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.enroll(installation, manager, request(service_account_token="of another pod"))
        assert reason(refused.value) == "SERVICE_ACCOUNT_TOKEN_INVALID"
        # A key that was stolen ends with its certificate: here the cluster has a say in each renewal.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.renew(installation, manager, tmp_path / "agent" / "pki", "agent")
        assert reason(refused.value) == "PROOF_MISSING"


async def test_a_join_token_works_for_one_key(installation: managers.Installation) -> None:
    token = rig.join_token(installation, NODE)
    async with rig.manager_that_signs(installation) as manager:
        first = request(join_token=token)
        answer = await rig.enroll(installation, manager, first)
        again = await rig.enroll(installation, manager, first)  # its answer may have been lost
        assert answer.node == again.node == NODE
        for shown in (token, token[:-1] + "=", token + "="):  # Base64 can be written in more than one way
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await rig.enroll(installation, manager, request(join_token=shown))
            assert (refused.value.code(), reason(refused.value)) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "JOIN_TOKEN_INVALID",
            )


async def test_a_request_that_is_no_good_does_not_spend_the_token(installation: managers.Installation) -> None:
    token = rig.join_token(installation, NODE)
    async with rig.manager_that_signs(installation) as manager:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.enroll(installation, manager, enrollment_pb2.EnrollRequest(csr=b"none", join_token=token))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await rig.enroll(installation, manager, request(join_token=token))).node == NODE


async def test_other_tokens_and_no_proof_open_nothing(installation: managers.Installation) -> None:
    expired = rig.join_token(installation, NODE, lifetime=datetime.timedelta(seconds=-1))
    cases = {
        "JOIN_TOKEN_INVALID": [
            {"join_token": expired},
            {"join_token": "x.y.z"},
            {"join_token": ""},
            {"join_token": installation.node_token(NODE)},
        ],
        "PROOF_UNSUPPORTED": [{"service_account_token": "t"}],
        "PROOF_MISSING": [{}],
    }
    async with rig.manager_that_signs(installation) as manager:
        for expected, proofs in cases.items():
            for proof in proofs:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await rig.enroll(installation, manager, request(**proof))
                assert reason(refused.value) == expected, proof


async def test_where_agents_enrol_nothing_else_is_served(installation: managers.Installation) -> None:
    credentials = rig.tls.anonymous_channel_credentials(installation.folder / "pki" / "ca.crt")
    async with rig.manager_that_signs(installation) as manager:
        target = f"127.0.0.1:{manager.enrollment_port}"
        async with rig.channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await auth_pb2_grpc.AuthServiceStub(opened).Login(auth_pb2.LoginRequest(username="admin", password="x"))
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_certificate_renews_itself_and_a_gateways_does_not(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    installation.authority.issue_agent(NODE, tmp_path / "agent")
    installation.authority.issue("gateway", tmp_path / "gateway")
    async with rig.manager_that_signs(installation) as manager:
        answer = await rig.renew(installation, manager, tmp_path / "agent", "agent")
        assert answer.node == NODE
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.renew(installation, manager, tmp_path / "gateway", "gateway")
        assert reason(refused.value) == "PROOF_MISSING"


async def test_a_refused_node_gets_neither_certificate_nor_session(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    installation.authority.issue_agent(NODE, tmp_path / "agent")
    async with rig.manager_that_signs(installation, refused_nodes=(NODE,)) as manager:
        for attempt in (
            rig.renew(installation, manager, tmp_path / "agent", "agent"),
            rig.enroll(installation, manager, request(join_token=rig.join_token(installation, NODE))),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await attempt
            assert reason(refused.value) == "NODE_REFUSED"
        async with installation.agent(manager).connected() as reader:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await reader
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_was_issued_opens_a_session_of_that_node_only(installation: managers.Installation) -> None:
    async with rig.manager_that_signs(installation) as manager:
        asked = enrollment.new_request(node=NODE)
        answer = await rig.enroll(
            installation,
            manager,
            enrollment_pb2.EnrollRequest(csr=asked.csr, join_token=rig.join_token(installation, NODE)),
        )
        own, ca = x509.load_pem_x509_certificates(answer.certificate_chain.encode())
        folder = installation.folder / "agents" / NODE
        folder.mkdir(parents=True)
        (folder / "agent.key").write_bytes(asked.key)
        (folder / "agent.crt").write_bytes(pki.pem(own))
        (folder / "ca.crt").write_bytes(pki.pem(ca))
        agent = installation.agent(manager, token=answer.node_token)
        async with agent.connected():
            await managers.until(lambda: rig.connected(manager, NODE))
            await agent.say(session_pb2.StreamIntentsRequest(reauth={"token": answer.node_token}))
        for node, token in ((NODE, installation.node_token("node-2")), ("node-2", answer.node_token)):
            agent.token = token
            async with agent.connected(node=node) as reader:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await reader
                assert (refused.value.code(), reason(refused.value)) == (
                    grpc.StatusCode.PERMISSION_DENIED,
                    "NODE_MISMATCH",
                )


async def test_a_new_certificate_of_the_manager_ends_no_stream(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    installation.set_pods("web-1", node=NODE)
    async with rig.manager_that_signs(installation) as manager:
        await managers.add_admin(manager.parts.store)
        agent = installation.agent(manager)
        async with agent.connected():
            await managers.until(lambda: rig.connected(manager, NODE))
            installation.authority.issue("manager", installation.folder / "pki")
            installation.authority.issue_agent(NODE, tmp_path / "agent")
            assert (await rig.renew(installation, manager, tmp_path / "agent", "agent")).node == NODE
            await managers.put_strategy(manager.parts.store)
            await managers.until(lambda: agent.names == {"web-1"})


class PatientClock(clocks.SystemClock):
    """Tells the right time, and hands each wait to the test, which says when it is over."""

    def __init__(self) -> None:
        self.waits: asyncio.Queue[float] = asyncio.Queue()
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.waits.put_nowait(seconds)
        await self.over.wait()
        self.over.clear()


def an_agent(
    installation: managers.Installation, port: int, enrollment_port: int, folder: pathlib.Path, *, node: str = NODE
) -> agent_config.AgentConfig:
    return agent_config.AgentConfig(
        state_dir=folder,
        manager=agent_config.Manager(address=f"127.0.0.1:{port}", enrollment_address=f"127.0.0.1:{enrollment_port}"),
        identity=agent_config.Identity(
            join_token_file=folder.parent / "join.token", ca_file=installation.folder / "ca" / "ca.crt"
        ),
        node=agent_config.Node(name=node),
    )


async def test_at_half_its_life_a_certificate_is_renewed_with_a_new_key(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "join.token").write_text(rig.join_token(installation, NODE))
    clock = PatientClock()
    pki_folder = tmp_path / "agent" / "pki"
    async with rig.manager_that_signs(installation) as manager:
        config = an_agent(installation, manager.grpc_port, manager.enrollment_port, tmp_path / "agent")
        agent = agents.of_config(config, clock=clock)
        assert agent is not None
        await agent.obtain()
        (tmp_path / "join.token").unlink()  # it is needed no more
        before = {path.name: path.read_bytes() for path in pki_folder.iterdir()}
        running = asyncio.create_task(agent.run())
        assert 0.4 * 24 - 0.1 < (await clock.waits.get()) / 3600 < 0.6 * 24 + 0.1
        clock.over.set()
        assert 0.4 * 24 - 0.1 < (await clock.waits.get()) / 3600 < 0.6 * 24 + 0.1
        running.cancel()
        after = {path.name: path.read_bytes() for path in pki_folder.iterdir()}
        assert {name for name in before if before[name] != after[name]} == {"agent.crt", "agent.key", "node.token"}
        # A crash between both files: the next start brings together what belongs together.
        (pki_folder / "agent.key").rename(pki_folder / "agent.key.next")
        (pki_folder / "agent.key").write_bytes(before["agent.key"])
        restarted = agents.of_config(config, clock=clock)
        assert restarted is not None
        await restarted.obtain()
        assert {path.name: path.read_bytes() for path in pki_folder.iterdir()} == after


async def test_an_agent_waits_for_managers_and_takes_nothing_that_names_another_node(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "join.token").write_text(rig.join_token(installation, "node-2"))
    clock = PatientClock()
    async with rig.manager_that_signs(installation) as manager:
        config = an_agent(installation, manager.grpc_port, manager.enrollment_port, tmp_path / "agent")
        agent = agents.of_config(config, clock=clock)
        assert agent is not None
        obtaining = asyncio.create_task(agent.obtain())
        assert await clock.waits.get() <= 0.2
        assert [path.name for path in (tmp_path / "agent" / "pki").iterdir()] == ["agent.key.next"]
        (tmp_path / "join.token").write_text(rig.join_token(installation, NODE))
        clock.over.set()
        await obtaining
        assert (tmp_path / "agent" / "pki" / "agent.crt").exists()


async def test_agents_that_enrol_follow_a_rotation_of_the_authority(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    """With each renewal they learn whom to trust; the manager signs with whichever key it is given."""
    (tmp_path / "join.token").write_text(rig.join_token(installation, NODE))
    state = tmp_path / "carried"
    shutil.copytree(installation.folder / "ca", state / "ca")
    shutil.copytree(installation.folder / "pki", state / "manager" / "pki")
    clock = PatientClock()
    async with rig.manager_that_signs(installation) as manager:
        config = an_agent(installation, manager.grpc_port, manager.enrollment_port, tmp_path / "agent")
        agent = agents.of_config(config, clock=clock)
        assert agent is not None
        await agent.obtain()
        running = asyncio.create_task(agent.run())
        trusted = []
        for step in ("trust", "issue", "retire"):
            rotation.take(step, state)
            shutil.copytree(state / "ca", installation.folder / "ca", dirs_exist_ok=True)
            shutil.copytree(state / "manager" / "pki", installation.folder / "pki", dirs_exist_ok=True)
            await clock.waits.get()
            clock.over.set()
            await managers.until(lambda: not clock.waits.empty())
            trusted.append((tmp_path / "agent" / "pki" / "ca.crt").read_bytes().count(b"BEGIN"))
        running.cancel()
    assert trusted == [2, 2, 1]
    assert (tmp_path / "agent" / "pki" / "ca.crt").read_bytes() == (state / "ca" / "ca.crt").read_bytes()


async def test_without_the_authoritys_key_nobody_enrols(
    installation: managers.Installation, tmp_path: pathlib.Path
) -> None:
    async with rig.manager_that_signs(installation, ca_key=None) as manager:
        assert manager.enrollment_port == 0
    installation.authority.issue_agent(NODE, tmp_path / "agent")
    async with rig.manager_that_signs(installation) as manager:
        (installation.folder / "ca" / "ca.key").unlink()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.renew(installation, manager, tmp_path / "agent", "agent")
        assert reason(refused.value) == "ENROLLMENT_UNAVAILABLE"
        assert str(tmp_path) not in str(refused.value)
