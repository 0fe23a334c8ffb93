"""What nodes measure."""

import dataclasses
import datetime
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PodSample:
    """What the processes of one pod have got from the scheduler, since the agent first saw the pod."""

    uid: str
    run_ns: int
    """Time on a CPU."""
    wait_ns: int
    """Time runnable but waiting for a CPU."""
    voluntary_switches: int
    involuntary_switches: int
    migrations: int
    processes: int
    threads: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample of a node."""

    node: str
    taken_at: datetime.datetime
    """By the node's clock."""
    received_at: datetime.datetime
    """By the clock of the manager that got it: ages are counted from it."""
    source: str
    """`external`, `sched_ext` or `kernel`."""
    scheduler: Mapping[str, int]
    """The MetricSet's counters and gauges by name, below 2^64; empty where there are none."""
    pods: tuple[PodSample, ...] = ()
