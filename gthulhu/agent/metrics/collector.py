"""What every collector of scheduler figures offers, and what follows from two readings of one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from gthulhu.agent.domain import process as processes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the kernel counts of a thread, or the sum over several; none ever goes back."""

    run_ns: int = 0
    """Time on a CPU."""
    wait_ns: int = 0
    """Time runnable, waiting for a CPU, summed over threads."""
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    migrations: int = 0
    """From one CPU to another; 0 where the collector cannot tell."""

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})

    def __sub__(self, other: "Counters") -> "Counters":
        return Counters(**{name: getattr(self, name) - getattr(other, name) for name in self.__slots__})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """One reading of one pod."""

    at_ns: int
    """CLOCK_MONOTONIC, when it was read."""
    total: Counters
    """Of all processes that the pod has had while it was watched, also those that have ended."""
    processes: Mapping[processes.ProcessKey, Counters]
    """Of those that live."""
    threads: int = 0
    """How many live."""
    latency: tuple[int, ...] = ()
    """Waits for a CPU, counted by length: slot i holds those of 2^i to 2^(i+1) µs; empty where the collector cannot
    tell."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process has had of an interval."""

    cpu: float
    """Of one CPU: 1.0 is a whole one."""
    wait: float
    """Part of the interval that its threads were runnable and waited, summed over threads."""


class Collector(Protocol):
    """Reads scheduler figures; blocking, called by one thread at a time."""

    name: str
    """`co-re`, `bcc` or `procfs`."""

    def collect(self, pods: Sequence[processes.Pod]) -> Mapping[str, PodUsage]:
        """Return a reading of each pod, by UID; what is not asked for is forgotten."""

    def close(self) -> None:
        """Release what it holds of the kernel."""


def shares(*, before: Mapping[str, PodUsage], after: Mapping[str, PodUsage]) -> Mapping[processes.ProcessKey, Share]:
    """Return what each process that is in two readings has had of the time between them."""
    found = {}
    for uid, now in after.items():
        then = before.get(uid)
        if then is None or now.at_ns <= then.at_ns:
            continue
        interval = now.at_ns - then.at_ns
        for key, counters in now.processes.items():
            if key in then.processes:
                spent = counters - then.processes[key]
                found[key] = Share(cpu=spent.run_ns / interval, wait=spent.wait_ns / interval)
    return found
