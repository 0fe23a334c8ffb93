"""A storm of agents is spread before it costs anything."""

import datetime

import pytest

from gthulhu.common import errors
from gthulhu.manager.distribution import admission


class StillClock:
    """Stands where it is set."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime.datetime:
        return datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC) + datetime.timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_a_burst_goes_through_and_then_so_many_a_second() -> None:
    clock = StillClock()
    gate = admission.Admission(per_second=10, burst=3, clock=clock)
    for _ in range(3):
        gate.admit()
    with pytest.raises(errors.UnavailableError) as refused:
        gate.admit()
    assert refused.value.reason == "TOO_MANY_SESSIONS"
    assert refused.value.retry_after == pytest.approx(0.1)
    clock.time += 0.1
    gate.admit()


def test_a_long_silence_saves_up_no_more_than_the_burst() -> None:
    clock = StillClock()
    gate = admission.Admission(per_second=10, burst=2, clock=clock)
    clock.time += 3600
    gate.admit()
    gate.admit()
    with pytest.raises(errors.UnavailableError):
        gate.admit()
