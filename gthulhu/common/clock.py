"""Time, behind a seam: so that hours are tested in milliseconds, and jumps of the clock on purpose."""

import asyncio
import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime.datetime:
        """Return the wall clock's time in UTC, in whole milliseconds (what every store keeps)."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of `monotonic`."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime.datetime:
        """See `Clock.now`."""
        now = datetime.datetime.now(datetime.UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)
