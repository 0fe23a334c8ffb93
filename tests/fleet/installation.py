"""Real manager processes, their files, and fleets of agents: for tests with faults, and benchmarks."""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import yaml

from gthulhu.common import clock as clocks
from gthulhu.common.identity import pki, tls, tokens
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, strategy_pb2, strategy_pb2_grpc
from tests.fleet import agent as agents

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = (str(pathlib.Path(sys.executable).with_name("gthulhu")), "manager")
PASSWORD = "correct horse battery staple"
TRUST_DOMAIN = "gthulhu.local"


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until(condition: Callable[[], bool], *, seconds: float = 30.0, what: str = "", every: float = 0.02) -> None:
    """Return when the condition, looked at again and again, holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s: {what or condition}")
        time.sleep(every)


@dataclasses.dataclass(kw_only=True)
class Manager:
    """One `gthulhu manager`, which may be killed and started again on its ports."""

    folder: pathlib.Path
    pki: pathlib.Path
    port: int
    metrics_port: int
    program: Sequence[str] = PROGRAM
    host: str = "127.0.0.1"
    """Where it listens for agents."""
    process: "subprocess.Popen[bytes] | None" = None

    def spawn(self) -> None:
        """Start it; it is not ready when this returns."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.program,
                    *("-c", str(self.folder / "manager_config.toml"), "-d", str(self.folder)),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start it, and return when it serves."""
        self.spawn()
        self.await_ready()

    def await_ready(self) -> None:
        """Return when it has read store and inventory."""
        until(lambda: self.metric("synced") == 1, what=f"manager in {self.folder} is not ready")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def metrics(self) -> dict[str, float]:
        """Return every sample without labels by its name, less the prefix."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name.removeprefix("gthulhu_manager_"): float(value) for name, _, value in found}

    def metric(self, name: str) -> float:
        """Return one of them; -1 where nobody answers."""
        try:
            return self.metrics()[name]
        except OSError:
            return -1.0

    @property
    def rss(self) -> int:
        """Bytes that it has resident."""
        assert self.process is not None
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def target(self) -> str:
        """Where agents find it."""
        return f"127.0.0.1:{self.port}"


