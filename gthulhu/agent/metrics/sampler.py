"""What the node's scheduler does now: from an external one, else from our own, else what the kernel tells."""

import dataclasses
import datetime
import os
import pathlib
from collections.abc import Callable, Mapping

from gthulhu.agent.metrics import collector as collecting
from gthulhu.common import clock as clocks

EXTERNAL_AGE = 60.0
"""Seconds after which an external scheduler that has reported nothing counts as gone."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MetricSet:
    """The state of a scheduler, under the names that sched_ext schedulers report; see metric.proto for meanings."""

    usersched_last_run_at: int = 0
    nr_queued: int = 0
    nr_scheduled: int = 0
    nr_running: int = 0
    nr_online_cpus: int = 0
    nr_user_dispatches: int = 0
    nr_kernel_dispatches: int = 0
    nr_cancel_dispatches: int = 0
    nr_bounce_dispatches: int = 0
    nr_failed_dispatches: int = 0
    nr_sched_congested: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample of the node."""

    time: datetime.datetime
    metric_set: MetricSet
    source: str
    """`external`, `sched_ext` (our own) or `kernel`."""
    pods: Mapping[str, collecting.PodUsage]
    """By UID, of pods that have decisions."""


class Sampler:
    """Takes samples, and takes in what an external scheduler reports."""

    def __init__(
        self,
        *,
        clock: clocks.Clock,
        usage: Callable[[], Mapping[str, collecting.PodUsage]],
        proc_root: pathlib.Path = pathlib.Path("/proc"),
        own: Callable[[], MetricSet | None] = lambda: None,
    ) -> None:
        """Take the time, the pods' figures, the node's /proc, and our own scheduler's figures while it is loaded."""
        self._clock = clock
        self._usage = usage
        self._loadavg = proc_root / "loadavg"
        self._own = own
        self._external = MetricSet()
        self._external_at: float | None = None

    def report(self, metric_set: MetricSet) -> None:
        """Take in an external scheduler's figures: they stand for the node until it falls silent."""
        self._external = metric_set
        self._external_at = self._clock.monotonic()

    def scheduler(self) -> tuple[MetricSet, str]:
        """Return the scheduler's figures now, and their source."""
        if self._external_at is not None and self._clock.monotonic() - self._external_at <= EXTERNAL_AGE:
            return self._external, "external"
        if (own := self._own()) is not None:
            return own, "sched_ext"
        return self._of_kernel(), "kernel"

    def sample(self) -> Sample:
        """Return everything about the node now."""
        metric_set, source = self.scheduler()
        return Sample(time=self._clock.now(), metric_set=metric_set, source=source, pods=self._usage())

    def _of_kernel(self) -> MetricSet:
        """Return what /proc/loadavg tells: its fourth field is `runnable/all` (proc_loadavg(5)).

        Runnable are those that run and those that wait for a CPU; at most one a CPU can run. What only a sched_ext
        scheduler counts stays 0.
        """
        runnable = int(self._loadavg.read_text().split()[3].partition("/")[0])
        online = os.sysconf("SC_NPROCESSORS_ONLN")
        return MetricSet(nr_running=min(runnable, online), nr_queued=max(0, runnable - online), nr_online_cpus=online)
