"""What the demo prints: a small table that follows the two processes, and one JSON line last."""

import dataclasses
import json
import time
from collections.abc import Sequence

import rich.box
import rich.console
import rich.live
import rich.table

from gthulhu.cli.demo import workload

_REFRESH_SECONDS = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """What one process got during a phase."""

    percent: float
    """Of what all processes of the demo got."""
    wait_ms_per_s: float
    """Milliseconds on the run queue, each second."""


class Display:
    """Follows the pods through the phases."""

    def __init__(self, pods: Sequence[workload.DemoPod], *, console: rich.console.Console) -> None:
        """Take what to follow."""
        self._pods = pods
        self._console = console
        self._phases: dict[str, list[Share]] = {}

    def measure(self, phase: str, *, seconds: float) -> float:
        """Follow a phase live; returns the first pod's share of the CPU, in per cent."""
        start = time.monotonic()
        first = [workload.Usage.of(pod.pid) for pod in self._pods]
        with rich.live.Live(console=self._console, auto_refresh=False, transient=True) as live:
            while (elapsed := time.monotonic() - start) < seconds:
                time.sleep(min(_REFRESH_SECONDS, seconds - elapsed))
                used = [workload.Usage.of(pod.pid).since(was) for pod, was in zip(self._pods, first, strict=True)]
                self._phases[phase] = shares(used, seconds=time.monotonic() - start)
                live.update(self.table(), refresh=True)
        return self._phases[phase][0].percent

    def table(self) -> rich.table.Table:
        """Return what has been seen so far."""
        title = "share of the CPU, and wait on its run queue"
        table = rich.table.Table("pod", title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
        for phase in self._phases:
            table.add_column(phase, justify="right")
        for number, pod in enumerate(self._pods):
            cells = [self._phases[phase][number] for phase in self._phases]
            table.add_row(pod.name, *(f"{cell.percent:.0f} %  {cell.wait_ms_per_s:.0f} ms/s" for cell in cells))
        return table


def shares(used: Sequence[workload.Usage], *, seconds: float) -> list[Share]:
    """Return each process's part of what all of them ran, and how long each waited."""
    total = sum(one.run_ns for one in used) or 1
    return [Share(100 * one.run_ns / total, one.wait_ns / 1e6 / seconds) for one in used]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo has seen: the chosen pod's share in per cent, before, during and after."""

    before: float
    during: float
    after: float
    enforcer: str
    strategy_to_kernel_ms: float | None
    """From before the POST until the pod's weight had changed; None where nothing may be changed."""

    def missing(self) -> list[str]:
        """Return, in words, what was expected and not seen."""
        even, strong = (40, 60), 80
        found = [
            f"{name} was {share:.0f} %, expected {even[0]} to {even[1]} %"
            for name, share in (("before", self.before), ("after", self.after))
            if not even[0] <= share <= even[1]
        ]
        if self.during < strong:
            found.append(f"during was {self.during:.0f} %, expected at least {strong} %")
        return found

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(
            {
                key: round(value, 1) if isinstance(value, float) else value
                for key, value in dataclasses.asdict(self).items()
            }
        )
