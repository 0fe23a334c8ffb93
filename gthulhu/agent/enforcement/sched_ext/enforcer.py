"""Enforces through our own sched_ext scheduler; when the kernel ejects it, the stock enforcer takes over."""

import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, levels, limits
from gthulhu.agent.enforcement.sched_ext import scheduler as schedulers
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import libbpf
from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common import priority as priorities

_logger = logging.getLogger(__name__)

POD_POLICY, CONTAINER_POLICY, PROCESS_POLICY = "pod-policy", "container-policy", "process-policy"
MIN_SLICE_NS, MAX_SLICE_NS = 100_000, 1_000_000_000
SETTLED_SECONDS = 2.0
"""See `levels.plan`."""
RETRIES = 5
FIRST_RETRY_SECONDS = 1.0
"""After an ejection; doubled each time. After the last the stock enforcer stays until the agent is started anew."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One policy in one of the two maps."""

    map: str
    """`cgroups` or `tasks`."""
    key: int
    priority: int = priorities.NEUTRAL
    slice_ns: int = 0


class SchedExt:
    """See `base.Enforcer`."""

    def __init__(
        self,
        *,
        load: Callable[[], schedulers.Scheduler],
        hierarchy: hierarchies.Hierarchy,
        fallback: base.Enforcer,
        clock: clocks.Clock,
    ) -> None:
        """Load the scheduler.

        Args:
            load: Returns the loaded scheduler, or raises what `schedulers.Scheduler` does.
            hierarchy: Where pods' cgroups are.
            fallback: Takes over while the scheduler is not loaded.
            clock: Paces the retries.
        """
        self._load = load
        self._hierarchy = hierarchy
        self._fallback = fallback
        self._clock = clock
        self._scheduler: schedulers.Scheduler | None = load()
        self._written: dict[str, dict[tuple[str, int], _Entry]] = {}
        self._targets: dict[str, base.PodTarget] = {}
        self._inherited = self._entries_in_kernel()
        self._retries = 0
        self._retry_at = 0.0
        self._ejection = ""

    def capabilities(self) -> base.Capabilities:
        """See `base.Enforcer.capabilities`."""
        if self._scheduler is None:
            return dataclasses.replace(self._fallback.capabilities(), reason=f"sched_ext ended: {self._ejection}")
        return base.Capabilities(
            enforcer="sched_ext",
            levers=(POD_POLICY, CONTAINER_POLICY, PROCESS_POLICY),
            min_slice_ns=MIN_SLICE_NS,
            max_slice_ns=MAX_SLICE_NS,
        )

    def counters(self) -> schedulers.Counters | None:
        """Return what the scheduler has done; None while it is not loaded."""
        return self._scheduler.counters() if self._scheduler else None

    def apply(self, targets: Sequence[base.PodTarget]) -> Mapping[processes.ProcessKey, base.Effect]:
        """See `base.Enforcer.apply`."""
        for target in targets:
            self._targets[target.pod.uid] = target
            if not target.decisions:
                del self._targets[target.pod.uid]
        if self._scheduler is None:
            return self._fallback.apply(targets)
        found: dict[processes.ProcessKey, base.Effect] = {}
        for target in targets:
            found |= self._apply(self._scheduler, target)
        return found

    def forget(self, pod_uids: Sequence[str]) -> None:
        """See `base.Enforcer.forget`."""
        for uid in pod_uids:
            self._targets.pop(uid, None)
            if self._scheduler:
                self._write(self._scheduler, uid, {})
        self._fallback.forget(pod_uids)

    def holds(self) -> frozenset[str]:
        """See `base.Enforcer.holds`."""
        return frozenset(self._written) | self._fallback.holds()

    def postponed(self) -> frozenset[str]:
        """See `base.Enforcer.postponed`."""
        return self._fallback.postponed()

    def verify(self) -> Sequence[str]:
        """See `base.Enforcer.verify`; notices that the kernel has ejected the scheduler, and tries again later."""
        if self._scheduler is None:
            return self._recovered() if self._due() else self._fallback.verify()
        if reason := self._scheduler.ejected():
            return self._give_way(reason)
        for kind, key in self._inherited:
            del _table(self._scheduler, kind)[key]
        self._inherited = frozenset()
        return ()

    def withdraw_all(self) -> None:
        """See `base.Enforcer.withdraw_all`: the scheduler is unloaded."""
        if self._scheduler:
            self._scheduler.unload()
            self._scheduler = None
        self._written, self._inherited = {}, frozenset()
        self._fallback.withdraw_all()

    # The scheduler's maps.

    def _apply(
        self, scheduler: schedulers.Scheduler, target: base.PodTarget
    ) -> Mapping[processes.ProcessKey, base.Effect]:
        settled_before = int((time.clock_gettime(time.CLOCK_BOOTTIME) - SETTLED_SECONDS) * _TICKS)
        plan = levels.plan(target, settled_before=settled_before)
        try:
            self._write(scheduler, target.pod.uid, self._entries(target, plan))
        except libbpf.BpfError as error:
            return {key: base.Effect(failure=error.message) for key in target.decisions}
        return {key: self._effect(target, plan, key) for key in target.decisions}

    def _entries(self, target: base.PodTarget, plan: levels.Plan) -> dict[tuple[str, int], _Entry]:
        found = [
            _Entry(map="tasks", key=key.pid, priority=plan.nice.get(key, priorities.NEUTRAL), slice_ns=slice_ns)
            for key in plan.nice.keys() | plan.slices.keys()
            for slice_ns in (plan.slices.get(key, 0),)
        ]
        weighted = {one.cgroup: plan.containers[one.id] for one in target.pod.containers if one.id in plan.containers}
        if plan.pod != priorities.NEUTRAL:
            weighted[target.pod.cgroup] = plan.pod
        for cgroup, priority in weighted.items():
            try:
                inode = (self._hierarchy.root / cgroup).stat().st_ino
            except FileNotFoundError:
                continue
            found.append(_Entry(map="cgroups", key=inode, priority=priority))
        return {(one.map, one.key): one for one in found}

    def _write(self, scheduler: schedulers.Scheduler, uid: str, wanted: dict[tuple[str, int], _Entry]) -> None:
        before = self._written.get(uid, {})
        for name, one in wanted.items():
            if before.get(name) != one:
                factor = round(schedulers.FACTOR_ONE * priorities.weight_factor(one.priority))
                policy = schedulers.Policy(factor=factor, slice_ns=one.slice_ns)
                _table(scheduler, one.map)[one.key] = policy
        for kind, key in before.keys() - wanted.keys():
            del _table(scheduler, kind)[key]
        self._inherited -= wanted.keys()
        self._written[uid] = wanted
        if not wanted:
            del self._written[uid]

    def _entries_in_kernel(self) -> frozenset[tuple[str, int]]:
        """Return what an adopted scheduler still has from before: dropped at the first verification, unless wanted."""
        scheduler = self._scheduler
        if scheduler is None:
            return frozenset()
        return frozenset((kind, key) for kind in ("cgroups", "tasks") for key in _table(scheduler, kind))

    def _effect(self, target: base.PodTarget, plan: levels.Plan, key: processes.ProcessKey) -> base.Effect:
        decision = target.decisions[key]
        if decision.priority == priorities.NEUTRAL:
            return base.Effect(levers=(PROCESS_POLICY,) if decision.execution_time_ns else ())
        if plan.pod != priorities.NEUTRAL:
            reach = (limits.LIMITED_BY_QOS,) if target.pod.qos != "Guaranteed" else ()
            return base.Effect(levers=(POD_POLICY,), limits=reach)
        if key in plan.nice:
            return base.Effect(levers=(PROCESS_POLICY,), limits=(limits.WITHIN_CONTAINER,))
        return base.Effect(levers=(CONTAINER_POLICY,), limits=(limits.WITHIN_POD,))

    # Ejection.

    def _give_way(self, reason: str) -> Sequence[str]:
        _logger.error("the kernel has ended the sched_ext scheduler", extra={"reason": reason})
        if self._scheduler:
            self._scheduler.unload()
        self._scheduler, self._written, self._ejection = None, {}, reason
        self._retry_at = self._clock.monotonic() + FIRST_RETRY_SECONDS * 2**self._retries
        self._fallback.apply(list(self._targets.values()))
        return list(self._targets)

    def _due(self) -> bool:
        return self._retries < RETRIES and self._clock.monotonic() >= self._retry_at

    def _recovered(self) -> Sequence[str]:
        self._retries += 1
        try:
            self._scheduler = self._load()
        except errors.DomainError as error:
            self._retry_at = self._clock.monotonic() + FIRST_RETRY_SECONDS * 2**self._retries
            self._ejection = error.message
            return ()
        self._fallback.withdraw_all()
        for target in self._targets.values():
            self._apply(self._scheduler, target)
        _logger.warning("the sched_ext scheduler is loaded again", extra={"retries": self._retries})
        return list(self._targets)


def _table(scheduler: schedulers.Scheduler, kind: str) -> schedulers.Policies:
    return scheduler.cgroups if kind == "cgroups" else scheduler.tasks


def bandwidth_operations(btf: pathlib.Path = pathlib.Path("/sys/kernel/btf/vmlinux")) -> bool:
    """Tell whether the kernel offers cpu.max to sched_ext schedulers (6.17 and later do)."""
    try:
        return b"\0cgroup_set_bandwidth\0" in btf.read_bytes()
    except OSError:
        return False
