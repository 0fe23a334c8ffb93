"""The levers inside a container: nice values and slices of threads.

Threads and children inherit both, so what is found on a thread that nothing is known of may be ours already: then its
original is that of whom it came from.
"""

import dataclasses
from collections.abc import Mapping

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


Heritage = Mapping[tuple[int, threads.Setting], threads.Setting]
"""Originals by PID (0: any) and setting of ours."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Prepared:
    """What is to be done for one pod's threads; originals are noted, and to be committed before it is done."""

    steps: list[Step] = dataclasses.field(default_factory=list)
    limits: dict[processes.ProcessKey, set[str]] = dataclasses.field(default_factory=dict)
    failures: dict[processes.ProcessKey, str] = dataclasses.field(default_factory=dict)
    looked: bool = False
    """Whether the pod's threads were looked at: where nothing is wanted of them and nothing known, they are not."""
    tids: dict[processes.ProcessKey, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    """The threads of each process that was alive when they were."""
    heritage: Heritage = dataclasses.field(default_factory=dict)


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
        prepared.looked = True
        prepared.heritage = self._heritage(uid)
        for process in target.pod.processes:
            found = prepared.limits.setdefault(process.key, set())
            try:
                prepared.tids[process.key] = self._tids(process.key)
                for tid in prepared.tids[process.key]:
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

    def prepare_new(self, target: base.PodTarget, plan: levels.Plan, prepared: Prepared) -> None:
        """Add what is to be done for threads that have come since: their makers may not have been changed yet then."""
        prepared.steps.clear()
        prepared.heritage = self._heritage(target.pod.uid)
        for process in target.pod.processes:
            seen = prepared.tids.get(process.key, ())
            if not seen:
                continue
            try:
                now = procfs.threads(self._proc, process.key.pid)
            except ProcessLookupError:
                continue
            for tid in sorted(set(now) - set(seen)):
                self._thread(target.pod.uid, process, tid, plan, prepared)
            prepared.tids[process.key] = now

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

    def prune(self, target: base.PodTarget, prepared: Prepared) -> None:
        """Forget processes and threads of a pod that have ended."""
        if prepared.looked:
            for key, its in list(self._records.threads.get(target.pod.uid, {}).items()):
                live = prepared.tids.get(key, ())
                for record in [one for tid, one in its.items() if tid not in live]:
                    self._records.drop_thread(record)

    def _tids(self, key: processes.ProcessKey) -> tuple[int, ...]:
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
        original = self._original(process, record, found.setting, prepared.heritage)
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
        process: processes.Process,
        record: originals.ThreadSetting | None,
        current: threads.Setting,
        heritage: Heritage,
    ) -> threads.Setting:
        """Return what a thread would have without us: what something else has set since is its own."""
        if record is None:
            ways = ((pid, current) for pid in (process.key.pid, process.ppid, 0))
            return next((heritage[way] for way in ways if way in heritage), current)
        known = (record.original, record.applied, record.previous)
        return threads.Setting(
            nice=record.original.nice if current.nice in [one.nice for one in known] else current.nice,
            slice_ns=record.original.slice_ns
            if current.slice_ns in [one.slice_ns for one in known]
            else current.slice_ns,
        )

    def _heritage(self, uid: str) -> Heritage:
        """Return whose original belongs to a setting of ours: by the PID of who may have handed it on, and of anyone's.

        The parent may have ended; then whoever in the pod had the same from us is as good.
        """
        found: dict[tuple[int, threads.Setting], threads.Setting] = {}
        for key, its in self._records.threads.get(uid, {}).items():
            for one in its.values():
                for setting in (one.applied, one.previous):
                    found[key.pid, setting] = found[0, setting] = one.original
        return found

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
