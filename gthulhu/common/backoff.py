"""How long to wait before trying again."""

import random as randoms
from typing import Protocol

from gthulhu.common import clock as clocks


class Random(Protocol):
    """The part of `random.Random` that is needed here."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between both."""


class FullJitter:
    """Exponential back-off with full jitter: uniform between 0 and a bound that doubles.

    Full jitter spreads a thousand agents that lost the same manager at the same moment best (Brooker, "Exponential
    Backoff And Jitter", 2015). The bound stays low at first, because most outages are a restart, and rises once an
    outage has lasted, because then it is not.
    """

    def __init__(
        self,
        *,
        base: float = 0.2,
        cap: float = 5.0,
        late_cap: float = 30.0,
        late_after: float = 60.0,
        clock: clocks.Clock,
        random: Random | None = None,
    ) -> None:
        """Take the bounds, all in seconds.

        Args:
            base: The first bound.
            cap: The highest bound during the first `late_after` seconds.
            late_cap: The highest bound after that.
            late_after: Counts from the first failure since the start or the last `reset`.
            clock: Tells how long it has lasted.
            random: Draws; the machine's where none is given.
        """
        self._base = base
        self._cap = cap
        self._late_cap = late_cap
        self._late_after = late_after
        self._clock = clock
        self._random = random or randoms.SystemRandom()
        self._bound = base
        self._since: float | None = None

    def next(self) -> float:
        """Return how many seconds to wait now, and raise the bound for the next time."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        cap = self._late_cap if now - self._since >= self._late_after else self._cap
        bound = min(self._bound, cap)
        self._bound = min(bound * 2, self._late_cap)
        return self._random.uniform(0, bound)

    def reset(self) -> None:
        """Start again from the first bound: it has worked."""
        self._bound = self._base
        self._since = None
