"""The manager's Prometheus metrics: every one that there is, in one place."""

import contextlib
from collections.abc import Callable, Iterator

import prometheus_client
from prometheus_client import core, registry

from gthulhu.common import errors
from gthulhu.manager.distribution import sessions, world
from gthulhu.manager.services import attempts
from gthulhu.manager.store import base as stores

PREFIX = "gthulhu_manager_"


class Exposition:
    """One registry with everything in it; values are read when somebody asks."""

    def __init__(
        self,
        *,
        version: str,
        replica: str,
        view: world.World,
        held: sessions.Sessions,
        store: stores.Store,
        tries: attempts.Attempts,
    ) -> None:
        """Show what the view and the sessions are at, how old the store's feed is, and the failed log-ins."""
        self.registry = registry.CollectorRegistry()
        info = prometheus_client.Gauge(
            f"{PREFIX}info", "What the manager is; always 1.", ("version", "replica"), registry=self.registry
        )
        info.labels(version=version, replica=replica).set(1)
        self.registry.register(_Live(view, held, store, tries))

    @contextlib.contextmanager
    def served(self, address: str) -> Iterator[int]:
        """Serve it over plain HTTP for as long as the context lasts; the value is the port.

        Raises:
            PreconditionError: `ADDRESS_UNUSABLE`.
        """
        host, _, port = address.rpartition(":")
        try:
            server, thread = prometheus_client.start_http_server(
                int(port), addr=host.strip("[]") or "::", registry=self.registry
            )
        except (OSError, ValueError) as error:
            raise errors.PreconditionError(
                "ADDRESS_UNUSABLE", f"server.metrics_address {address!r}: {error}"
            ) from error
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Live(registry.Collector):
    """Reads when it is asked, from the server's thread: only what is one step to read."""

    def __init__(
        self, view: world.World, held: sessions.Sessions, store: stores.Store, tries: attempts.Attempts
    ) -> None:
        self._view = view
        self._sessions = held
        self._store = store
        self._tries = tries

    def collect(self) -> Iterator[core.Metric]:
        """Yield every family."""
        view, counts = self._view, self._sessions.counts
        gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("synced", "Whether store and inventory have been read once: 1 or 0.", lambda: int(view.synced)),
            ("store_revision", "The store's revision that the view holds.", lambda: view.revision),
            ("inventory_version", "The inventory's version that the view holds.", lambda: view.inventory_version),
            (
                "store_lag_seconds",
                "For how long changes of other replicas may have been missed; 0 where the feed is live.",
                self._store.feed_age,
            ),
            (
                "inventory_silence_seconds",
                "Since the inventory was last heard of: an idle cluster is silent for minutes, not for hours.",
                lambda: view.inventory_silence,
            ),
            ("strategies", "Strategies, whatever their state is.", lambda: len(view.strategies())),
            ("pods", "Pods of the inventory.", lambda: len(view.pods())),
            ("nodes", "Nodes of the inventory.", lambda: len(view.nodes())),
            ("paused", "Whether all strategies are paused: 1 or 0.", lambda: int(view.paused)),
            ("sessions", "Agents' sessions that this replica holds.", lambda: len(self._sessions)),
            (
                "sessions_behind",
                "Sessions that have not acknowledged all that is wanted.",
                lambda: len(self._sessions.convergence),
            ),
        )
        for name, text, value in gauges:
            yield core.GaugeMetricFamily(PREFIX + name, text, value=value())
        counters = (
            ("sessions_opened", "Sessions that began.", counts.opened),
            ("deltas_sent", "Deltas that were sent.", counts.deltas),
            ("intents_sent", "Intents in them.", counts.intents),
            ("intents_rejected", "Intents that agents could not take.", counts.rejected),
            ("acknowledgements", "Deltas that were acknowledged.", counts.acknowledged),
            ("login_failures", "Log-ins and changes of passwords that failed.", self._tries.failed),
        )
        for name, text, count in counters:
            yield core.CounterMetricFamily(PREFIX + name, text, value=count)
        histograms = (
            (
                "convergence_seconds",
                "From a change until every agent that it concerns has acknowledged all that is wanted.",
                self._sessions.convergence.seconds,
            ),
            ("delta_intents", "Intents that one delta set and removed.", counts.sizes),
        )
        for name, text, of in histograms:
            yield core.HistogramMetricFamily(PREFIX + name, text, buckets=list(of.buckets()), sum_value=of.sum)


def reference(exposition: Exposition) -> str:
    """Return docs/reference/metrics.md's table for the manager: every metric, its type, what it means."""
    rows = []
    for family in exposition.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(["| metric | type | meaning |", "|---|---|---|", *sorted(rows)]) + "\n"
