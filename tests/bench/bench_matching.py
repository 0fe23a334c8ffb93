"""Matching: what one change costs, beside a plain look at everything that gives the same answer."""

import dataclasses
import datetime
import gc
import json
import pathlib
import resource
import statistics
import sys
import time
from collections.abc import Callable

from gthulhu.common import clock
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, matching, scope
from gthulhu.manager.domain.pod import Node, Pod
from gthulhu.manager.domain.strategy import LabelSelector, Strategy
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base as stores

Row = dict[str, object]

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
NAMESPACES = 50


def pod(number: int, *, per_app: int) -> Pod:
    """Return one of many pods: so many have the same app label; the other labels are what workloads usually carry."""
    app = f"app-{number // per_app}"
    return Pod(
        uid=f"00000000-0000-4000-8000-{number:012x}",
        name=f"{app}-{number:08x}",
        namespace=f"ns-{number // per_app % NAMESPACES}",
        node=f"node-{number % 5000}",
        labels={
            "app": app,
            "tier": f"tier-{number % 3}",
            "app.kubernetes.io/managed-by": "helm",
            "pod-template-hash": f"{number // per_app:010x}",
            "version": f"v{number % 7}",
        },
    )


def rule(number: int) -> matching.Rule:
    """Return a rule that selects the pods of one app."""
    return matching.Rule(
        selectors=(
            LabelSelector(key="app.kubernetes.io/managed-by", value="helm"),
            LabelSelector(key="app", value=f"app-{number}"),
        ),
        namespaces=frozenset([f"ns-{number % NAMESPACES}"]) if number % 2 else None,
    )


def strategy(number: int) -> Strategy:
    """Return the strategy of such a rule."""
    its = rule(number)
    return Strategy(
        id=f"{number:032x}",
        name=f"strategy-{number}",
        selectors=its.selectors,
        k8s_namespaces=tuple(its.namespaces or ()),
        priority=3,
        creator_id="admin",
        created_at=NOW,
        updated_at=NOW,
    )


def selects(its: matching.Rule, one: Pod) -> bool:
    """Tell the plain way whether a rule selects a pod."""
    return (its.namespaces is None or one.namespace in its.namespaces) and all(
        one.labels.get(selector.key) == selector.value for selector in its.selectors
    )


def seconds(work: Callable[[], object], *, times: int) -> float:
    """Return the median time of so many runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def row(name: str, value: float, unit: str, goal: float, baseline: float | None = None) -> Row:
    """Return a row; ratio is how many times the baseline takes as long."""
    ratio = baseline / value if baseline is not None else None
    return {"name": name, "value": value, "unit": unit, "goal": goal, "baseline": baseline, "ratio": ratio}


def full_match() -> Row:
    """200 strategies, each matching 50 pods, held against 10,000 pods."""
    pods = [pod(number, per_app=50) for number in range(10_000)]
    rules = {f"strategy-{number}": rule(number) for number in range(200)}
    matcher = matching.Matcher()
    for one in pods:
        matcher.set_pod(one)

    def indexed() -> list[tuple[str, str]]:
        return [(name, uid) for name, its in rules.items() for uid in matcher.select(its)]

    def naive() -> list[tuple[str, str]]:
        return [(name, one.uid) for name, its in rules.items() for one in pods if selects(its, one)]

    if sorted(indexed()) != sorted(naive()):
        raise AssertionError("the matcher and the plain loop differ")
    ours, plain = seconds(indexed, times=20), seconds(naive, times=2)
    return row("full match, 200 strategies x 10,000 pods, to pairs", ours * 1e3, "ms", 5.0, plain * 1e3)


def pod_event() -> Row:
    """A pod gets other labels, and meets 1,000 strategies."""
    matcher = matching.Matcher()
    for number in range(10_000):
        matcher.set_pod(pod(number, per_app=10))
    rules = {f"strategy-{number}": rule(number) for number in range(1_000)}
    for name, its in rules.items():
        matcher.set_rule(name, its)
    one = pod(7, per_app=10)
    moved = dataclasses.replace(one, labels=dict(one.labels) | {"app": "app-50"})
    naive_match = {name for name, its in rules.items() if selects(its, moved)}
    matcher.set_pod(moved)
    if matcher.strategies_of(one.uid) != naive_match:
        raise AssertionError("the matcher and the plain loop differ")

    def indexed() -> None:
        matcher.set_pod(one)
        matcher.set_pod(moved)

    ours = seconds(indexed, times=1000) / 2
    plain = seconds(lambda: [name for name, its in rules.items() if selects(its, moved)], times=50)
    return row("one pod event against 1,000 strategies", ours * 1e6, "us", 100.0, plain * 1e6)


def large_world() -> tuple[worlds.World, list[Pod]]:
    """Return a world of 150,000 pods on 5,000 nodes and 1,000 strategies with 100 pods each."""
    pods = [pod(number, per_app=100) for number in range(150_000)]
    world = worlds.World(clock=clock.SystemClock())
    role = access.Role(
        id="admin", name="admin", policies=(access.Policy(permission=scope.CREATE),), created_at=NOW, updated_at=NOW
    )
    world.apply_store(
        stores.Snapshot(
            revision=1,
            strategies=tuple(strategy(number) for number in range(1_000)),
            users=(access.User(id="admin", username="admin", password_hash="", roles=("admin",), created_at=NOW),),
            roles=(role,),
            paused=False,
        )
    )
    nodes = tuple(Node(name=f"node-{number}") for number in range(5_000))
    world.apply_inventory(inventories.InventoryChange(version=1, pods=tuple(pods), nodes=nodes, complete=True))
    return world, pods


def strategy_change() -> list[Row]:
    """A strategy begins, or ceases, to select 100 of 150,000 pods; to the names of the nodes to tell."""
    before = _resident_mib()
    world, pods = large_world()
    for node in world.nodes():
        world.intents_of(node)
    gc.collect()
    resident = _resident_mib() - before
    revision = world.revision
    told: list[frozenset[str]] = []
    world.subscribe(told.append)

    def change() -> None:
        nonlocal revision
        revision += 1
        selecting = strategy(1_007 if revision % 2 else 9_999)
        world.apply_store(
            stores.StrategyChange(
                revision=revision, id=f"{7:032x}", value=dataclasses.replace(selecting, id=f"{7:032x}")
            )
        )

    gc.freeze()
    ours = seconds(change, times=50)
    its = rule(1_007)
    plain = seconds(lambda: [one.uid for one in pods if selects(its, one)], times=3)
    if len(told[-1]) != 100:
        raise AssertionError(f"{len(told[-1])} nodes were told, not 100")
    event = pods[700]
    moved = dataclasses.replace(event, labels=dict(event.labels) | {"version": "other"})

    def pod_change() -> None:
        for one in (moved, event):
            world.apply_inventory(inventories.InventoryChange(version=2, pods=(one,)))
            world.intents_of(one.node)

    return [
        row("one strategy change that touches 100 of 150,000 pods", ours * 1e3, "ms", 2.0, plain * 1e3),
        row("one pod event to its node's intents, 150,000 pods", seconds(pod_change, times=200) / 2 * 1e6, "us", 500.0),
        row("150,000 pods, 5,000 nodes, 1,000 strategies, all intents derived", resident, "MiB", 1024.0),
    ]


def run() -> list[Row]:
    """Return the rows of all."""
    return [full_match(), pod_event(), *strategy_change()]


def _resident_mib() -> float:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Print the rows."""
    for one in run():
        sys.stdout.write(json.dumps(one) + "\n")


if __name__ == "__main__":
    main()
