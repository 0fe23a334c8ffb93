"""A clock that a test moves."""

import datetime

START = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


class ManualClock:
    """Stands still, but for `advance` and `sleep`."""

    def __init__(self, start: datetime.datetime = START) -> None:
        self._start = start
        self._passed = 0.0

    def now(self) -> datetime.datetime:
        return self._start + datetime.timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._passed += seconds
