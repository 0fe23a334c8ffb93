"""Manager, agents and gateway as separate processes on this machine, connected exactly as in production."""

import dataclasses
import pathlib
import socket

from gthulhu.cli import pki, settings
from gthulhu.cli.local import children as processes
from gthulhu.cli.local import toml

TRUST_DOMAIN = "gthulhu.local"
LOOPBACK = "127.0.0.1"
READY_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """One agent to run."""

    node: str
    cgroup_root: str = "/sys/fs/cgroup"
    kubepods: tuple[str, ...] = ("kubepods.slice", "kubepods")
    enforcer: str = "auto"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A system to run."""

    state: pathlib.Path
    inventory: pathlib.Path
    agents: tuple[AgentPlan, ...]
    listen: str
    """host:port of the REST gateway."""
    grpc_port: int
    admin_password_file: pathlib.Path | None = None
    """None: the manager makes one up, and prints it once."""
    manager_metrics_port: int = 0
    """0: made up by the kernel."""
    reflection: bool = False

    @property
    def url(self) -> str:
        """Where the REST gateway is reached from here."""
        host, _, port = self.listen.rpartition(":")
        return f"http://{host if host not in {'', '0.0.0.0'} else LOOPBACK}:{port}"  # noqa: S104 - compared with, not bound to


def free_ports(count: int) -> list[int]:
    """Return TCP ports on loopback that are free now."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def prepare(plan: Plan) -> None:
    """Make what is missing of keys and certificates, and write every part's configuration."""
    if not pki.initialised(plan.state):
        pki.initialise(plan.state, trust_domain=TRUST_DOMAIN)
    (plan.state / "manager" / f"{settings.MANAGER_FILE}.toml").write_text(_manager_toml(plan))
    for agent, port in zip(plan.agents, free_ports(len(plan.agents)), strict=True):
        folder = pki.agent_folder(plan.state, agent.node)
        if not (folder / "pki" / "node.token").exists():
            pki.add_agent(plan.state, agent.node)
        (folder / f"{settings.AGENT_FILE}.toml").write_text(_agent_toml(plan, agent, port))


def start_manager(plan: Plan, children: processes.Children) -> processes.Child:
    """Start the manager."""
    return children.start("manager", ["manager", "-d", str(plan.state / "manager")])


def start_agent(plan: Plan, children: processes.Children, agent: AgentPlan) -> processes.Child:
    """Start one agent."""
    return children.start(f"agent-{agent.node}", ["agent", "-d", str(pki.agent_folder(plan.state, agent.node))])


def start_gateway(plan: Plan, children: processes.Children) -> processes.Child:
    """Start the gateway."""
    folder = plan.state / "gateway"
    config = plan.state / "manager" / f"{settings.MANAGER_FILE}.toml"
    upstream = f"{LOOPBACK}:{plan.grpc_port}"
    return children.start("gateway", ["gateway", "run", "-c", str(config), "-d", str(folder), "--upstream", upstream])


def start(plan: Plan, children: processes.Children) -> None:
    """Start everything; the parts find each other in any order."""
    prepare(plan)
    start_manager(plan, children)
    start_gateway(plan, children)
    for agent in plan.agents:
        start_agent(plan, children, agent)


def _manager_toml(plan: Plan) -> str:
    account = {"admin_password_file": str(plan.admin_password_file)} if plan.admin_password_file else {}
    return toml.dumps(
        {
            "server": {
                "host": plan.listen,
                "grpc_address": f"{LOOPBACK}:{plan.grpc_port}",
                "metrics_address": f"{LOOPBACK}:{plan.manager_metrics_port}",
                "reflection": plan.reflection,
            },
            "logging": {"format": "text"},
            "inventory": {"file": str(plan.inventory)},
            "identity": {"trust_domain": TRUST_DOMAIN},
            **({"account": account} if account else {}),
        }
    )


def _agent_toml(plan: Plan, agent: AgentPlan, port: int) -> str:
    return toml.dumps(
        {
            "server": {
                "grpc_address": f"{LOOPBACK}:{port}",
                "advertise_address": f"{LOOPBACK}:{port}",
                "metrics_address": f"{LOOPBACK}:0",
            },
            "logging": {"format": "text"},
            "manager": {"address": f"{LOOPBACK}:{plan.grpc_port}"},
            "identity": {"trust_domain": TRUST_DOMAIN},
            "node": {"name": agent.node, "cgroup_root": agent.cgroup_root, "kubepods": list(agent.kubepods)},
            "enforcement": {"enforcer": agent.enforcer, "restore_on_exit": True},
        }
    )
