"""The double of the Kubernetes API server in a process of its own, with a large cluster in it.

Prints its URL; then takes the pods that are to be, as JSON, a line each.
"""

import asyncio
import json
import pathlib
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.integration.inventory import apiserver

# What a pod of a real cluster carries beside what anybody here needs: some 4 KB.
_FIELDS = [{"manager": "kubelet", "operation": "Update", "fieldsV1": {f"f:field-{n}": {} for n in range(60)}}]
_SPEC: dict[str, Any] = {
    "containers": [
        {
            "name": "main",
            "image": "registry.example/team/app:1.2.3",
            "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(20)],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}],
        }
    ],
    "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}],
}
_CONDITIONS = [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"} for kind in "abcd"]


def pod(number: int, *, per_app: int, nodes: int) -> apiserver.Object:
    """Return one of many pods: so many have the same app label; the other labels are what workloads usually carry."""
    app = number // per_app
    labels = {
        "app": f"app-{app}",
        "tier": f"tier-{number % 3}",
        "app.kubernetes.io/managed-by": "helm",
        "pod-template-hash": f"{app:010x}",
        "version": f"v{number % 7}",
    }
    return of(
        uid=f"00000000-0000-4000-8000-{number:012x}",
        name=f"app-{app}-{number:08x}",
        namespace=f"ns-{app % 50}",
        node=f"node-{number % nodes}",
        labels=labels,
    )


def of(*, uid: str, name: str, namespace: str, node: str, labels: dict[str, str]) -> apiserver.Object:
    """Return a pod as large as real ones are."""
    about = {"uid": uid, "name": name, "namespace": namespace, "labels": labels, "managedFields": _FIELDS}
    return {
        "kind": "Pod",
        "metadata": about,
        "spec": _SPEC | {"nodeName": node},
        "status": {"phase": "Running", "qosClass": "Burstable", "conditions": _CONDITIONS},
    }


async def main() -> None:
    """Fill the server, serve, and take pods from stdin until it is closed."""
    pods, nodes = map(int, sys.argv[1:])
    server = apiserver.ApiServer()
    for number in range(nodes):
        await server.put("nodes", f"node-{number}", apiserver.a_node(f"node-{number}"))
    for number in range(pods):
        made = pod(number, per_app=100, nodes=nodes)
        await server.put("pods", made["metadata"]["uid"], made)
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with server.running() as url:
        print(url, flush=True)  # noqa: T201 - to the one who started this
        bookmarks = asyncio.create_task(_tell_now_and_then(server))
        while line := await reader.readline():
            wanted = of(**json.loads(line))
            await server.put("pods", wanted["metadata"]["uid"], wanted)
        bookmarks.cancel()


async def _tell_now_and_then(server: apiserver.ApiServer) -> None:
    """Send bookmarks, as API servers do about every minute."""
    while True:
        await asyncio.sleep(60)
        await server.bookmark()


asyncio.run(main())
