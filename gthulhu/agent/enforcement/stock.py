"""Enforces with what every kernel has: weights of cgroups, nice values, and (since 6.12) slices of threads."""

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, levels, limits, originals, thread_levers, threads, weights
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import procfs
from gthulhu.common import clock as clocks
from gthulhu.common import priority as priorities

POD_WEIGHT = "pod-weight"
CONTAINER_WEIGHT = "container-weight"
THREAD_SLICE = "thread-slice"
THREAD_NICE = "thread-nice"

SETTLED_SECONDS = 2.0
"""See `levels.plan`."""

_ROUNDS = 3
"""A thread made by one that was not changed yet has missed the change: look again while anything was changed."""

_SLICED = frozenset({"Burstable", "BestEffort"})
"""QoS classes whose pods lie together in a slice of the kubelet's."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facilities:
    """What of it the node allows."""

    weights: bool
    """The agent may write weights of cgroups."""
    nice: bool
    """The agent may change other users' threads (CAP_SYS_NICE)."""
    default_slice_ns: int
    """The kernel's default slice; 0: threads have no slice of their own."""

    def levers(self) -> tuple[str, ...]:
        """Return the levers that work."""
        return (
            *((POD_WEIGHT, CONTAINER_WEIGHT) if self.weights else ()),
            *((THREAD_SLICE,) if self.nice and self.default_slice_ns else ()),
            *((THREAD_NICE,) if self.nice else ()),
        )


