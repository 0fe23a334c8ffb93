"""The manifests' containers at work on this machine: with their users, capabilities, read-only roots and mounts."""

import asyncio
import contextlib
import dataclasses
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gthulhu.agent import config as configs
from gthulhu.agent.discovery import node as discovering
from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.enforcement import base, probe
from gthulhu.common import clock as clocks
from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, strategy_pb2, strategy_pb2_grpc
from tests.integration.identity import rig
from tests.integration.inventory import apiserver
from tests.kernel.agent import conftest as machine
from tests.kernel.deploy import cluster as clusters
from tests.kernel.deploy import container

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

ROOT = pathlib.Path(__file__).parents[3]
NAMESPACE = "gthulhu-system"
LIMIT = 60.0
HEAVIER = round(1024 * 2 ** ((10 - 3) / 2.5))


def objects(overlay: str = "base") -> dict[tuple[str, str], Any]:
    kubectl = pathlib.Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [str(kubectl), "kustomize", str(ROOT / "deploy" / "kubernetes" / overlay)],
        check=True,
        capture_output=True,
        text=True,
    )
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(condition: Callable[[], Awaitable[bool]], *, limit: float = LIMIT) -> None:
    async with asyncio.timeout(limit):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


@dataclasses.dataclass
class Installation:
    """A namespace in which the Job has run."""

    cluster: clusters.Cluster
    folder: pathlib.Path
    kubeconfig: pathlib.Path
    ports: Mapping[str, int]
    job: container.Container = dataclasses.field(init=False)
    """As it has run."""

    def container(
        self,
        kind: str,
        name: str,
        *,
        volumes: Mapping[str, pathlib.Path] | None = None,
        overrides: Mapping[str, str | None] | None = None,
        tokens: Mapping[str, str] | None = None,
    ) -> container.Container:
        """Return a container as it stands in the base, with volumes made of what the cluster holds."""
        pod = objects()[kind, name]["spec"]["template"]["spec"]
        made = dict(volumes or {})
        for volume in pod["volumes"]:
            if volume["name"] not in made and ("secret" in volume or "projected" in volume):
                made[volume["name"]] = self.cluster.volume(volume, self.folder / name / volume["name"], tokens=tokens)
        return container.Container(
            pod=pod,
            volumes=made,
            scratch=self.folder / f"{name}-container",
            fields={"spec.nodeName": "node-1", "status.podIP": "127.0.0.1"},
            overrides={**self.cluster.environment(self.kubeconfig), **(overrides or {})},
            account=self.cluster.account(self.kubeconfig, self.folder / f"{name}-account"),
        )

    def secret(self, name: str, key: str) -> bytes:
        return clusters.base64.b64decode(self.cluster.secrets[name]["data"][key])

    @contextlib.asynccontextmanager
    async def manager(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the manager's container, on ports of its own and the embedded store."""
        overrides = {
            "GTHULHU_MANAGER_STORE__URI_FILE": None,
            "GTHULHU_MANAGER_SERVER__GRPC_ADDRESS": f"127.0.0.1:{self.ports['grpc']}",
            "GTHULHU_MANAGER_SERVER__ENROLLMENT_ADDRESS": f"127.0.0.1:{self.ports['enrollment']}",
            "GTHULHU_MANAGER_SERVER__METRICS_ADDRESS": "127.0.0.1:0",
            "GTHULHU_MANAGER_SERVER__HEALTH_ADDRESS": f"127.0.0.1:{self.ports['health']}",
        }
        made = self.container("Deployment", "gthulhu-manager", overrides=overrides)
        async with made.running() as process:
            await until(lambda: serving(self.ports["health"]))
            yield process

    @contextlib.asynccontextmanager
    async def administrator(self) -> AsyncIterator[tuple[grpc.aio.Channel, tuple[tuple[str, str], ...]]]:
        """Yield a channel with the gateway's identity, and the metadata of the administrator's calls."""
        folder = self.folder / "gateway"
        folder.mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (folder / name).write_bytes(self.secret("gthulhu-gateway-tls", name))
        credentials = tls.channel_credentials(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")
        target = f"127.0.0.1:{self.ports['grpc']}"
        async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
            password = self.secret("gthulhu-admin", "password").decode()
            login = await auth_pb2_grpc.AuthServiceStub(opened).Login(
                auth_pb2.LoginRequest(username="admin", password=password)
            )
            yield opened, (("authorization", f"Bearer {login.access_token}"),)


async def serving(port: int, service: str = "") -> bool:
    """Ask as a kubelet does: without TLS."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2)
        except grpc.aio.AioRpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
async def installation(tmp_path: pathlib.Path) -> AsyncIterator[Installation]:
    cluster = clusters.Cluster(namespace=NAMESPACE)
    async with cluster.running(tmp_path / "cluster") as kubeconfig:
        ports = {name: free_port() for name in ("grpc", "enrollment", "health", "agent", "agent-health")}
        made = Installation(cluster, tmp_path, kubeconfig, ports)
        made.job = made.container("Job", "gthulhu-pki")
        assert "gthulhu-ca: made" in await made.job.output()
        yield made


async def test_the_job_does_what_its_role_allows_and_nothing_when_run_again(
    installation: Installation, tmp_path: pathlib.Path
) -> None:
    role = objects()["Role", "gthulhu-pki"]
    named = {name for rule in role["rules"] for name in rule.get("resourceNames", ())}
    assert set(installation.cluster.secrets) == named
    assert {name for _, name in installation.cluster.asked} <= named
    assert {verb for verb, _ in installation.cluster.asked} <= {
        verb for rule in role["rules"] for verb in rule["verbs"]
    }
    before = dict(installation.cluster.secrets)
    again = dataclasses.replace(installation.job, scratch=tmp_path / "again")
    assert await again.output() == ""
    assert installation.cluster.secrets == before


async def test_an_agent_enrols_and_enforces_a_decision_with_its_capabilities_and_no_others(
    installation: Installation, node: machine.Node, tmp_path: pathlib.Path
) -> None:
    pod = machine.Pod(node=node)
    pod.start(THREADS)
    seen = apiserver.a_pod("web-1", uid=pod.uid, labels={"app": "web"})
    await installation.cluster.api.put(
        "pods", pod.uid, {**seen, "status": {**seen["status"], "qosClass": "Guaranteed"}}
    )
    await installation.cluster.api.put("nodes", "node-1", apiserver.a_node("node-1"))
    installation.cluster.tokens["projected"] = rig.PodToken(node="node-1")
    state = tmp_path / "host-state"
    state.mkdir()
    agent = installation.container(
        "DaemonSet",
        "gthulhu-agent",
        volumes={"cgroup": pathlib.Path("/sys/fs/cgroup"), "state": state},
        overrides={
            "GTHULHU_AGENT_MANAGER__ADDRESS": f"127.0.0.1:{installation.ports['grpc']}",
            "GTHULHU_AGENT_MANAGER__ENROLLMENT_ADDRESS": f"127.0.0.1:{installation.ports['enrollment']}",
            "GTHULHU_AGENT_SERVER__GRPC_ADDRESS": f"127.0.0.1:{installation.ports['agent']}",
            "GTHULHU_AGENT_SERVER__HEALTH_ADDRESS": f"127.0.0.1:{installation.ports['agent-health']}",
            "GTHULHU_AGENT_SERVER__METRICS_ADDRESS": "127.0.0.1:0",
            "GTHULHU_AGENT_NODE__KUBEPODS": f'["{node.kubepods}"]',
        },
        tokens={"gthulhu-manager": "projected"},
    )
    async with installation.manager(), agent.running() as process, installation.administrator() as (opened, metadata):
        await until(lambda: serving(installation.ports["agent-health"]))
        assert capabilities(process.pid) == "0000000000800000"  # CAP_SYS_NICE
        wanted = strategy_pb2.ScheduleStrategy(name="web", priority=3, execution_time=20_000_000)
        wanted.label_selectors.add(key="app", value="web")
        stub = strategy_pb2_grpc.StrategyServiceStub(opened)
        made = await stub.CreateStrategy(strategy_pb2.CreateStrategyRequest(strategy=wanted), metadata=metadata)
        await until(lambda: holds(lambda: pod.weight() == HEAVIER))
        await stub.DeleteStrategy(strategy_pb2.DeleteStrategyRequest(strategy_id=made.id), metadata=metadata)
        await until(lambda: holds(lambda: pod.weight() == 1024))
    assert {path.name for path in (state / "agent" / "pki").iterdir()} >= {"agent.crt", "agent.key", "node.token"}
    assert "Traceback" not in (agent.scratch / "log").read_text()


async def test_a_node_is_put_back_and_nothing_is_left_on_it(node: machine.Node, tmp_path: pathlib.Path) -> None:
    pod = machine.Pod(node=node)
    pod.start(THREADS)
    state = tmp_path / "host-state"
    left_behind(pod, state=state / "agent")
    assert pod.weight() == HEAVIER
    removing = container.Container(
        pod=objects("remove")["DaemonSet", "gthulhu-remove"]["spec"]["template"]["spec"],
        volumes={"cgroup": pathlib.Path("/sys/fs/cgroup"), "state": state},
        scratch=tmp_path / "restore",
        overrides={"GTHULHU_AGENT_NODE__KUBEPODS": f'["{node.kubepods}"]'},
        name="restore",
    )
    assert "1 pods put back" in await removing.output()
    assert pod.weight() == 1024
    async with dataclasses.replace(removing, scratch=tmp_path / "forget", name="forget").running() as process:
        assert process.stdout
        assert (await process.stdout.readline()).startswith(b"nothing of Gthulhu is left")
    assert list(state.iterdir()) == []


def left_behind(pod: machine.Pod, *, state: pathlib.Path) -> None:
    """Enforce on a pod, and go without a word, as an agent does that is killed."""
    state.mkdir(parents=True)
    config = configs.AgentConfig(
        state_dir=state, node=configs.Node(kubepods=(pod.node.kubepods,), process_events="none")
    )
    found = discovering.from_config(config).pod(pod.uid)
    assert found is not None
    decided = {
        one.key: decisions.Decision(
            process=one.key,
            pod_uid=pod.uid,
            container_id=one.container_id,
            intent_id="i",
            strategy_id="s",
            priority=3,
            execution_time_ns=0,
            threads=one.threads,
        )
        for one in found.processes
    }
    enforcer = probe.choose_enforcer(config, clock=clocks.SystemClock())
    enforcer.apply([base.PodTarget(pod=found, decisions=decided)])
    enforcer.close()


async def test_a_manager_is_alive_before_it_can_serve(installation: Installation) -> None:
    async with installation.manager() as process:
        assert await serving(installation.ports["health"], "live")
        assert not await serving(installation.ports["grpc"])  # without a certificate nothing but health is to be had
        assert capabilities(process.pid) == "0000000000000000"


async def test_roots_are_read_only_but_for_what_is_mounted(installation: Installation) -> None:
    for made in (installation.job, installation.container("Deployment", "gthulhu-manager")):
        writable = {one["name"] for one in made.pod["volumes"] if "emptyDir" in one}
        for mount in made.spec["volumeMounts"]:
            name = f"{made.spec['name']}-{mount['name']}"
            probing = dataclasses.replace(made, scratch=installation.folder / f"probe-{name}")
            async with probing.running("sh", "-c", PROBE.format(folder=mount["mountPath"])) as run:
                assert run.stdout
                written = (await run.stdout.read()).decode().split()
            assert written == (["mounted"] if mount["name"] in writable else []), name


PROBE = "touch {folder}/x && echo mounted; touch /x && echo root; touch /opt/x && echo opt"
THREADS = "print('up', flush=True)\nimport sys\nsys.stdin.read()"


async def holds(condition: Callable[[], bool]) -> bool:
    return condition()


def capabilities(pid: int) -> str:
    """Return the effective capabilities, of a process that has begun as something else."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (bounding,) = re.findall(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE)
    (effective,) = re.findall(r"^CapEff:\s+(\w+)$", status, re.MULTILINE)
    assert effective == bounding
    return str(effective)
