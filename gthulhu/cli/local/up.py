"""`gthulhu up`: a whole system in the foreground."""

import pathlib
import socket
import sys

import yaml

from gthulhu.cli.demo import cgroups
from gthulhu.cli.local import children as processes
from gthulhu.cli.local import rest, system

_INVENTORY = """\
# Stands in for a cluster; read again whenever it changes. A pod looks like this, its UID as in its cgroup's name:
# pods:
#   - {name: web-0, namespace: prod, uid: 0b9e…, node: NODE, labels: {app: web}, qosClass: Burstable, phase: Running}
"""


def run(*, state: pathlib.Path, nodes: int, listen: str, inventory: pathlib.Path | None) -> int:
    """Run manager, agents and gateway until Ctrl-C; returns the exit code."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = [socket.gethostname(), *(f"simulated-{number}" for number in range(1, nodes))]
    plan = system.Plan(
        state=state,
        inventory=inventory.absolute() if inventory else _inventory(state, names),
        agents=(system.AgentPlan(node=names[0]), *(_simulated(state, name) for name in names[1:])),
        listen=listen,
        grpc_port=system.free_ports(1)[0],
        reflection=True,
    )
    try:
        with processes.interruptible(), processes.Children(logs=state / "logs") as children:
            system.start(plan, children)
            children.await_ready(
                rest.Api(plan.url).healthy, what="the manager was not healthy", seconds=system.READY_SECONDS
            )
            print(_welcome(plan, children), flush=True)
            children.wait()
            children.check()
    except processes.ChildError as error:
        print(f"up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped")
    return 0


def _welcome(plan: system.Plan, children: processes.Children) -> str:
    """Return what to do next; with what the manager printed on its first start, which is then removed."""
    output = children.printed("manager")
    first = output.read_text()
    output.unlink()
    lines = [
        *first.splitlines(),
        f"REST      {plan.url}/api/v1",
        f"Swagger   {plan.url}/swagger/index.html",
        f"web       {plan.url}/",
        f"pods      {plan.inventory}",
        f"logs      {plan.state / 'logs'}",
        f"next      gthulhu login --server {plan.url} --username admin",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _simulated(state: pathlib.Path, node: str) -> system.AgentPlan:
    """Return an agent that sees no pods of this machine and changes nothing."""
    root = state / "simulated" / node
    cgroups.simulated(root)
    return system.AgentPlan(node=node, cgroup_root=str(root), enforcer="observe")


def _inventory(state: pathlib.Path, names: list[str]) -> pathlib.Path:
    path = state / "inventory.yaml"
    present = yaml.safe_load(path.read_text()) if path.exists() else None
    known = {node["name"] for node in (present or {}).get("nodes", [])}
    if present is None or not known.issuperset(names):
        content = {**(present or {}), "nodes": [{"name": name} for name in sorted(known.union(names))]}
        path.write_text(_INVENTORY + yaml.safe_dump(content, sort_keys=False))
    return path
