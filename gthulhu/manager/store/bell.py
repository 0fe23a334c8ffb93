"""Wakes those who watch a store within the process."""

import asyncio


class Bell:
    """Rings for everybody who took it before, once.

    Take it, look for what is new, and only then wait for it: what comes in between rings.
    """

    def __init__(self) -> None:
        """Belongs to the event loop that uses it."""
        self._next = asyncio.Event()

    def take(self) -> asyncio.Event:
        """Return what is set at the next ring."""
        return self._next

    def ring(self) -> None:
        """Wake everybody."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()
