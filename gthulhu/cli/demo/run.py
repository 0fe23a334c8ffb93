"""The demo itself: start a system, write a strategy over REST, watch what the kernel makes of it, remove everything."""

import contextlib
import pathlib
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import rich.console

from gthulhu.cli.demo import cgroups, show, workload
from gthulhu.cli.local import children as processes
from gthulhu.cli.local import rest, system

NODE = "demo-node"
SEEN, NOT_SEEN, OBSERVED, INTERRUPTED = 0, 1, 3, 130
"""Exit codes."""
PHASE_SECONDS = 3.0
KERNEL_SECONDS = 5.0
"""A strategy is in force within a second; this is when the demo stops waiting."""
STRATEGY = {
    "name": "demo-web-first",
    "labelSelectors": [{"key": "app", "value": "web"}],
    "k8sNamespace": [workload.NAMESPACE],
    "priority": 3,
    "executionTime": 20_000_000,
}
KERNEL_POLL_SECONDS = 0.001


def run() -> int:
    """Run the demo; returns the exit code."""
    console = rich.console.Console()
    with processes.interruptible():
        try:
            return _run(console)
        except (processes.ChildError, rest.RestError, cgroups.CgroupError) as error:
            print(f"demo: {error}", file=sys.stderr)
            return NOT_SEEN
        except KeyboardInterrupt:
            print("demo: interrupted; everything is removed", file=sys.stderr)
            return INTERRUPTED


def _run(console: rich.console.Console) -> int:
    with contextlib.ExitStack() as stack:
        state = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gthulhu-demo-")))
        tree, real = _tree(stack, state)
        pods = stack.enter_context(workload.competing(tree))
        result = _show(stack, console=console, state=state, tree=tree, pods=pods, real=real)
    print(result.line())
    if result.enforcer == "observe":
        return OBSERVED
    for missing in result.missing():
        print(f"demo: the effect was not seen: {missing}", file=sys.stderr)
    return NOT_SEEN if result.missing() else SEEN


def _tree(stack: contextlib.ExitStack, state: pathlib.Path) -> tuple[cgroups.PodTree, bool]:
    """Make the cgroups: the kernel's where that is allowed, else an imitation that the agent can only observe."""
    try:
        return stack.enter_context(cgroups.PodTree(hierarchy=cgroups.find())), True
    except cgroups.CgroupError as error:
        print(f"demo: {error.message}: observe mode, decisions are made but the kernel is left alone", file=sys.stderr)
        hierarchy = cgroups.simulated(state / "cgroups")
        return stack.enter_context(cgroups.PodTree(hierarchy=hierarchy, real=False)), False


def _show(
    stack: contextlib.ExitStack,
    *,
    console: rich.console.Console,
    state: pathlib.Path,
    tree: cgroups.PodTree,
    pods: tuple[workload.DemoPod, ...],
    real: bool,
) -> show.Result:
    password = secrets.token_urlsafe(18)
    plan = _plan(state, tree=tree, pods=pods, real=real, password=password)
    children = stack.enter_context(processes.Children(logs=state / "logs"))
    with console.status("starting manager, agent and gateway"):
        api, node = _start(plan, children, password=password)
    if real and node["enforcer"] == "observe":
        print(f"demo: observe mode: {node['enforcerReason']}", file=sys.stderr)
    display = show.Display(pods, console=console)
    before = display.measure("before", seconds=PHASE_SECONDS)
    original = tree.weight(pods[0].uid)

    posted = time.monotonic()
    strategy = api.call("POST", "/api/v1/strategies", STRATEGY)
    seconds = _in_force(
        children,
        api=api,
        strategy=strategy["id"],
        changed=lambda: tree.weight(pods[0].uid) != original,
        pod_weight="pod-weight" in node["levers"],
        since=posted,
    )
    console.print(
        f"POST /api/v1/strategies: {strategy['name']}, priority {strategy['priority']}; "
        f"enforcer {node['enforcer']}, after {1000 * seconds:.0f} ms",
        soft_wrap=True,
    )
    during = display.measure("during", seconds=PHASE_SECONDS)

    api.call("DELETE", "/api/v1/strategies", {"strategyId": strategy["id"]})
    children.await_ready(
        lambda: tree.weight(pods[0].uid) == original,
        what=f"the pod's weight was not {original} again",
        seconds=KERNEL_SECONDS,
    )
    after = display.measure("after", seconds=PHASE_SECONDS)
    console.print(display.table())
    return show.Result(
        before=before,
        during=during,
        after=after,
        enforcer=node["enforcer"],
        strategy_to_kernel_ms=None if node["enforcer"] == "observe" else 1000 * seconds,
    )


def _plan(
    state: pathlib.Path, *, tree: cgroups.PodTree, pods: tuple[workload.DemoPod, ...], real: bool, password: str
) -> system.Plan:
    password_file = state / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    inventory = state / "inventory.yaml"
    inventory.write_text(workload.inventory(NODE, pods))
    rest_port, grpc_port = system.free_ports(2)
    agent = system.AgentPlan(
        node=NODE,
        cgroup_root=str(cgroups.ROOT if real else state / "cgroups"),
        kubepods=(tree.kubepods,),
        enforcer="auto" if real else "observe",
    )
    return system.Plan(
        state=state,
        inventory=inventory,
        agents=(agent,),
        listen=f"{system.LOOPBACK}:{rest_port}",
        grpc_port=grpc_port,
        admin_password_file=password_file,
    )


def _start(plan: system.Plan, children: processes.Children, *, password: str) -> tuple[rest.Api, dict[str, Any]]:
    """Start everything; returns the API, logged in, and the node as it shows it, when its agent has a session."""
    system.start(plan, children)
    api = rest.Api(plan.url)
    children.await_ready(api.healthy, what="the manager was not healthy", seconds=system.READY_SECONDS)
    api.login(username="admin", password=password)

    def node() -> dict[str, Any]:
        return next(one for one in api.call("GET", "/api/v1/nodes")["nodes"] if one["name"] == NODE)

    children.await_ready(
        lambda: node()["state"] == "SYNCED", what="the agent had no session", seconds=system.READY_SECONDS
    )
    return api, node()


def _in_force(
    children: processes.Children,
    *,
    api: rest.Api,
    strategy: str,
    changed: Callable[[], bool],
    pod_weight: bool,
    since: float,
) -> float:
    """Return how many seconds after `since` the node had done with the strategy what it can.

    Args:
        children: The running parts.
        api: Logged in.
        strategy: Its id.
        changed: Asks the kernel itself whether the pod has another weight.
        pod_weight: Whether the enforcer changes that; what another one has done the agent reports.
        since: `time.monotonic` when the strategy was posted.
    """

    def reported() -> bool:
        intents = api.call("GET", f"/api/v1/intents?strategy={strategy}")["intents"]
        return bool(intents) and not {intent["state"] for intent in intents} & {"PENDING", "SENT"}

    children.await_ready(
        changed if pod_weight else reported,
        what="the strategy was not in force",
        seconds=KERNEL_SECONDS,
        interval=KERNEL_POLL_SECONDS,
    )
    return time.monotonic() - since
