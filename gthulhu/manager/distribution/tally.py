"""What is counted on one replica since its start, for its metrics."""

import bisect
import dataclasses
from collections.abc import Hashable, Iterator

from gthulhu.common import clock as clocks

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000)


class Histogram:
    """How often values were at most so large."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Take the upper bounds, rising."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Yield each bound and how many values were at most that, as Prometheus has them."""
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield bound, total


@dataclasses.dataclass(slots=True, kw_only=True)
class Counts:
    """Of sessions and what was said in them."""

    opened: int = 0
    """Sessions."""
    deltas: int = 0
    intents: int = 0
    """In those deltas."""
    acknowledged: int = 0
    """Deltas."""
    rejected: int = 0
    """Intents."""
    sizes: Histogram = dataclasses.field(default_factory=lambda: Histogram(_SIZES))
    """Of deltas: intents set and removed."""


class Convergence:
    """How long it takes from a change to the moment in which every agent that it concerns has acknowledged all."""

    def __init__(self, *, clock: clocks.Clock) -> None:
        """Begin with everybody up to date."""
        self._clock = clock
        self._behind: set[Hashable] = set()
        self._since = 0.0
        self.seconds = Histogram(_SECONDS)

    def __len__(self) -> int:
        """Return how many sessions are behind."""
        return len(self._behind)

    def note(self, session: Hashable, *, behind: bool) -> None:
        """Take how a session is now."""
        if behind and not self._behind:
            self._since = self._clock.monotonic()
        if behind:
            self._behind.add(session)
        elif session in self._behind:
            self._behind.remove(session)
            if not self._behind:
                self.seconds.observe(self._clock.monotonic() - self._since)
