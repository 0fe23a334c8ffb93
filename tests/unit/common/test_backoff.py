"""How long to wait between attempts; hours in no time."""

import random

from gthulhu.common import backoff
from tests.unit.common.clocks import ManualClock


class Upper:
    """Draws the bound itself."""

    def uniform(self, a: float, b: float, /) -> float:
        assert a == 0
        return b


def test_the_bound_doubles_up_to_the_cap() -> None:
    waits = backoff.FullJitter(clock=ManualClock(), random=Upper())
    assert [waits.next() for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_the_cap_rises_once_the_outage_has_lasted() -> None:
    clock = ManualClock()
    waits = backoff.FullJitter(clock=clock, random=Upper())
    for _ in range(10):
        waits.next()
    clock.advance(59.9)
    assert waits.next() == 5.0
    clock.advance(0.1)
    assert [waits.next() for _ in range(4)] == [10.0, 20.0, 30.0, 30.0]


def test_success_starts_anew() -> None:
    clock = ManualClock()
    waits = backoff.FullJitter(clock=clock, random=Upper())
    for _ in range(10):
        waits.next()
        clock.advance(60)
    waits.reset()
    assert waits.next() == 0.2
    clock.advance(59)
    for _ in range(9):
        wait = waits.next()
    assert wait == 5.0


def test_jitter_is_full() -> None:
    drawn = random.Random(1)  # noqa: S311 - not for security
    waits = [backoff.FullJitter(base=1.0, clock=ManualClock(), random=drawn).next() for _ in range(1000)]
    assert min(waits) < 0.01
    assert max(waits) > 0.99
    assert 0.45 < sum(waits) / 1000 < 0.55


def test_a_day_of_outage_overflows_nothing() -> None:
    clock = ManualClock()
    waits = backoff.FullJitter(clock=clock, random=Upper())
    for _ in range(20_000):
        clock.advance(waits.next())
    assert waits.next() == 30.0
