"""Pods by UID, by name and by node."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from gthulhu.manager.domain import pod as pods

_NONE: frozenset[str] = frozenset()


class PodIndex:
    """Holds the inventory as it is, findable."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_uid: dict[str, pods.Pod] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._by_node: dict[str, set[str]] = {}
        self.nodes: dict[str, pods.Node] = {}

    def get(self, uid: str) -> pods.Pod | None:
        """Return the pod."""
        return self._by_uid.get(uid)

    def by_name(self, namespace: str, name: str) -> pods.Pod | None:
        """Return the pod that got the name last, while it is there."""
        uid = self._by_name.get((namespace, name))
        return None if uid is None else self._by_uid[uid]

    def on(self, node: str) -> AbstractSet[str]:
        """Return the UIDs of a node's pods ("": of those that have none); do not change the set."""
        return self._by_node.get(node, _NONE)

    def all(self) -> Collection[pods.Pod]:
        """Return every pod, in no order."""
        return self._by_uid.values()

    def set(self, pod: pods.Pod) -> None:
        """Add or replace a pod. One that is recreated under the same name has another UID, and gets the name."""
        before = self._by_uid.get(pod.uid)
        if before is None:
            self._by_name[pod.namespace, pod.name] = pod.uid
        elif before.node != pod.node:
            self._leave(before)
        self._by_uid[pod.uid] = pod
        self._by_node.setdefault(pod.node, set()).add(pod.uid)

    def remove(self, uid: str) -> pods.Pod | None:
        """Remove a pod; returns it as it was."""
        pod = self._by_uid.pop(uid, None)
        if pod is not None:
            self._leave(pod)
            if self._by_name.get((pod.namespace, pod.name)) == uid:
                del self._by_name[pod.namespace, pod.name]
        return pod

    def set_nodes(self, nodes: Iterable[pods.Node], *, removed: Iterable[str], complete: bool) -> None:
        """Add, replace and remove nodes; where they are all (`complete`), others go."""
        if complete:
            self.nodes.clear()
        for name in removed:
            self.nodes.pop(name, None)
        for node in nodes:
            self.nodes[node.name] = node

    def _leave(self, pod: pods.Pod) -> None:
        its = self._by_node[pod.node]
        its.discard(pod.uid)
        if not its:
            del self._by_node[pod.node]
