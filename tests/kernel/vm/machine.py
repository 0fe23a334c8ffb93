"""What a virtual machine offers to tests: pods of its own, and their shares measured."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base
from gthulhu.agent.kernel import procfs

CGROUPS = pathlib.Path("/sys/fs/cgroup")
HOG = "import os, sys\nos.sched_setaffinity(0, {cpus})\nprint('up', flush=True)\nwhile True: pass"


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """One pod's cgroup with one container and one CPU-bound process."""

    cgroup: pathlib.Path
    process: "subprocess.Popen[str]"

    def write(self, file: str, value: object) -> None:
        (self.cgroup / file).write_text(str(value))

    def seen(self, uid: str) -> processes.Pod:
        """Return it as discovery would."""
        key = processes.ProcessKey(self.process.pid, procfs.stat("/proc", self.process.pid).start_time)
        container = processes.Container(id="c" * 64, cgroup=str((self.cgroup / "container").relative_to(CGROUPS)))
        return processes.Pod(
            uid=uid,
            cgroup=str(self.cgroup.relative_to(CGROUPS)),
            qos="Guaranteed",
            containers=(container,),
            processes=(
                processes.Process(key=key, comm="python", container_id=container.id, threads=(self.process.pid,)),
            ),
        )


class Pods:
    """Makes pods below one cgroup."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.made: list[Pod] = []

    def add(self, name: str, *, cpus: Collection[int] = (0,)) -> Pod:
        """Make a pod whose process runs on these CPUs."""
        cgroup = self.root / name
        (cgroup / "container").mkdir(parents=True)
        (cgroup / "cgroup.subtree_control").write_text("+cpu")
        process = subprocess.Popen(
            [sys.executable, "-c", HOG.format(cpus=set(cpus))], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        (cgroup / "container" / "cgroup.procs").write_text(str(process.pid))
        self.made.append(Pod(cgroup, process))
        return self.made[-1]

    def close(self) -> None:
        for pod in self.made:
            pod.process.kill()
            pod.process.wait()
        for folder, _, _ in os.walk(self.root, topdown=False):
            with contextlib.suppress(OSError):
                pathlib.Path(folder).rmdir()


def target(pod: Pod, uid: str, *, priority: int | None, slice_ns: int = 0) -> base.PodTarget:
    """Return what one pod should get; nothing where the priority is None."""
    seen = pod.seen(uid)
    found = {
        one.key: decisions.Decision(
            process=one.key, pod_uid=uid, container_id=one.container_id, intent_id="i", strategy_id="s",
            priority=priority, execution_time_ns=slice_ns, threads=one.threads,
        )
        for one in seen.processes
        if priority is not None
    }  # fmt: skip
    return base.PodTarget(pod=seen, decisions=found)


def run_ns(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def shares(pods: Sequence[Pod], cpu_seconds: float = 2.0) -> list[float]:
    """Return each pod's part, in per cent, of the next so many seconds of CPU that they get together."""
    before = [run_ns(pod.process.pid) for pod in pods]

    def used() -> list[int]:
        return [run_ns(pod.process.pid) - start for pod, start in zip(pods, before, strict=True)]

    assert eventually(lambda: sum(used()) > cpu_seconds * 1e9, seconds=60)
    return [100 * one / sum(used()) for one in used()]


def run_length_ms(pod: Pod, seconds: float = 2.0) -> float:
    """Return how long the pod's process runs at a time, on average."""

    def switches() -> int:
        status = pathlib.Path(f"/proc/{pod.process.pid}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)

    ran, switched = run_ns(pod.process.pid), switches()
    time.sleep(seconds)
    return (run_ns(pod.process.pid) - ran) / max(1, switches() - switched) / 1e6


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
