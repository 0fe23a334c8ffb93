"""Waiting for one of several things."""

import asyncio
from collections.abc import Coroutine

from gthulhu.common import clock as clocks


async def event_or_time(event: asyncio.Event, *, clock: clocks.Clock, seconds: float | None) -> None:
    """Return when the event is set, or after so many seconds (None: never)."""
    if seconds is None:
        await event.wait()
    elif seconds > 0:
        await first(_set(event), clock.sleep(seconds))


async def first(*coroutines: Coroutine[object, object, None]) -> None:
    """Run all until one of them ends; cancel the others, wait for them, and raise what that one raised."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _set(event: asyncio.Event) -> None:
    await event.wait()
