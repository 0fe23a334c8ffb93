"""Which lever carries what: pure.

Between pods only the weight of the pod's cgroup counts, inside a pod the containers' weights, inside a container nice.
So what is decided alike for all of a pod goes to the pod, else what is decided alike for all of a container goes to
that container, and the rest to the processes: one lever per level, never two for one decision.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base
from gthulhu.common import priority as priorities

_NICE_STEP = 1.25
"""The kernel's weight of a nice value is about 1.25 times that of the next (kernel/sched/core.c)."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a pod should have at each level; what is not named should have nothing of ours."""

    pod: int = priorities.NEUTRAL
    """Priority for the pod's weight."""
    containers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Priorities for the weights of containers, by id."""
    nice: Mapping[processes.ProcessKey, int] = dataclasses.field(default_factory=dict)
    """Priorities for the nice values of processes."""
    slices: Mapping[processes.ProcessKey, int] = dataclasses.field(default_factory=dict)
    """Slices of processes' threads, nanoseconds."""


def plan(target: base.PodTarget, *, settled_before: int) -> Plan:
    """Return the levels for one pod's decisions.

    A process that no decision covers and that started at `settled_before` (clock ticks after boot) or later does not
    count yet: the helper that a probe starts every few seconds must not move the pod from one lever to another.
    """
    counted = [
        one
        for one in target.pod.processes
        if not one.is_pause and (one.key in target.decisions or one.key.start_time < settled_before)
    ]
    slices = {key: one.execution_time_ns for key, one in target.decisions.items() if one.execution_time_ns}
    of_pod = _common(counted, target)
    if of_pod is not None:
        return Plan(pod=of_pod, slices=slices)
    containers: dict[str, int] = {}
    nice: dict[processes.ProcessKey, int] = {}
    for container in target.pod.containers:
        its = [one for one in counted if one.container_id == container.id]
        of_container = _common(its, target)
        if of_container is not None:
            containers[container.id] = of_container
            continue
        nice |= {one.key: target.decisions[one.key].priority for one in its if one.key in target.decisions}
    return Plan(
        containers={key: value for key, value in containers.items() if value != priorities.NEUTRAL},
        nice={key: value for key, value in nice.items() if value != priorities.NEUTRAL},
        slices=slices,
    )


def _common(its: Iterable[processes.Process], target: base.PodTarget) -> int | None:
    """Return the priority that all processes share; None where they do not, or where there are none."""
    found = {target.decisions[one.key].priority if one.key in target.decisions else None for one in its}
    return found.pop() if len(found) == 1 else None


def nice_offset(priority: int) -> int:
    """Return what a priority adds to a nice value: as near to the weight factor as nice can come (3 becomes -9)."""
    return -round(math.log(priorities.weight_factor(priority), _NICE_STEP))
