"""What happens to pods: why they are scheduled as they are, their processes, their intents as they change."""

import json
from collections.abc import Iterator

from gthulhu.cli.user import actions, connection, output
from gthulhu.cli.user.formats import Format
from gthulhu.v1 import cluster_pb2, cluster_pb2_grpc, intent_pb2, intent_pb2_grpc, node_pb2


def explanation(link: connection.Connection, name: str, *, namespace: str) -> cluster_pb2.ExplainPodResponse:
    """Return why a pod is scheduled as it is."""
    stub = cluster_pb2_grpc.ClusterServiceStub(link.channel)
    request = cluster_pb2.ExplainPodRequest(namespace=namespace, name=name)
    answer: cluster_pb2.ExplainPodResponse = link.call(stub.ExplainPod, request)
    return answer


def explained(answer: cluster_pb2.ExplainPodResponse) -> Iterator[str]:
    """Yield an explanation in lines."""
    where = f"on node {answer.node_id}" if answer.node_id else "(no node yet)"
    yield f"pod {answer.k8s_namespace}/{answer.pod_name} {where}, uid {answer.pod_id}"
    yield "labels " + (" ".join(f"{key}={value}" for key, value in sorted(answer.pod_labels.items())) or "(none)")
    yield ""
    yield output.table([_considered_row(one) for one in answer.strategies]) if answer.strategies else "no strategies"
    if answer.decisions:
        yield ""
        names = {one.strategy_id: one.name for one in answer.strategies}
        yield output.table([_decision_row(one, names) for one in answer.decisions])
    if answer.node_error:
        yield ""
        yield f"what its processes get is not known: {answer.node_error}"


def processes(link: connection.Connection, node: str) -> list[node_pb2.PodProcesses]:
    """Return a node's pods with their processes."""
    stub = cluster_pb2_grpc.ClusterServiceStub(link.channel)
    request = cluster_pb2.ListNodePodProcessesRequest(node=node)
    return list(link.call(stub.ListNodePodProcesses, request).pods)


def process_rows(pod: node_pb2.PodProcesses) -> Iterator[output.Row]:
    """Yield a row for each of a pod's processes."""
    for one in pod.processes:
        yield {
            "POD": f"{pod.k8s_namespace}/{pod.pod_name}" if pod.pod_name else pod.pod_id,
            "PID": str(one.pid),
            "PPID": str(one.ppid),
            "COMM": one.comm,
            "THREADS": str(one.threads),
            "CONTAINER": one.container_id[:12],
            "COMMAND": one.command,
        }


def watch(link: connection.Connection, *, node: str, namespace: str, strategy: str, form: Format) -> Iterator[str]:
    """Yield a line for each intent that there is, and then for each change, until interrupted."""
    stub = intent_pb2_grpc.IntentServiceStub(link.channel)
    request = intent_pb2.WatchIntentsRequest(
        node=node, namespace=namespace, strategy=actions.strategy_id(link, strategy)
    )
    titles: dict[str, str] = {}
    for event in link.stream(stub.WatchIntents, request):
        request.since = event.cursor  # where it goes on when the token is exchanged
        if form is Format.JSON:
            yield json.dumps(output.plain(event), ensure_ascii=False)
        elif event.HasField("updated"):
            row = output.intent_row(event.updated)
            titles[event.updated.id] = f"{row['POD']}  {row['STRATEGY']}"
            yield f"{row['STATE']}  {titles[event.updated.id]}  {row['PROCESSES']} processes"
        elif event.HasField("removed_id"):
            yield f"REMOVED  {titles.pop(event.removed_id, event.removed_id)}"


def switch(link: connection.Connection, *, paused: bool) -> str:
    """Pause all strategies, or end that; returns a line."""
    stub = cluster_pb2_grpc.ClusterServiceStub(link.channel)
    if paused:
        link.call(stub.Pause, cluster_pb2.PauseRequest())
        return "all strategies are paused: none has an effect until `gthulhu resume`"
    link.call(stub.Resume, cluster_pb2.ResumeRequest())
    return "strategies have their effect again"


def _considered_row(one: cluster_pb2.ExplainPodResponse.Considered) -> output.Row:
    state = output.intent_row(one.intent)["STATE"] if one.HasField("intent") else ""
    return {
        "STRATEGY": f"{one.strategy_namespace}/{one.name}",
        "SELECTS IT": "yes" if one.matched else "no",
        "WHY": one.reason,
        "STATE": state,
        "PRIORITY": str(one.intent.priority) if state else "",
        "SLICE": output.duration(one.intent.execution_time) if state else "",
    }


def _decision_row(one: node_pb2.Decision, names: dict[str, str]) -> output.Row:
    return {
        "PID": str(one.pid),
        "COMM": one.comm,
        "STRATEGY": names.get(one.strategy_id, one.strategy_id),
        "PRIORITY": str(one.priority),
        "SLICE": output.duration(one.execution_time),
        "THREADS": str(one.threads),
        "CPU": f"{one.cpu_share:.0%}",
        "WAIT": f"{one.wait_share:.0%}",
        "LEVERS": " ".join(one.levers),
        "LIMIT": one.limit,
    }
