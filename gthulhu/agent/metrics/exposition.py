"""The agent's Prometheus metrics: every one that there is, in one place; docs/reference/metrics.md is made from it."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import prometheus_client
from prometheus_client import core, registry

from gthulhu.agent.domain import intent as intents
from gthulhu.agent.metrics import collector as collecting
from gthulhu.agent.metrics import sampler as samplers

PREFIX = "gthulhu_agent_"

_SCHEDULER_NOW: Sequence[tuple[str, str, Callable[[samplers.MetricSet], float]]] = (
    (
        "last_run_timestamp_seconds",
        "When the user-space part of the scheduler last ran, Unix time.",
        lambda one: one.usersched_last_run_at / 1e9,
    ),
    ("nr_queued", "Tasks that wait in the scheduler's queues.", lambda one: one.nr_queued),
    (
        "nr_scheduled",
        "Tasks that the scheduler has taken from the kernel and not dispatched yet.",
        lambda one: one.nr_scheduled,
    ),
    ("nr_running", "Tasks that run now.", lambda one: one.nr_running),
    ("nr_online_cpus", "CPUs that are online.", lambda one: one.nr_online_cpus),
)
_SCHEDULER: Sequence[tuple[str, str, Callable[[samplers.MetricSet], float]]] = (
    ("user_dispatches", "Dispatches by the scheduler's user-space part.", lambda one: one.nr_user_dispatches),
    ("kernel_dispatches", "Dispatches by its kernel part.", lambda one: one.nr_kernel_dispatches),
    ("cancel_dispatches", "Dispatches that were cancelled.", lambda one: one.nr_cancel_dispatches),
    (
        "bounce_dispatches",
        "Dispatches that went to another queue than intended.",
        lambda one: one.nr_bounce_dispatches,
    ),
    ("failed_dispatches", "Dispatches that failed.", lambda one: one.nr_failed_dispatches),
    ("congested", "How often the scheduler was congested.", lambda one: one.nr_sched_congested),
)

_POD: Sequence[tuple[str, str, Callable[[collecting.Counters], float]]] = (
    ("run_seconds", "Time that the pod's threads were on a CPU.", lambda one: one.run_ns / 1e9),
    ("wait_seconds", "Time that the pod's threads were runnable and waited for a CPU.", lambda one: one.wait_ns / 1e9),
    ("voluntary_switches", "Voluntary context switches of the pod's threads.", lambda one: one.voluntary_switches),
    (
        "involuntary_switches",
        "Involuntary context switches of the pod's threads.",
        lambda one: one.involuntary_switches,
    ),
    ("migrations", "Moves of the pod's threads from one CPU to another.", lambda one: one.migrations),
)

_POD_NOW: Sequence[tuple[str, str, Callable[[collecting.PodUsage], float]]] = (
    ("processes", "Processes of the pod.", lambda one: len(one.processes)),
    ("threads", "Threads of the pod.", lambda one: one.threads),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Where the values come from that are looked up when somebody asks."""

    scheduler: Callable[[], tuple[samplers.MetricSet, str]]
    """The scheduler's figures, and their source."""
    usage: Callable[[], Mapping[str, collecting.PodUsage]]
    """By pod UID."""
    in_force: Callable[[], Mapping[str, intents.Intent]]
    """By intent id."""
    held: Callable[[], int]
    """Intents accepted of the manager."""
    posted: Callable[[], int]
    """Intents posted over the older protocol."""
    decisions: Callable[[], tuple[int, int]]
    """How many there are, and how many of them are not in force."""
    silence_seconds: Callable[[], float]
    """Since when no manager is there; 0 while one is."""
    omitted: Callable[[], int]
    """Decisions that an external scheduler has no room for."""


