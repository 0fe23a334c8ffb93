"""The collector that works everywhere: the kernel's own accounting, from /proc.

`/proc/PID/task/TID/schedstat` holds time on a CPU, time waiting for one, and how often it ran
(Documentation/scheduler/sched-stats.rst). Switches stand in `status` only, which costs the kernel twenty times as
much: they are read every sixth time, and so is a process's start time, which tells whether its PID has come to mean
another. In between, a thread whose time has gone back is taken for another one. What a thread did between its last
reading and its end is not counted.
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence

from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import procfs
from gthulhu.agent.metrics import collector

_SWITCHES_EVERY = 6

_NOTHING = collector.Counters()


@dataclasses.dataclass(slots=True)
class _Pod:
    """What is remembered of one pod."""

    ended: collector.Counters = _NOTHING
    """Of threads that live no more."""
    threads: dict[processes.ProcessKey, dict[int, collector.Counters]] = dataclasses.field(default_factory=dict)
    readings: int = 0


class ProcfsCollector:
    """See `collector.Collector`."""

    name = "procfs"

    def __init__(self, *, proc_root: pathlib.Path = pathlib.Path("/proc")) -> None:
        """Take the folder that procfs is mounted on."""
        self._proc = str(proc_root)
        self._pods: dict[str, _Pod] = {}

    def collect(self, pods: Sequence[processes.Pod]) -> Mapping[str, collector.PodUsage]:
        """See `collector.Collector.collect`."""
        self._pods = {pod.uid: self._pods.get(pod.uid) or _Pod() for pod in pods}
        return {pod.uid: self._collect(pod, self._pods[pod.uid]) for pod in pods}

    def close(self) -> None:
        """See `collector.Collector.close`."""
        self._pods.clear()

    def _collect(self, pod: processes.Pod, known: _Pod) -> collector.PodUsage:
        thorough = known.readings % _SWITCHES_EVERY == 0
        known.readings += 1
        now = {
            one.key: self._threads(one.key, known.threads.get(one.key, {}), thorough=thorough) for one in pod.processes
        }
        for key, its in known.threads.items():
            for tid, last in its.items():
                current = now.get(key, {}).get(tid)
                if current is None or current.run_ns < last.run_ns:
                    known.ended += last
        known.threads = {key: its for key, its in now.items() if its}
        by_process = {key: sum(its.values(), _NOTHING) for key, its in known.threads.items()}
        return collector.PodUsage(
            at_ns=time.monotonic_ns(),
            total=sum(by_process.values(), known.ended),
            processes=by_process,
            threads=sum(map(len, known.threads.values())),
        )

    def _threads(
        self, key: processes.ProcessKey, known: Mapping[int, collector.Counters], *, thorough: bool
    ) -> dict[int, collector.Counters]:
        """Return the counters of a process's threads; none where it has ended."""
        found = {}
        try:
            if thorough and procfs.stat(self._proc, key.pid).start_time != key.start_time:
                return {}
            tids = procfs.threads(self._proc, key.pid)
        except ProcessLookupError:
            return {}
        for tid in tids:
            with contextlib.suppress(ProcessLookupError):
                folder = f"{self._proc}/{key.pid}/task/{tid}"
                found[tid] = self._thread(folder, known.get(tid), thorough=thorough)
        return found

    def _thread(self, folder: str, known: collector.Counters | None, *, thorough: bool) -> collector.Counters:
        run_ns, wait_ns, _ = map(int, procfs.read(f"{folder}/schedstat").split())
        if known is not None and not thorough and run_ns >= known.run_ns:
            return dataclasses.replace(known, run_ns=run_ns, wait_ns=wait_ns)
        status = procfs.read(f"{folder}/status")
        return collector.Counters(
            run_ns=run_ns,
            wait_ns=wait_ns,
            voluntary_switches=_field(status, b"\nvoluntary_ctxt_switches:"),
            involuntary_switches=_field(status, b"\nnonvoluntary_ctxt_switches:"),
        )


def _field(status: bytes, name: bytes) -> int:
    return int(status[status.index(name) + len(name) :].split(None, 1)[0])
