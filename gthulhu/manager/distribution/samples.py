"""What nodes have measured lately, as their agents sent it: in memory, on the replica that has the stream."""

import collections
import dataclasses
import datetime
from collections.abc import Mapping, Sequence

KEEP = 60
"""Samples of a node: some minutes at the usual pace."""


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
    """By this replica's clock: ages are counted from it."""
    source: str
    """`external`, `sched_ext` or `kernel`."""
    scheduler: Mapping[str, int]
    """The MetricSet's counters and gauges by name; empty where there are none."""
    pods: tuple[PodSample, ...] = ()


class Samples:
    """The latest sample of each node, and a short ring of those before it."""

    def __init__(self, *, keep: int = KEEP) -> None:
        """Keep so many samples of a node."""
        self._keep = keep
        self._rings: dict[str, collections.deque[Sample]] = {}

    def add(self, sample: Sample) -> None:
        """Take in a sample; pods are kept of the latest one only, which bounds what a large node takes."""
        ring = self._rings.setdefault(sample.node, collections.deque(maxlen=self._keep))
        if ring:
            ring[-1] = dataclasses.replace(ring[-1], pods=())
        ring.append(sample)

    def latest(self, node: str) -> Sample | None:
        """Return the latest sample of a node; None where it has sent none to this replica."""
        ring = self._rings.get(node)
        return ring[-1] if ring else None

    def recent(self, node: str) -> Sequence[Sample]:
        """Return what is kept of a node, oldest first."""
        return tuple(self._rings.get(node, ()))

    def all(self) -> Sequence[Sample]:
        """Return the latest sample of every node, by node."""
        return [ring[-1] for _, ring in sorted(self._rings.items())]

    def forget(self, node: str) -> None:
        """Drop what is kept of a node that is gone."""
        self._rings.pop(node, None)
