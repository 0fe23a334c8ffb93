"""A whole installation: manager, agent and Envoy as processes, two competing processes in real cgroups."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gthulhu.cli.demo import cgroups, workload
from gthulhu.cli.local import children as processes
from gthulhu.cli.local import rest, system

NODE = "e2e-node"
PASSWORD = "a-password-of-these-tests"
SECONDS = 10.0

Command = Callable[..., subprocess.CompletedProcess[str]]


@dataclasses.dataclass
class Installation:
    """A running system, and what its tests ask of it."""

    plan: system.Plan
    children: processes.Children
    parts: dict[str, processes.Child]
    tree: cgroups.PodTree
    pods: tuple[workload.DemoPod, ...]
    untouched: list[int]
    """The pods' CPU weights before any strategy."""
    token: str = ""

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | bytes | None = None,
        *,
        token: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of a call over REST, with the administrator's token unless another is given."""
        request = urllib.request.Request(  # noqa: S310 - our own gateway's URL
            self.plan.url + path,
            method=method,
            data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {self.token if token is None else token}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def login(self, password: str) -> tuple[int, dict[str, Any]]:
        """Log the administrator in; returns status and JSON."""
        return self.request("POST", "/api/v1/auth/login", {"username": "admin", "password": password}, token="")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition holds."""
        self.children.await_ready(condition, what=what, seconds=SECONDS, interval=0.02)

    def node(self) -> dict[str, Any]:
        """Return the node as the manager shows it; with the state UNKNOWN while nobody can be asked."""
        try:
            status, answer = self.request("GET", "/api/v1/nodes")
        except OSError:
            return {"state": "UNKNOWN"}
        nodes = answer["data"]["nodes"] if status == 200 else []
        return next((one for one in nodes if one["name"] == NODE), {"state": "UNKNOWN"})

    def intents(self, strategy: str) -> list[dict[str, Any]]:
        """Return a strategy's intents."""
        return self.request("GET", f"/api/v1/intents?strategy={strategy}")[1]["data"]["intents"]

    def weights(self) -> list[int]:
        """Return the pods' CPU weights as the kernel has them."""
        return [self.tree.weight(pod.uid) for pod in self.pods]

    def counter(self, name: str) -> int:
        """Return one of the manager's counters."""
        url = f"http://127.0.0.1:{self.plan.manager_metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            found = re.search(rf"^gthulhu_manager_{name}_total (\S+)$", answer.read().decode(), re.MULTILINE)
        assert found, name
        return int(float(found[1]))

    def kill(self, part: str) -> None:
        """End a part without any chance to do something about it."""
        child = self.parts.pop(part)
        os.kill(child.process.pid, signal.SIGKILL)
        self.children.stop(child)

    def start(self, part: str) -> None:
        """Start a part (again)."""
        starters = {"manager": system.start_manager, "gateway": system.start_gateway}
        if part == "agent":
            self.parts[part] = system.start_agent(self.plan, self.children, self.plan.agents[0])
        else:
            self.parts[part] = starters[part](self.plan, self.children)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start everything, log in, and stop it after the module's tests."""
    state = tmp_path_factory.mktemp("state")
    with contextlib.ExitStack() as stack:
        try:
            tree = stack.enter_context(cgroups.PodTree(hierarchy=cgroups.find()))
        except cgroups.CgroupError as error:
            pytest.skip(error.message)
        pods = stack.enter_context(workload.competing(tree))
        plan = _plan(state, tree, pods)
        children = stack.enter_context(processes.Children(logs=state / "logs"))
        system.prepare(plan)
        untouched = [tree.weight(pod.uid) for pod in pods]
        running = Installation(plan=plan, children=children, parts={}, tree=tree, pods=pods, untouched=untouched)
        for part in ("manager", "agent", "gateway"):
            running.start(part)
        running.wait(rest.Api(plan.url).healthy, "the manager was not healthy")
        running.token = running.login(PASSWORD)[1]["data"]["accessToken"]
        running.wait(lambda: running.node()["state"] == "SYNCED", "the agent had no session")
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the user's folder."""
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def gthulhu(installation: Installation, folder: pathlib.Path) -> Command:
    """Return what runs a command in the user's folder as the administrator, who is logged in."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gthulhu", *arguments],
            cwd=folder,
            env={**os.environ, "XDG_CONFIG_HOME": str(folder / ".config")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    (folder / "password").write_text(PASSWORD)
    login = run("login", "--server", installation.plan.url, "-u", "admin", "--password-file", "password")
    assert login.returncode == 0, login.stderr
    return run


def _plan(state: pathlib.Path, tree: cgroups.PodTree, pods: tuple[workload.DemoPod, ...]) -> system.Plan:
    (state / "inventory.yaml").write_text(workload.inventory(NODE, pods))
    (state / "password").write_text(PASSWORD)
    rest_port, grpc_port, metrics_port = system.free_ports(3)
    return system.Plan(
        state=state,
        inventory=state / "inventory.yaml",
        agents=(system.AgentPlan(node=NODE, kubepods=(tree.kubepods,)),),
        listen=f"127.0.0.1:{rest_port}",
        grpc_port=grpc_port,
        manager_metrics_port=metrics_port,
        admin_password_file=state / "password",
        reflection=True,
    )
