"""The collector that has the kernel count: BPF programs on the scheduler's tracepoints, loaded by libbpf (CO-RE).

Only the cgroups of pods that are asked for are counted, from the first time that they are asked for: the maps hold as
many entries as there are cgroups and processes of selected pods. Unlike /proc it misses nothing of short-lived
processes, and it knows migrations and how long each wait for a CPU was. What a process does is added when it leaves
the CPU.
"""

import ctypes
import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import libbpf
from gthulhu.agent.metrics import collector
from gthulhu.agent.metrics.co_re import build

SLOTS = 24

_NOTHING = collector.Counters()


class _Counters(ctypes.Structure):
    """struct counters."""

    _fields_ = (
        ("run_ns", ctypes.c_uint64),
        ("wait_ns", ctypes.c_uint64),
        ("voluntary", ctypes.c_uint64),
        ("involuntary", ctypes.c_uint64),
        ("migrations", ctypes.c_uint64),
    )


class _Cgroup(ctypes.Structure):
    """struct cgroup_counters."""

    _fields_ = (("sum", _Counters), ("waits", ctypes.c_uint64 * SLOTS))


@dataclasses.dataclass(slots=True)
class _Pod:
    """What is remembered of one pod."""

    watched: set[int] = dataclasses.field(default_factory=set)
    """Inodes of its cgroups."""
    ended: collector.Counters = _NOTHING
    """Of cgroups that are gone."""
    ended_waits: tuple[int, ...] = (0,) * SLOTS


class CoReCollector:
    """See `collector.Collector`."""

    name = "co-re"

    def __init__(self, *, hierarchy: hierarchies.Hierarchy) -> None:
        """Bring the programs into the kernel.

        Raises:
            BpfError: There is no libbpf, no object was built, or the kernel refuses it (no BTF, no privilege).
        """
        if not build.OBJECT.exists():
            raise libbpf.BpfError(f"{build.OBJECT.name} was not built", 0)
        library = libbpf.Library()
        self._hierarchy = hierarchy
        self._object = libbpf.Object(library, build.OBJECT)
        try:
            self._object.load()
            self._object.attach()
        except libbpf.BpfError:
            self._object.close()
            raise
        self._cgroups = self._object.map("cgroups", ctypes.c_uint64, _Cgroup)
        self._processes = self._object.map("processes", ctypes.c_uint32, _Counters)
        self._pods: dict[str, _Pod] = {}

    def collect(self, pods: Sequence[processes.Pod]) -> Mapping[str, collector.PodUsage]:
        """See `collector.Collector.collect`."""
        asked = {pod.uid for pod in pods}
        for uid in [uid for uid in self._pods if uid not in asked]:
            self._unwatch(self._pods.pop(uid).watched)
        return {pod.uid: self._collect(pod, self._pods.setdefault(pod.uid, _Pod())) for pod in pods}

    def close(self) -> None:
        """See `collector.Collector.close`."""
        self._object.close()

    def _collect(self, pod: processes.Pod, known: _Pod) -> collector.PodUsage:
        inodes = set(self._inodes(pod.cgroup))
        for inode in inodes - known.watched:
            self._cgroups.set(ctypes.c_uint64(inode), _Cgroup())
        gone = known.watched - inodes
        known.ended, known.ended_waits = self._sum(gone, known)
        self._unwatch(gone)
        known.watched = inodes
        total, waits = self._sum(inodes, known)
        return collector.PodUsage(
            at_ns=time.monotonic_ns(),
            total=total,
            processes={one.key: self._process(one.key.pid) for one in pod.processes},
            threads=sum(len(one.threads) for one in pod.processes),
            latency=waits,
        )

    def _sum(self, inodes: Iterable[int], known: _Pod) -> tuple[collector.Counters, tuple[int, ...]]:
        """Return what cgroups have had, and the lengths of their waits, on top of what ended ones had."""
        total, waits = known.ended, known.ended_waits
        for inode in inodes:
            found = self._cgroups.get(ctypes.c_uint64(inode))
            if found is not None:
                total += _counters(found.sum)
                waits = tuple(one + other for one, other in zip(waits, found.waits, strict=True))
        return total, waits

    def _process(self, pid: int) -> collector.Counters:
        """Return what a process has had; nothing where it has not run since it is watched."""
        found = self._processes.get(ctypes.c_uint32(pid))
        return _NOTHING if found is None else _counters(found)

    def _unwatch(self, inodes: Iterable[int]) -> None:
        for inode in inodes:
            self._cgroups.delete(ctypes.c_uint64(inode))

    def _inodes(self, cgroup: str) -> Iterator[int]:
        """Yield the ids of a cgroup and of all below it."""
        try:
            yield (self._hierarchy.root / cgroup).stat().st_ino
        except FileNotFoundError:
            return
        for child in self._hierarchy.children(cgroup):
            yield from self._inodes(child)


def _counters(found: _Counters) -> collector.Counters:
    return collector.Counters(
        run_ns=found.run_ns,
        wait_ns=found.wait_ns,
        voluntary_switches=found.voluntary,
        involuntary_switches=found.involuntary,
        migrations=found.migrations,
    )