@dataclasses.dataclass(slots=True, kw_only=True)
class _Pod:
    """One pod on its way through `apply`."""

    target: base.PodTarget
    plan: levels.Plan
    weights: Mapping[str, int]
    """Priority by cgroup: those that should have a weight of ours."""
    limits: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By cgroup."""
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    """By cgroup."""
    threads: thread_levers.Prepared = dataclasses.field(default_factory=thread_levers.Prepared)
    changed: bool = False


class Stock:
    """See `base.Enforcer`."""

    def __init__(
        self,
        *,
        hierarchy: hierarchies.Hierarchy,
        proc_root: str,
        records: originals.Originals,
        facilities: Facilities,
        clock: clocks.Clock,
        reason: str = "",
    ) -> None:
        """Take the node's interfaces, where originals are kept, and why nothing stronger was chosen."""
        self._hierarchy = hierarchy
        self._proc = proc_root
        self._records = records
        self._facilities = facilities
        self._reason = reason
        self._weights = weights.Weights(hierarchy=hierarchy, records=records, clock=clock)
        self._threads = thread_levers.ThreadLevers(
            proc_root=proc_root,
            records=records,
            default_slice_ns=facilities.default_slice_ns if facilities.nice else 0,
        )
        self._targets: dict[str, base.PodTarget] = {}

    def capabilities(self) -> base.Capabilities:
        """See `base.Enforcer.capabilities`."""
        levers = self._facilities.levers()
        return base.Capabilities(
            enforcer="stock",
            reason=self._reason,
            levers=levers,
            min_slice_ns=threads.MIN_SLICE_NS if THREAD_SLICE in levers else 0,
            max_slice_ns=threads.MAX_SLICE_NS if THREAD_SLICE in levers else 0,
        )

    def apply(self, targets: Sequence[base.PodTarget]) -> Mapping[processes.ProcessKey, base.Effect]:
        """See `base.Enforcer.apply`."""
        return {key: effect for pod in self._apply(targets) for key, effect in self._effects(pod).items()}

    def forget(self, pod_uids: Sequence[str]) -> None:
        """See `base.Enforcer.forget`."""
        for uid in pod_uids:
            self._targets.pop(uid, None)
            self._records.drop_pod(uid)
        self._records.commit()

    def holds(self) -> frozenset[str]:
        """See `base.Enforcer.holds`."""
        return frozenset(self._records.pods)

    def postponed(self) -> frozenset[str]:
        """See `base.Enforcer.postponed`."""
        waiting, self._weights.postponed = self._weights.postponed, set()
        return frozenset(waiting)

    def verify(self) -> Sequence[str]:
        """See `base.Enforcer.verify`."""
        return [pod.target.pod.uid for pod in self._apply(list(self._targets.values())) if pod.changed]

    def withdraw_all(self) -> None:
        """See `base.Enforcer.withdraw_all`."""
        self._apply([self._bare(uid, cgroup) for uid, cgroup in self._records.pods.items()])

    def close(self) -> None:
        """Release the records; what is in force stays so."""
        self._records.close()

    def _bare(self, uid: str, cgroup: str) -> base.PodTarget:
        """Return a pod as far as putting it back needs: its processes, with nothing decided on them."""
        found = []
        for pid in self._hierarchy.pids(cgroup):
            try:
                stat = procfs.stat(self._proc, pid)
            except ProcessLookupError:
                continue
            found.append(
                processes.Process(
                    key=processes.ProcessKey(pid, stat.start_time),
                    ppid=stat.ppid,
                    comm=stat.comm,
                    container_id="",
                    threads=(),
                )
            )
        return base.PodTarget(pod=processes.Pod(uid=uid, cgroup=cgroup, qos="", processes=tuple(found)), decisions={})

    # All pods together: one commit of originals for a whole batch, then the changes.

    def _apply(self, targets: Sequence[base.PodTarget]) -> Sequence[_Pod]:
        settled_before = int((time.clock_gettime(time.CLOCK_BOOTTIME) - SETTLED_SECONDS) * _TICKS)
        pods = [self._planned(target, settled_before=settled_before) for target in targets]
        for pod in pods:
            self._prepare_weights(pod)
            pod.threads = self._threads.prepare(pod.target, pod.plan)
        self._records.commit()
        for pod in pods:
            self._write_weights(pod)
        for _ in range(_ROUNDS):
            changed = [pod for pod in pods if self._threads.write(pod.threads)]
            for pod in changed:
                pod.changed = True
                self._threads.prepare_new(pod.target, pod.plan, pod.threads)
            if not changed:
                break
            self._records.commit()
        for pod in pods:
            self._finish(pod)
        self._records.commit()
        return pods

    def _planned(self, target: base.PodTarget, *, settled_before: int) -> _Pod:
        plan = levels.plan(target, settled_before=settled_before)
        wanted = {one.cgroup: plan.containers[one.id] for one in target.pod.containers if one.id in plan.containers}
        if plan.pod != priorities.NEUTRAL:
            wanted[target.pod.cgroup] = plan.pod
        uid = target.pod.uid
        if target.decisions:
            self._targets[uid] = target
            self._records.put_pod(uid, target.pod.cgroup)
        else:
            self._targets.pop(uid, None)
        return _Pod(target=target, plan=plan, weights=wanted if self._facilities.weights else {})

    def _prepare_weights(self, pod: _Pod) -> None:
        for cgroup, priority in pod.weights.items():
            try:
                pod.limits[cgroup] = self._weights.prepare(cgroup, pod_uid=pod.target.pod.uid, priority=priority)
            except OSError as error:
                pod.failures[cgroup] = str(error)

    def _write_weights(self, pod: _Pod) -> None:
        for cgroup in pod.weights.keys() - pod.failures.keys():
            try:
                pod.changed |= self._weights.write(cgroup)
            except OSError as error:
                pod.failures[cgroup] = str(error)
        for cgroup in self._weights.of(pod.target.pod.uid) - pod.weights.keys():
            pod.changed |= self._weights.restore(cgroup)

    def _finish(self, pod: _Pod) -> None:
        uid = pod.target.pod.uid
        self._threads.prune(pod.target, pod.threads)
        if not pod.target.decisions and not self._weights.of(uid) and uid not in self._records.threads:
            self._records.drop_pod(uid)

    # What has become of each decision.

    def _effects(self, pod: _Pod) -> Mapping[processes.ProcessKey, base.Effect]:
        cgroups = {one.id: one.cgroup for one in pod.target.pod.containers}
        found = {}
        for process in pod.target.pod.processes:
            decision = pod.target.decisions.get(process.key)
            if decision is not None and (process.key in pod.threads.tids or not pod.threads.looked):
                found[process.key] = self._effect(pod, decision, cgroups.get(process.container_id, ""))
        return found

    def _effect(self, pod: _Pod, decision: decisions.Decision, container: str) -> base.Effect:
        key = decision.process
        levers: list[str] = []
        limited = set(pod.threads.limits.get(key, ()))
        failures = [one for one in (pod.threads.failures.get(key),) if one]
        if decision.priority != priorities.NEUTRAL:
            lever, cgroup, limit = self._level(pod, key, container)
            limited |= limit
            if cgroup in pod.failures:
                failures.append(pod.failures[cgroup])
            elif lever and not (lever == THREAD_NICE and failures):
                levers.append(lever)
                limited |= set(pod.limits.get(cgroup, ()))
            else:
                limited.add(limits.WEIGHT_UNSUPPORTED)
        if decision.execution_time_ns and not failures and limits.SLICE_UNSUPPORTED not in limited:
            levers.append(THREAD_SLICE)
        return base.Effect(
            levers=tuple(levers),
            limits=tuple(sorted(limited)),
            failure="; ".join(failures) if not levers else "",
        )

    def _level(self, pod: _Pod, key: processes.ProcessKey, container: str) -> tuple[str, str, set[str]]:
        """Return the lever that carries a process's priority, its cgroup, and how far that reaches."""
        target = pod.target.pod
        if pod.plan.pod != priorities.NEUTRAL:
            reach = {limits.LIMITED_BY_QOS} if target.qos in _SLICED else set()
            return POD_WEIGHT if self._facilities.weights else "", target.cgroup, reach
        if key in pod.plan.nice:
            return THREAD_NICE if self._facilities.nice else "", "", {limits.WITHIN_CONTAINER}
        return CONTAINER_WEIGHT if self._facilities.weights else "", container, {limits.WITHIN_POD}
