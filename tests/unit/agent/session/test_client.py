"""One session after the other: hours of outages in no time."""

import asyncio
from collections.abc import Iterable

import pytest

from gthulhu.agent.session import client, failure
from gthulhu.common import backoff, errors
from tests.unit.common.clocks import ManualClock


class Upper:
    """Draws the bound itself."""

    def uniform(self, a: float, b: float, /) -> float:  # noqa: ARG002 - as random.Random has it
        return b


class Channel:
    """Can be closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Rig:
    """Sessions that end as a test says; then the client is cancelled."""

    def __init__(self, *endings: failure.Meaning | Exception, lasting: float = 0.0) -> None:
        self.clock = ManualClock()
        self.began: list[float] = []
        self.ends: list[failure.Ending] = []
        self.channels: list[Channel] = []
        self.samples = 0
        self._endings: Iterable[failure.Meaning | Exception] = iter(endings)
        self._lasting = lasting

    async def run(self, missing: Exception | None = None) -> None:
        def open_channel() -> Channel:
            if missing:
                self.began.append(self.clock.monotonic())
                raise missing
            self.channels.append(Channel())
            return self.channels[-1]

        of = client.Client(
            open_channel=open_channel,  # type: ignore[arg-type]  # a channel that opens nothing
            identity_renewed=lambda: False,
            session=lambda: Session(self),
            samples=Samples(self),
            clock=Waiting(self),
            backoff=backoff.FullJitter(clock=self.clock, random=Upper()),
            observer=self,
        )
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await of.run()

    def opening(self) -> None:
        pass

    def ended(self, ending: failure.Ending) -> None:
        self.ends.append(ending)


class Waiting(ManualClock):
    """The rig's clock, on which the watch of the identity waits without end, and the tenth wait is the last."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig

    def monotonic(self) -> float:
        return self._rig.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        if task and task.get_name() == "watch of the identity":
            await asyncio.Event().wait()
        if len(self._rig.ends) == 10:
            raise asyncio.CancelledError
        self._rig.clock.advance(seconds)


class Session:
    """Ends as the rig says."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def run(self, channel: object) -> failure.Ending:
        rig = self._rig
        assert channel is rig.channels[-1]
        rig.began.append(rig.clock.monotonic())
        ending = next(iter(rig._endings), failure.Meaning.BACK_OFF)
        rig.clock.advance(rig._lasting)
        await asyncio.sleep(0)
        if isinstance(ending, Exception):
            raise ending
        return failure.Ending(meaning=ending, code="X", text="made up")


class Samples:
    """Sends nothing, until it is cancelled."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def run(self, channel: Channel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            assert not channel.closed, "what runs on a channel ends before it"
            self._rig.samples += 1


def gaps(rig: Rig) -> list[float]:
    return [round(after - before, 3) for before, after in zip(rig.began, rig.began[1:], strict=False)]


async def test_an_outage_is_met_with_longer_and_longer_waits() -> None:
    rig = Rig()
    await rig.run()
    assert gaps(rig) == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]
    assert all(channel.closed for channel in rig.channels)
    assert rig.samples == 10


async def test_a_session_that_lasted_starts_the_waits_anew() -> None:
    rig = Rig(lasting=client.STABLE_SECONDS + 1)
    await rig.run()
    assert set(gaps(rig)) == {client.STABLE_SECONDS + 1.2}


async def test_an_identity_that_is_not_taken_is_tried_slowly() -> None:
    rig = Rig(failure.Meaning.RENEW, failure.Meaning.BACK_OFF)
    await rig.run()
    assert gaps(rig)[:2] == [client.RENEWAL_SECONDS + 0.2, 0.4]


async def test_a_missing_identity_is_waited_for() -> None:
    rig = Rig()
    await rig.run(missing=errors.PreconditionError("IDENTITY_UNUSABLE", "agent.crt cannot be read"))
    assert {one.code for one in rig.ends} == {"NO_IDENTITY"}
    assert gaps(rig)[0] == client.RENEWAL_SECONDS + 0.2


async def test_a_fault_of_ours_ends_the_session_and_not_the_agent() -> None:
    rig = Rig(ValueError("a bug"))
    await rig.run()
    assert [one.code for one in rig.ends][:2] == ["FAULT", "X"]
    assert all(channel.closed for channel in rig.channels)


async def test_a_refusal_for_good_is_raised() -> None:
    rig = Rig(failure.Meaning.BACK_OFF, failure.Meaning.STOP)
    with pytest.raises(client.ManagerRefusedError, match="made up"):
        await rig.run()
    assert len(rig.began) == 2
