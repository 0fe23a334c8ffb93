"""Pods, containers and PIDs from the cgroup tree: by far the cheapest way to learn who belongs to whom."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from gthulhu.agent.discovery import paths
from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import hierarchy as hierarchies

_QOS_DEPTH = 1
"""Folders (of a QoS class) between the kubelet's cgroup and a pod's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The kubelet's part of the hierarchy; a cgroup that goes away while it is read is as if it had never been."""

    hierarchy: hierarchies.Hierarchy
    kubepods: Sequence[str]
    """The kubelet's cgroups, below the hierarchy's root; those that do not exist are passed over."""

    def folders(self) -> Iterator[str]:
        """Yield the cgroups in which pods' cgroups appear, those that exist: the kubelet's and its QoS classes'."""
        for root in self.kubepods:
            if self.hierarchy.exists(root):
                yield from self._folders(root, _QOS_DEPTH)

    def _folders(self, folder: str, depth: int) -> Iterator[str]:
        yield folder
        if depth:
            for child in self.hierarchy.children(folder):
                if paths.parse(child) is None:
                    yield from self._folders(child, depth - 1)

    def pods(self) -> Mapping[str, processes.Pod]:
        """Return every pod with its containers, without processes, by UID."""
        return {pod.uid: pod for folder in self.folders() for pod in self.pods_in(folder)}

    def pods_in(self, folder: str) -> Iterator[processes.Pod]:
        """Yield the pods whose cgroups lie directly in one of `folders`."""
        for child in self.hierarchy.children(folder):
            where = paths.parse(child)
            if where is not None and where.pod_cgroup == child:
                yield self.pod(where)

    def pod(self, where: paths.Location) -> processes.Pod:
        """Return a pod with its containers as they are now."""
        containers = []
        for child in self.hierarchy.children(where.pod_cgroup):
            inside = paths.parse(child)
            if inside is not None and inside.container_id:
                containers.append(processes.Container(id=inside.container_id, cgroup=child))
        return processes.Pod(
            uid=where.pod_uid,
            cgroup=where.pod_cgroup,
            qos=where.qos,
            containers=tuple(sorted(containers, key=lambda one: one.id)),
        )
