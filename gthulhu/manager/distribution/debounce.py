"""When a burst of changes is over: after some quiet, but not later than a limit."""


class Debounce:
    """Turns many changes into one moment; free of clocks, all times are seconds of one monotonic clock."""

    def __init__(self, *, quiet: float, longest: float) -> None:
        """Take how long it must be quiet (seconds), and how long a first change waits at most (seconds)."""
        self._quiet = quiet
        self._longest = longest
        self.first: float | None = None
        """When the first change came that has not been looked at; None: none has come."""
        self._last = 0.0

    def touch(self, now: float) -> None:
        """Note a change."""
        if self.first is None:
            self.first = now
        self._last = now

    @property
    def due(self) -> float | None:
        """When what has changed is to be looked at; None: nothing has."""
        if self.first is None:
            return None
        return min(self._last + self._quiet, self.first + self._longest)

    def clear(self) -> None:
        """Forget what has changed: it has been looked at."""
        self.first = None
