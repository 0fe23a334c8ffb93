"""What each user command does, given a connection; returns what is to be printed."""

import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence

from google.protobuf import json_format

from gthulhu.cli.user import connection, manifests
from gthulhu.common import errors
from gthulhu.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    intent_pb2,
    intent_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
    system_pb2,
    system_pb2_grpc,
)

PAGE = 500


def strategies(
    link: connection.Connection, *, namespace: str = "", name: str = ""
) -> list[strategy_pb2.ScheduleStrategy]:
    """Return all strategies that the caller may see, or those of a folder, or of a name."""
    stub = strategy_pb2_grpc.StrategyServiceStub(link.channel)
    found: list[strategy_pb2.ScheduleStrategy] = []
    token = ""
    while True:
        request = strategy_pb2.ListStrategiesRequest(
            page_size=PAGE, page_token=token, strategy_namespace=namespace, name=name
        )
        page = link.call(stub.ListStrategies, request)
        found += page.strategies
        if not (token := page.next_page_token):
            return found


def intents(
    link: connection.Connection, *, node: str = "", namespace: str = "", pod: str = "", strategy: str = ""
) -> list[intent_pb2.ScheduleIntent]:
    """Return the intents that the filters select; a strategy is named by id or by name."""
    strategy = strategy_id(link, strategy)
    stub = intent_pb2_grpc.IntentServiceStub(link.channel)
    found: list[intent_pb2.ScheduleIntent] = []
    token = ""
    while True:
        request = intent_pb2.ListIntentsRequest(
            page_size=PAGE, page_token=token, node=node, namespace=namespace, pod=pod, strategy=strategy
        )
        page = link.call(stub.ListIntents, request)
        found += page.intents
        if not (token := page.next_page_token):
            return found


def strategy_id(link: connection.Connection, strategy: str) -> str:
    """Return the id of a strategy that was named by id or by name; of "" itself."""
    found = strategies(link, name=strategy) if strategy else []
    return found[0].id if found else strategy


def nodes(link: connection.Connection) -> list[cluster_pb2.Node]:
    """Return all nodes."""
    stub = cluster_pb2_grpc.ClusterServiceStub(link.channel)
    return list(link.call(stub.ListNodes, cluster_pb2.ListNodesRequest()).nodes)


def named(link: connection.Connection, name: str, *, namespace: str) -> strategy_pb2.ScheduleStrategy:
    """Return the strategy of a name in a folder; `NotFoundError` where there is none."""
    found = strategies(link, namespace=namespace, name=name)
    if not found:
        raise errors.NotFoundError("STRATEGY_NOT_FOUND", f"there is no strategy {namespace}/{name}")
    return found[0]


def replace(
    link: connection.Connection, present: strategy_pb2.ScheduleStrategy, wanted: strategy_pb2.ScheduleStrategy
) -> strategy_pb2.ScheduleStrategy:
    """Give a strategy the content of another; refused where somebody has changed it since it was read."""
    request = strategy_pb2.UpdateStrategyRequest(strategy_id=present.id, etag=present.etag)
    json_format.ParseDict(manifests.written(wanted), request)
    stub = strategy_pb2_grpc.StrategyServiceStub(link.channel)
    answer: strategy_pb2.ScheduleStrategy = link.call(stub.UpdateStrategy, request)
    return answer


def delete(
    link: connection.Connection, *, names: Sequence[str], namespace: str, paths: Sequence[pathlib.Path]
) -> Iterable[str]:
    """Delete strategies by name (in a folder), and those of manifests; yields a line for each.

    What is not there is said at the end, when all others are deleted.
    """
    stub = strategy_pb2_grpc.StrategyServiceStub(link.channel)
    wanted = [strategy_pb2.ScheduleStrategy(name=name, strategy_namespace=namespace) for name in names]
    if paths:
        wanted += manifests.read(paths)
    missing = []
    for one in wanted:
        present = _find(link, one)
        if present is None:
            missing.append(manifests.title(one))
            continue
        link.call(stub.DeleteStrategy, strategy_pb2.DeleteStrategyRequest(strategy_id=present.id, etag=present.etag))
        yield f"strategy {manifests.title(present)} deleted"
    if missing:
        raise errors.NotFoundError("STRATEGY_NOT_FOUND", f"there is no strategy {', '.join(missing)}")


def preview(link: connection.Connection, paths: Sequence[pathlib.Path]) -> Iterable[str]:
    """Tell what manifests would do; yields lines."""
    stub = strategy_pb2_grpc.StrategyServiceStub(link.channel)
    for wanted in manifests.read(paths):
        answer = link.call(stub.PreviewStrategy, strategy_pb2.PreviewStrategyRequest(strategy=wanted))
        yield f"strategy {manifests.title(wanted)} would select {pods(answer.matched_pods)}"
        for node in answer.nodes:
            for pod in node.pods:
                line = f"  {node.node_id or '(no node yet)'}  {pod.k8s_namespace}/{pod.pod_name}"
                if pod.superseded_by:
                    line += f"  superseded by {pod.superseded_by}"
                if pod.supersedes:
                    line += f"  supersedes {', '.join(pod.supersedes)}"
                yield line
        yield from (f"  warning: {warning}" for warning in answer.warnings)


def status(link: connection.Connection) -> Iterable[str]:
    """Tell how the system is, in a few lines."""
    system = system_pb2_grpc.SystemServiceStub(link.channel)
    health = link.call(system.GetHealth, system_pb2.GetHealthRequest())
    version = link.call(system.GetVersion, system_pb2.GetVersionRequest())
    checks = ", ".join(f"{name} {result}" for name, result in sorted(health.checks.items()))
    yield f"manager     {health.status} ({checks}), version {version.version}, {link.server}, user {link.username}"
    listed = nodes(link)
    states = Counter(cluster_pb2.Node.State.Name(node.state) for node in listed)
    enforcers = Counter(node.enforcer for node in listed if node.enforcer)
    yield f"nodes       {_counts(len(listed), states)}" + (f"; enforcers: {_listed(enforcers)}" if enforcers else "")
    written = strategies(link)
    yield "strategies  " + _counts(
        len(written), Counter(strategy_pb2.ScheduleStrategy.State.Name(one.state) for one in written)
    )
    stub = intent_pb2_grpc.IntentServiceStub(link.channel)
    counts = link.call(stub.ListIntents, intent_pb2.ListIntentsRequest(page_size=1)).state_counts
    yield f"intents     {_counts(sum(counts.values()), Counter(dict(counts)))}"


def _find(link: connection.Connection, wanted: strategy_pb2.ScheduleStrategy) -> strategy_pb2.ScheduleStrategy | None:
    namespace = wanted.strategy_namespace or manifests.DEFAULT_NAMESPACE
    return next(iter(strategies(link, namespace=namespace, name=wanted.name)), None)


def pods(count: int) -> str:
    """Return a number of pods in words."""
    return f"{count or 'no'} pod{'' if count == 1 else 's'}"


def _counts(total: int, states: Counter[str]) -> str:
    return f"{total}" + (f" ({_listed(states)})" if states else "")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