class Exposition:
    """One registry with everything in it; counters are raised through the attributes."""

    def __init__(self, *, version: str, enforcer: str) -> None:
        """Take what the agent is."""
        self.registry = registry.CollectorRegistry()
        info = self._gauge("info", "What the agent is; always 1.", ("version", "enforcer"))
        info.labels(version=version, enforcer=enforcer).set(1)
        self.session_connected = self._gauge("session_connected", "Whether a manager is there: 1 or 0.")
        self.session_attempts = self._counter("session_attempts", "Sessions that were tried.")
        self.session_ends = self._counter("session_ends", "Sessions that ended, by what ended them.", ("code",))
        self.deltas = prometheus_client.Histogram(
            f"{PREFIX}delta_seconds",
            "From a complete delta to its acknowledgement: on disk, in force.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.rejected = self._counter("intents_rejected", "Intents of the manager that could not be taken.")
        self.samples = self._counter("metric_samples", "Samples taken for the manager.")
        self.samples_dropped = self._counter("metric_samples_dropped", "Samples that a newer one replaced unsent.")
        self.tokens = self._counter("token_requests", "Tokens asked for, by what came of it.", ("outcome",))

    def follow(self, readings: Readings) -> None:
        """Show these values too; to be called once."""
        self.registry.register(_Live(readings))

    def text(self) -> bytes:
        """Return everything in Prometheus's text format 0.0.4."""
        return prometheus_client.generate_latest(self.registry)

    def _gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, labels: Iterable[str] = ()) -> prometheus_client.Counter:
        return prometheus_client.Counter(PREFIX + name, text, labels, registry=self.registry)


class _Live(registry.Collector):
    """Reads when it is asked."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[core.Metric]:
        """Yield every family, also those that have no sample now."""
        of = self._readings
        decisions, failed = of.decisions()
        yield _gauge("intents_held", "Intents accepted of the manager.", of.held())
        yield _gauge("intents_posted", "Intents posted over the older protocol.", of.posted())
        yield _gauge("decisions", "Processes that have a decision.", decisions)
        yield _gauge("decisions_failed", "Decisions that are not in force.", failed)
        yield _gauge("decisions_omitted", "Decisions that an external scheduler has no room for.", of.omitted())
        yield _gauge("manager_silence_seconds", "Since when no manager is there, 0 while one is.", of.silence_seconds())
        yield from self._scheduler()
        yield from self._pods()

    def _scheduler(self) -> Iterator[core.Metric]:
        figures, source = self._readings.scheduler()
        for name, text, value in _SCHEDULER_NOW:
            gauge = core.GaugeMetricFamily(f"{PREFIX}scheduler_{name}", text, labels=("source",))
            gauge.add_metric((source,), value(figures))
            yield gauge
        for name, text, value in _SCHEDULER:
            family = core.CounterMetricFamily(f"{PREFIX}scheduler_{name}", text, labels=("source",))
            family.add_metric((source,), value(figures))
            yield family

    def _pods(self) -> Iterator[core.Metric]:
        names = {one.pod_uid: (one.namespace, one.pod_name) for one in self._readings.in_force().values()}
        usage = self._readings.usage()
        rows = [((*names.get(uid, ("", "")), uid), one) for uid, one in sorted(usage.items())]
        labels = ("namespace", "pod", "pod_uid")
        for name, text, value in _POD:
            family = core.CounterMetricFamily(f"{PREFIX}pod_{name}", text, labels=labels)
            for row, one in rows:
                family.add_metric(row, value(one.total))
            yield family
        for name, text, count in _POD_NOW:
            gauge = core.GaugeMetricFamily(f"{PREFIX}pod_{name}", text, labels=labels)
            for row, one in rows:
                gauge.add_metric(row, count(one))
            yield gauge


def _gauge(name: str, text: str, value: float) -> core.Metric:
    return core.GaugeMetricFamily(PREFIX + name, text, value=value)


def reference() -> str:
    """Return docs/reference/metrics.md's tables for the agent: every metric, its type, its labels, what it means."""
    exposition = Exposition(version="", enforcer="")
    exposition.follow(
        Readings(
            scheduler=lambda: (samplers.MetricSet(), "kernel"),
            usage=dict,
            in_force=dict,
            held=int,
            posted=int,
            decisions=lambda: (0, 0),
            silence_seconds=float,
            omitted=int,
        )
    )
    rows = []
    for family in exposition.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(["| metric | type | meaning |", "|---|---|---|", *sorted(rows)]) + "\n"
