"""Pods, containers and PIDs from the cgroup tree: by far the cheapest way to learn who belongs to whom."""

import dataclasses
import os
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
            if os.path.isdir(self._absolute(root)):  # noqa: PTH112 -- paths here are strings, for speed
                yield from self._folders(root, _QOS_DEPTH)

    def _folders(self, folder: str, depth: int) -> Iterator[str]:
        yield folder
        if depth:
            for child in self._children(folder):
                if paths.parse(child) is None:
                    yield from self._folders(child, depth - 1)

    def pods(self) -> Mapping[str, processes.Pod]:
        """Return every pod with its containers, without processes, by UID."""
        return {pod.uid: pod for folder in self.folders() for pod in self.pods_in(folder)}

    def pods_in(self, folder: str) -> Iterator[processes.Pod]:
        """Yield the pods whose cgroups lie directly in one of `folders`."""
        for child in self._children(folder):
            where = paths.parse(child)
            if where is not None and where.pod_cgroup == child:
                yield self.pod(where)

    def pod(self, where: paths.Location) -> processes.Pod:
        """Return a pod with its containers as they are now."""
        containers = []
        for child in self._children(where.pod_cgroup):
            inside = paths.parse(child)
            if inside is not None and inside.container_id:
                containers.append(processes.Container(id=inside.container_id, cgroup=child))
        return processes.Pod(
            uid=where.pod_uid,
            cgroup=where.pod_cgroup,
            qos=where.qos,
            containers=tuple(sorted(containers, key=lambda one: one.id)),
        )

    def exists(self, cgroup: str) -> bool:
        """Tell whether a cgroup is there."""
        return os.path.isdir(self._absolute(cgroup))  # noqa: PTH112 -- as above

    def pids(self, cgroup: str) -> frozenset[int]:
        """Return the processes of a cgroup and of all below it."""
        found = self._procs(cgroup)
        for child in self._children(cgroup):
            found |= self.pids(child)
        return found

    def _procs(self, cgroup: str) -> frozenset[int]:
        try:
            with open(f"{self._absolute(cgroup)}/cgroup.procs", "rb", buffering=65536) as file:  # noqa: PTH123 -- as above
                return frozenset(map(int, file.read().split()))
        except OSError:
            # Gone; or a threaded cgroup (v2), whose processes its domain lists.
            return frozenset()

    def _children(self, cgroup: str) -> list[str]:
        try:
            with os.scandir(self._absolute(cgroup)) as entries:
                return [f"{cgroup}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _absolute(self, cgroup: str) -> str:
        return f"{self.hierarchy.root}/{cgroup}"
