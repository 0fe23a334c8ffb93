"""How many sessions may begin in a second: a storm of agents is spread before it costs anything."""

from gthulhu.common import clock as clocks
from gthulhu.common import errors


class Admission:
    """A token bucket."""

    def __init__(self, *, per_second: float, burst: int, clock: clocks.Clock) -> None:
        """Let `burst` through at once, and `per_second` after that."""
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    def admit(self) -> None:
        """Let one more through.

        Raises:
            UnavailableError: `TOO_MANY_SESSIONS`; says after how long there is room.
        """
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            raise errors.UnavailableError(
                "TOO_MANY_SESSIONS",
                "too many agents connect at once",
                retry_after=(1 - self._tokens) / self._per_second,
            )
        self._tokens -= 1
