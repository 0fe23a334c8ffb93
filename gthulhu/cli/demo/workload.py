"""Two real processes that compete for one CPU, each in a pod's cgroup, and what the kernel says of them."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys
import uuid
from collections.abc import Iterator

import yaml

from gthulhu.cli.demo import burn, cgroups

NAMESPACE = "demo"
LIFETIME_SECONDS = 120


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoPod:
    """A pod of the demo, with its one process."""

    name: str
    uid: str
    container: str
    pid: int

    @property
    def labels(self) -> dict[str, str]:
        """What the pod is labelled with."""
        return {"app": self.name, "part-of": "gthulhu-demo"}


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """A process's /proc/PID/schedstat (proc_pid_schedstat: Documentation/scheduler/sched-stats.rst)."""

    run_ns: int
    wait_ns: int
    """Time that it was runnable, and waited on a run queue."""

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read it."""
        run, wait, _slices = pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()
        return cls(int(run), int(wait))

    def since(self, earlier: "Usage") -> "Usage":
        """Return the difference."""
        return Usage(self.run_ns - earlier.run_ns, self.wait_ns - earlier.wait_ns)


@contextlib.contextmanager
def competing(tree: cgroups.PodTree, names: tuple[str, ...] = ("web", "batch")) -> Iterator[tuple[DemoPod, ...]]:
    """Run one process a pod, all on one CPU, until the block ends."""
    with contextlib.ExitStack() as stack:
        cpu = max(os.sched_getaffinity(0))
        yield tuple(_start(stack, tree, name, cpu) for name in names)


def _start(stack: contextlib.ExitStack, tree: cgroups.PodTree, name: str, cpu: int) -> DemoPod:
    # Isolated and without site: nothing that a Python installation hooks in runs in the measured process.
    command = [sys.executable, "-I", "-S", burn.__file__, f"demo-{name}", str(LIFETIME_SECONDS)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own file
    stack.callback(process.wait)
    stack.callback(process.kill)
    os.sched_setaffinity(process.pid, {cpu})
    uid = str(uuid.uuid4())
    pod = DemoPod(name=name, uid=uid, container=hashlib.sha256(uid.encode()).hexdigest(), pid=process.pid)
    tree.add(uid=pod.uid, container=pod.container, pid=pod.pid)
    return pod


def inventory(node: str, pods: tuple[DemoPod, ...]) -> str:
    """Return the inventory file that stands in for a cluster with one node and these pods."""
    return yaml.safe_dump(
        {
            "nodes": [{"name": node}],
            "pods": [
                {
                    "name": pod.name,
                    "namespace": NAMESPACE,
                    "uid": pod.uid,
                    "node": node,
                    "labels": pod.labels,
                    "qosClass": "Guaranteed",
                    "phase": "Running",
                }
                for pod in pods
            ],
        },
        sort_keys=False,
    )
