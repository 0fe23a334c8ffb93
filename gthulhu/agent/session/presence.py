"""Whether a manager is there, and what is counted of sessions."""

from gthulhu.agent import wanted as wanteds
from gthulhu.agent.metrics import exposition as expositions
from gthulhu.agent.session import failure
from gthulhu.common import clock as clocks


class Presence:
    """Observes sessions: see the `Observer` protocols of this package."""

    def __init__(self, *, clock: clocks.Clock, exposition: expositions.Exposition) -> None:
        """Begin without a manager."""
        self._clock = clock
        self._exposition = exposition
        self._gone_since: float | None = clock.monotonic()

    @property
    def connected(self) -> bool:
        """Whether a manager is there."""
        return self._gone_since is None

    def silence(self) -> float:
        """Return for how many seconds no manager has been there."""
        return 0.0 if self._gone_since is None else self._clock.monotonic() - self._gone_since

    async def enforce(self, *, max_stale: float, wanted: wanteds.Wanted) -> None:
        """Put the manager's set out of force after a silence of so many seconds; a session brings it back."""
        while True:
            await self._clock.sleep(max(1.0, max_stale - self.silence()))
            if self.silence() >= max_stale:
                await wanted.withdraw()

    def opening(self) -> None:
        """See `client.Observer`."""
        self._exposition.session_attempts.inc()

    def heard(self) -> None:
        """See `stream.Observer`."""
        self._gone_since = None
        self._exposition.session_connected.set(1)

    def ended(self, ending: failure.Ending) -> None:
        """See `client.Observer`."""
        if self._gone_since is None:
            self._gone_since = self._clock.monotonic()
        self._exposition.session_connected.set(0)
        self._exposition.session_ends.labels(code=ending.code).inc()

    def applied(self, *, seconds: float, rejected: int) -> None:
        """See `stream.Observer`."""
        self._exposition.deltas.observe(seconds)
        self._exposition.rejected.inc(rejected)

    def sampled(self, *, dropped: bool) -> None:
        """See `metrics_stream.Observer`."""
        self._exposition.samples.inc()
        if dropped:
            self._exposition.samples_dropped.inc()
