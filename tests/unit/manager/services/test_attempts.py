"""Slowing down guesses."""

import datetime

import pytest

from gthulhu.common import errors
from gthulhu.manager.services import attempts
from tests.unit.manager.services.harness import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def tries(clock: MovableClock) -> attempts.Attempts:
    return attempts.Attempts(allowed=3, clock=clock)


async def fail(tries: attempts.Attempts, *, account: str = "ann", address: str = "192.0.2.1") -> float:
    """Fail once; returns for how long to wait where the attempt is not even run, else 0."""
    wrong = errors.UnauthenticatedError("LOGIN_FAILED", "no")
    with pytest.raises((errors.UnauthenticatedError, errors.ResourceExhaustedError)) as raised:
        async with tries.turn(account=account, address=address):
            raise wrong
    assert raised.value.reason == ("LOGIN_FAILED" if raised.value is wrong else "LOGIN_LOCKED")
    return raised.value.retry_after or 0.0


async def test_locks_grow_to_a_quarter_of_an_hour_and_no_further(tries: attempts.Attempts, clock: MovableClock) -> None:
    assert [await fail(tries) for _ in range(3)] == [0.0] * 3
    locks = []
    for _ in range(8):
        left = await fail(tries)
        locks.append(round(left))
        clock.shift += datetime.timedelta(seconds=left)
        assert await fail(tries) == 0.0
    assert locks == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_a_success_begins_anew(tries: attempts.Attempts) -> None:
    for _ in range(3):
        assert await fail(tries) == await fail(tries) == 0.0
        async with tries.turn(account="ann", address="192.0.2.1"):
            pass


async def test_neither_other_accounts_nor_other_addresses_are_locked(tries: attempts.Attempts) -> None:
    for _ in range(3):
        await fail(tries)
    assert await fail(tries) > 0
    assert await fail(tries, account="ANN") > 0
    assert await fail(tries, account="bob") == 0.0
    assert await fail(tries, address="192.0.2.2") == 0.0


async def test_failures_are_forgotten_after_an_hour(tries: attempts.Attempts, clock: MovableClock) -> None:
    for _ in range(3):
        await fail(tries)
    clock.shift += datetime.timedelta(hours=1, seconds=1)
    assert [await fail(tries) for _ in range(3)] == [0.0] * 3


async def test_other_errors_are_no_failed_attempts(tries: attempts.Attempts) -> None:
    for _ in range(10):
        with pytest.raises(errors.UnavailableError):
            async with tries.turn(account="ann", address="192.0.2.1"):
                raise errors.UnavailableError("STORE_UNAVAILABLE", "gone")


async def test_made_up_names_do_not_fill_the_memory(tries: attempts.Attempts) -> None:
    for number in range(10_100):
        await fail(tries, account=f"name-{number}")
    assert len(tries._records) == 10_000