class Fleet:
    """A process of agents; see `process`."""

    def __init__(self, first: Mapping[str, Any], *, namespace: str = "") -> None:
        self._first = first
        self._program = [sys.executable, "-m", "tests.fleet.process", *([namespace] if namespace else [])]
        self._told = 0
        self.start()

    def start(self) -> None:
        """Start it, again where it was killed: its agents hold what they held."""
        self.process = subprocess.Popen(self._program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.order(self._first)

    def order(self, what: Mapping[str, Any]) -> None:
        """Send one line."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Return the next line."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the fleet's process has ended")
        return dict(json.loads(line))

    def tell(self, *, held: bool = False) -> dict[str, Any]:
        """Return how it is."""
        self._told += 1
        self.order({"tell": self._told, "held": held})
        while (answer := self.answer()).get("tell") != self._told:
            pass
        return answer

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


class Installation:
    """Keys, an inventory, managers and fleets, all below one folder."""

    def __init__(self, folder: pathlib.Path, *, distribution: Mapping[str, float] | None = None) -> None:
        """Make keys and certificates."""
        self.folder = folder
        self.pki = folder / "pki"
        self.inventory = folder / "inventory.yaml"
        self.managers: list[Manager] = []
        self.fleets: list[Fleet] = []
        self._distribution = distribution or {}
        self._authority = pki.Authority.create(folder / "ca", trust_domain=TRUST_DOMAIN)
        self._authority.issue("manager", self.pki)
        self._authority.issue("gateway", folder / "gateway")
        self._ring = tokens.KeyRing.load_or_create(self.pki / "jwt")

    def set_pods(self, pods: Mapping[str, Mapping[str, Any]], *, nodes: Sequence[str]) -> None:
        """Let the inventory hold these pods, by name."""
        content = {
            "nodes": [{"name": node} for node in nodes],
            "pods": [{"name": name, "namespace": "default", "uid": f"uid-{name}", **its} for name, its in pods.items()],
        }
        written = self.inventory.with_suffix(".new")
        written.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
        written.replace(self.inventory)

    def add_manager(self, *, store: str = "", **how: Any) -> Manager:  # noqa: ANN401 - Manager's fields
        """Return a manager that is not started; `store` is MongoDB's URI."""
        folder = self.folder / f"manager-{len(self.managers)}"
        folder.mkdir()
        made = Manager(folder=folder, pki=self.pki, port=free_port(), metrics_port=free_port(), **how)
        lines = [
            "[server]",
            f'grpc_address = "{made.host}:{made.port}"',
            f'metrics_address = "127.0.0.1:{made.metrics_port}"',
            "[logging]",
            'level = "warning"',
            "[inventory]",
            f'file = "{self.inventory}"',
            "[identity]",
            f'folder = "{self.pki}"',
            "[account]",
            f'admin_password = "{PASSWORD}"',
            "[distribution]",
            *(f"{key} = {value}" for key, value in self._distribution.items()),
            *(("[store]", f'uri = "{store}"') if store else ()),
        ]
        (folder / "manager_config.toml").write_text("\n".join(lines) + "\n")
        self.managers.append(made)
        return made

    def add_fleet(
        self,
        nodes: Sequence[str],
        *,
        targets: Sequence[str] = (),
        record: pathlib.Path | None = None,
        namespace: str = "",
    ) -> Fleet:
        """Start agents of these nodes."""
        made = Fleet(
            {
                "targets": targets or [one.target for one in self.managers],
                "record": str(record) if record else None,
                "agents": [self._agent(node) for node in nodes],
            },
            namespace=namespace,
        )
        self.fleets.append(made)
        return made

    def identity(self, node: str) -> agents.Identity:
        """Return what a node's agent shows."""
        its = self._agent(node)
        return agents.Identity(node=node, folder=pathlib.Path(its["folder"]), token=its["token"])

    def user(self, manager: Manager) -> "User":
        """Log in as the administrator."""
        return User(self.folder / "gateway", manager)

    def close(self) -> None:
        """End every process."""
        for one in self.fleets:
            one.kill()
        for manager in self.managers:
            manager.signal(signal.SIGCONT)
            manager.kill()

    def _agent(self, node: str) -> dict[str, str]:
        folder = self.folder / "agents" / node
        if not folder.exists():
            self._authority.issue_agent(node, folder)
        token = self._ring.issue(
            subject=node,
            audience="gthulhu-manager",
            kind="node",
            lifetime=datetime.timedelta(hours=12),
            now=clocks.SystemClock().now() - datetime.timedelta(seconds=5),
        )
        return {"node": node, "folder": str(folder), "token": token}


class User:
    """Calls a manager as the gateway does for the administrator."""

    def __init__(self, folder: pathlib.Path, manager: Manager) -> None:
        credentials = tls.channel_credentials(folder / "gateway.crt", folder / "gateway.key", folder / "ca.crt")
        self.channel = grpc.secure_channel(
            manager.target,
            credentials,
            options=[
                ("grpc.ssl_target_name_override", agents.SERVER_NAME),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        answer = auth_pb2_grpc.AuthServiceStub(self.channel).Login(
            auth_pb2.LoginRequest(username="admin", password=PASSWORD), timeout=20, wait_for_ready=True
        )
        self.call = {"metadata": (("authorization", f"Bearer {answer.token}"),), "timeout": 20}
        self.strategies = strategy_pb2_grpc.StrategyServiceStub(self.channel)

    def put(self, *, name: str, labels: Mapping[str, str], mark: int, strategy_id: str = "") -> str:
        """Create a strategy, or change the one with this id; the mark (nanoseconds) tells versions apart."""
        fields: dict[str, Any] = {
            "name": name,
            "label_selectors": [strategy_pb2.LabelSelector(key=key, value=value) for key, value in labels.items()],
            "priority": 3,
            "execution_time": mark,
        }
        if strategy_id:
            request = strategy_pb2.UpdateStrategyRequest(strategy_id=strategy_id, **fields)
            return str(self.strategies.UpdateStrategy(request, **self.call).id)
        strategy = strategy_pb2.ScheduleStrategy(**fields)
        return str(
            self.strategies.CreateStrategy(strategy_pb2.CreateStrategyRequest(strategy=strategy), **self.call).id
        )

    def delete(self, strategy_id: str) -> None:
        """Remove a strategy."""
        self.strategies.DeleteStrategy(strategy_pb2.DeleteStrategyRequest(strategy_id=strategy_id), **self.call)

    def close(self) -> None:
        """Disconnect."""
        self.channel.close()


@contextlib.contextmanager
def installed(folder: pathlib.Path, *, distribution: Mapping[str, float] | None = None) -> Iterator[Installation]:
    """Make an installation, and end whatever it runs."""
    made = Installation(folder, distribution=distribution)
    try:
        yield made
    finally:
        made.close()
