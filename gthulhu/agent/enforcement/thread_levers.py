"""The levers inside a container: nice values and slices of threads.

Threads and children inherit both, so what is found on a thread that nothing is known of may be ours already: then its
original is that of whom it came from.
"""

import dataclasses
from collections.abc import Iterator, Mapping

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, levels, limits, originals, threads
from gthulhu.agent.kernel import procfs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thread that has to be changed."""

    process: processes.ProcessKey
    tid: int
    setting: threads.Setting
    reset_on_fork: bool
    record: originals.ThreadSetting | None
    """None where nothing of ours is known of it: it has inherited what is to go."""
    puts_back: bool
    """The record is dropped once it is done, and not before: a crash in between must find it."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Prepared:
    """What is to be done for one pod's threads; originals are noted, and to be committed before it is done."""

    steps: list[Step] = dataclasses.field(default_factory=list)
    limits: dict[processes.ProcessKey, set[str]] = dataclasses.field(default_factory=dict)
    failures: dict[processes.ProcessKey, str] = dataclasses.field(default_factory=dict)


class ThreadLevers:
    """Changes threads and puts them back."""

    def __init__(self, *, proc_root: str, records: originals.Originals, default_slice_ns: int) -> None:
        """Take where originals are kept, and the kernel's default slice (0: it has no slices of threads)."""
        self._proc = proc_root
        self._records = records
        self._default_slice_ns = default_slice_ns

    def prepare(self, target: base.PodTarget, plan: levels.Plan) -> Prepared:
        """Read a pod's threads, note their originals, and return what is to be done."""
        prepared = Prepared()
        uid = target.pod.uid
        if not plan.nice and not plan.slices and uid not in self._records.threads:
            return prepared
        for process in target.pod.processes:
            found = prepared.limits.setdefault(process.key, set())
            try:
                for tid in self.tids(process.key):
                    self._thread(uid, process, tid, plan, prepared)
            except ProcessLookupError:
                continue
            except OSError as error:
                prepared.failures[process.key] = str(error)
            slice_ns = plan.slices.get(process.key, 0)
            if slice_ns and not self._default_slice_ns:
                found.add(limits.SLICE_UNSUPPORTED)
            elif slice_ns and not threads.MIN_SLICE_NS <= slice_ns <= threads.MAX_SLICE_NS:
                found.add(limits.SLICE_CLAMPED)
        return prepared

    def write(self, prepared: Prepared) -> bool:
        """Do it; tells whether anything was changed. What fails is noted as the process's failure."""
        changed = False
        for step in prepared.steps:
            try:
                threads.put(step.tid, step.setting, reset_on_fork=step.reset_on_fork)
            except ProcessLookupError:
                continue
            except OSError as error:
                prepared.failures[step.process] = str(error)
                continue
            changed = True
            if step.record is not None and step.puts_back:
                self._records.drop_thread(step.record)
            elif step.record is not None:
                self._records.settle_thread(step.record)
        return changed

    def prune(self, target: base.PodTarget) -> None:
        """Forget processes and threads of a pod that have ended."""
        live = {one.key: one for one in target.pod.processes}
        for key, its in list(self._records.threads.get(target.pod.uid, {}).items()):
            tids: tuple[int, ...] = ()
            if key in live:
                try:
                    tids = self.tids(key)
                except ProcessLookupError:
                    tids = ()
            for tid, record in list(its.items()):
                if tid not in tids:
                    self._records.drop_thread(record)

    def tids(self, key: processes.ProcessKey) -> tuple[int, ...]:
        """Return a process's threads; `ProcessLookupError` where it has ended, even if its PID lives again."""
        if procfs.stat(self._proc, key.pid).start_time != key.start_time:
            raise ProcessLookupError
        return procfs.threads(self._proc, key.pid)

    def _thread(self, uid: str, process: processes.Process, tid: int, plan: levels.Plan, prepared: Prepared) -> None:
        record = self._records.threads.get(uid, {}).get(process.key, {}).get(tid)
        try:
            found = threads.get(tid)
        except ProcessLookupError:
            return
        if found.policy not in threads.FAIR:
            if process.key in plan.nice or process.key in plan.slices:
                prepared.limits[process.key].add(
                    limits.IDLE_POLICY if found.policy == threads.SCHED_IDLE else limits.REALTIME_POLICY
                )
            return
        original = self._original(uid, process, record, found.setting)
        wanted, clamped = self._wanted(original, process.key, plan)
        if clamped:
            prepared.limits[process.key].add(limits.WEIGHT_CLAMPED)
        if wanted == original:
            if record is not None and found.setting == wanted:
                self._records.drop_thread(record)
        else:
            ours = record is not None and found.setting in (record.applied, record.previous)
            record = originals.ThreadSetting(
                process=process.key,
                tid=tid,
                pod_uid=uid,
                original=original,
                applied=wanted,
                previous=found.setting if ours else wanted,
            )
            self._records.put_thread(record)
        if found.setting != wanted:
            prepared.steps.append(
                Step(
                    process=process.key,
                    tid=tid,
                    setting=self._for_kernel(wanted),
                    reset_on_fork=found.reset_on_fork,
                    record=record,
                    puts_back=wanted == original,
                )
            )

    def _original(
        self,
        uid: str,
        process: processes.Process,
        record: originals.ThreadSetting | None,
        current: threads.Setting,
    ) -> threads.Setting:
        """Return what a thread would have without us: what something else has set since is its own."""
        if record is None:
            donors = (one for one in self._kin(uid, process) if current in (one.applied, one.previous))
            return next((one.original for one in donors), current)
        known = (record.original, record.applied, record.previous)
        return threads.Setting(
            nice=record.original.nice if current.nice in [one.nice for one in known] else current.nice,
            slice_ns=record.original.slice_ns
            if current.slice_ns in [one.slice_ns for one in known]
            else current.slice_ns,
        )

    def _kin(self, uid: str, process: processes.Process) -> Iterator[originals.ThreadSetting]:
        """Yield records of those that a thread may have inherited from, the nearest first."""
        of_pod: Mapping[processes.ProcessKey, Mapping[int, originals.ThreadSetting]]
        of_pod = self._records.threads.get(uid, {})
        near = [key for key in of_pod if key == process.key]
        parent = [key for key in of_pod if key.pid == process.ppid]
        for key in (*near, *parent, *of_pod):
            yield from of_pod[key].values()

    def _wanted(
        self, original: threads.Setting, key: processes.ProcessKey, plan: levels.Plan
    ) -> tuple[threads.Setting, bool]:
        """Return what a thread should have, and whether its nice value had to be clamped."""
        nice = original.nice
        if key in plan.nice:
            nice += levels.nice_offset(plan.nice[key])
        clamped = min(max(nice, threads.STRONGEST_NICE), threads.WEAKEST_NICE)
        slice_ns = original.slice_ns
        if plan.slices.get(key) and self._default_slice_ns:
            slice_ns = min(max(plan.slices[key], threads.MIN_SLICE_NS), threads.MAX_SLICE_NS)
        return threads.Setting(nice=clamped, slice_ns=slice_ns), clamped != nice

    def _for_kernel(self, setting: threads.Setting) -> threads.Setting:
        """Return a setting as it is written: the default slice by 0, so that the thread follows the default again."""
        if setting.slice_ns == self._default_slice_ns:
            return dataclasses.replace(setting, slice_ns=0)
        return setting
