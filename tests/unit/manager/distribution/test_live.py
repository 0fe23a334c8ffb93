"""One open session in time: what ends it, and when."""

import asyncio
import datetime
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import errors
from gthulhu.manager.distribution import debounce, live, session, tally, waiting, world
from gthulhu.manager.store import base

START = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class SteppedClock:
    """Stands still until a test moves it; who sleeps wakes when its time has come."""

    def __init__(self) -> None:
        self.time = 0.0
        self._moved = asyncio.Condition()

    def now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        async with self._moved:
            await self._moved.wait_for(lambda: self.time >= until)

    async def move(self, seconds: float) -> None:
        await settled()
        async with self._moved:
            self.time += seconds
            self._moved.notify_all()
        await settled()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def one(clock: SteppedClock) -> live.Live:
    row = base.AgentSession(node="node-1", epoch=1, replica="r", opened_at=START, lease_until=START)
    return live.Live(
        row=row,
        session=session.Session(
            held={}, rejected={}, debounce=debounce.Debounce(quiet=0.05, longest=0.5), check_every=60, now=0.0
        ),
        view=world.World(clock=clock),
        clock=clock,
        expires_at=START + datetime.timedelta(seconds=600),
        age=3600.0,
        changed=lambda _: None,
        counts=tally.Counts(),
    )


@pytest.fixture
async def ended(one: live.Live) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(one.ended())
    await settled()
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_ends_with_the_token(ended: "asyncio.Task[None]", clock: SteppedClock) -> None:
    await clock.move(599)
    assert not ended.done()
    await clock.move(1)
    with pytest.raises(errors.UnauthenticatedError):
        ended.result()


async def test_a_new_token_moves_the_end(one: live.Live, ended: "asyncio.Task[None]", clock: SteppedClock) -> None:
    await clock.move(500)
    one.extend(clock.now() + datetime.timedelta(seconds=600))
    await clock.move(599)
    assert not ended.done()
    await clock.move(1)
    assert isinstance(ended.exception(), errors.UnauthenticatedError)


async def test_an_old_session_is_asked_to_go_and_has_its_time(
    one: live.Live, ended: "asyncio.Task[None]", clock: SteppedClock
) -> None:
    one.extend(START + datetime.timedelta(days=1))
    saying = asyncio.create_task(one.next())
    await clock.move(1)
    assert not saying.done()
    await clock.move(3599)
    assert await saying == live.Farewell()
    assert not ended.done()
    await clock.move(30)
    assert isinstance(ended.exception(), errors.UnavailableError)


async def test_a_drain_is_said_once_and_ends_it_in_time(
    one: live.Live, ended: "asyncio.Task[None]", clock: SteppedClock
) -> None:
    one.drain(within=5.0)
    one.drain(within=100.0)
    assert await one.next() == live.Farewell()
    saying = asyncio.create_task(one.next())
    await clock.move(5)
    assert not saying.done()
    assert isinstance(ended.exception(), errors.UnavailableError)
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)


async def test_being_replaced_ends_it_at_once(one: live.Live, ended: "asyncio.Task[None]") -> None:
    one.end(live.replaced())
    await settled()
    assert isinstance(ended.exception(), errors.UnavailableError)


async def test_the_first_to_end_ends_the_others_and_its_error_is_raised() -> None:
    cleaned = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def failing() -> None:
        raise errors.UnavailableError("X", "x")

    with pytest.raises(errors.UnavailableError):
        await waiting.first(forever(), failing())
    assert cleaned.is_set()


async def test_whoever_waits_for_the_first_can_be_cancelled() -> None:
    cleaned = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    task = asyncio.create_task(waiting.first(forever()))
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned.is_set()
