"""A node made of real cgroups and real processes, under a root of its own that is always removed."""

import contextlib
import os
import pathlib
import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.common import errors

HOG = "import os\nos.sched_setaffinity(0, {cpus})\nprint('up', flush=True)\nwhile True: pass"


class Pod:
    """One pod's cgroup with one container in it, as kubelet and containerd lay them out."""

    def __init__(self, *, node: "Node", qos: str = "") -> None:
        self.uid = str(uuid.uuid4())
        self.node = node
        parent = f"{node.kubepods}/kubepods-{qos}.slice/kubepods-{qos}-" if qos else f"{node.kubepods}/kubepods-"
        self.cgroup = f"{parent}pod{self.uid.replace('-', '_')}.slice"
        node.make(self.cgroup)
        self.container_ids: list[str] = []
        self.containers: list[str] = []
        self.add_container()

    def add_container(self) -> str:
        """Make another container; returns its cgroup."""
        self.container_ids.append(secrets.token_hex(32))
        self.containers.append(f"{self.cgroup}/cri-containerd-{self.container_ids[-1]}.scope")
        self.node.make(self.containers[-1])
        return self.containers[-1]

    def start(self, code: str = "", *, container: int = 0, argv0: str = "") -> subprocess.Popen[str]:
        """Start a process in a container (by default a hog on the node's CPU) and return it once it runs."""
        procs = self.node.hierarchy.root / self.containers[container] / "cgroup.procs"
        process = subprocess.Popen(
            [argv0 or sys.executable, "-c", code or HOG.format(cpus={self.node.cpu})],
            executable=sys.executable,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            # It has to be in its cgroup before it runs; no thread of the tests holds a lock then.
            preexec_fn=lambda: procs.write_text(str(os.getpid())),  # noqa: PLW1509 -- see above
        )
        self.node.processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        return process

    def weight(self, container: int | None = None) -> int:
        """Return the pod's weight (or a container's) as the kernel has it."""
        return int(self.weight_file(container).read_text())

    def weight_file(self, container: int | None = None) -> pathlib.Path:
        """Return the file of it."""
        cgroup = self.cgroup if container is None else self.containers[container]
        return self.node.hierarchy.root / cgroup / self.node.hierarchy.weight_file


class Node:
    """The kubelet's tree of one test."""

    def __init__(self, hierarchy: hierarchies.Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.root = f"gthulhu-test-{secrets.token_hex(4)}.slice"
        self.kubepods = f"{self.root}/kubepods.slice"
        self.cpu = os.cpu_count() - 1
        self.processes: list[subprocess.Popen[str]] = []

    def make(self, cgroup: str) -> None:
        """Make a cgroup with all above it, and the cpu controller in it (cgroup v2 wants that said at each level)."""
        folder = self.hierarchy.root / cgroup
        folder.mkdir(parents=True)
        for above in reversed(folder.relative_to(self.hierarchy.root).parents):
            control = self.hierarchy.root / above / "cgroup.subtree_control"
            if control.exists() and "cpu" not in control.read_text().split():
                control.write_text("+cpu")

    def close(self) -> None:
        """End the processes and remove the cgroups, from below."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.communicate()
        for folder, _, _ in os.walk(self.hierarchy.root / self.root, topdown=False):
            until(lambda folder=folder: removed(folder))


def removed(folder: str) -> bool:
    """Remove a cgroup if it is empty, ending what is in it; tells whether it is gone."""
    with contextlib.suppress(OSError):
        for pid in pathlib.Path(folder, "cgroup.procs").read_text().split():
            os.kill(int(pid), 9)
        pathlib.Path(folder).rmdir()
        return True
    return not pathlib.Path(folder).exists()


def until(condition: Callable[[], object], *, limit: float = 10.0) -> None:
    """Return once a condition holds; fail after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def run_ns(process: subprocess.Popen[str]) -> int:
    """Return how long a process's main thread has been on a CPU."""
    return int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])


def share(process: subprocess.Popen[str], *, among: list[subprocess.Popen[str]]) -> float:
    """Return which part of what some processes get (of the next second that they get) goes to one, in per cent."""
    before = {one.pid: run_ns(one) for one in among}
    until(lambda: sum(run_ns(one) - before[one.pid] for one in among) > 1_000_000_000, limit=30)
    got = {one.pid: run_ns(one) - before[one.pid] for one in among}
    return 100 * got[process.pid] / sum(got.values())


@pytest.fixture
def node() -> Iterator[Node]:
    """A node's kubelet tree; skipped where the machine lets us make none."""
    try:
        made = Node(hierarchies.find(pathlib.Path("/sys/fs/cgroup")))
        made.make(made.kubepods)
    except (errors.PreconditionError, OSError) as error:
        pytest.skip(f"no cgroups of the cpu controller to be had: {error}")
    try:
        yield made
    finally:
        made.close()
