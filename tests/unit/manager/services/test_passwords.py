"""Hashing passwords."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gthulhu.common import errors
from gthulhu.manager.services import passwords

CHEAP = passwords.Argon2id(time_cost=1, memory_kib=8)


@pytest.fixture
def hasher() -> Iterator[passwords.Passwords]:
    made = passwords.Passwords(CHEAP, workers=2)
    yield made
    made.close()


async def test_hashes_are_argon2id_with_the_configured_cost_and_a_salt_each(hasher: passwords.Passwords) -> None:
    one, other = await hasher.hash("brave-badgers"), await hasher.hash("brave-badgers")
    assert one.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert one != other


async def test_only_the_right_password_verifies(hasher: passwords.Passwords) -> None:
    phc = await hasher.hash("brave-badgers")
    assert await hasher.verify("brave-badgers", phc)
    assert not await hasher.verify("brave-badger", phc)
    assert not await hasher.verify("brave-badgers", None)
    assert not await hasher.verify("brave-badgers", "no hash at all")


async def test_it_does_not_matter_how_a_keyboard_composes_a_letter(hasher: passwords.Passwords) -> None:
    assert await hasher.verify(
        "bra\N{COMBINING GRAVE ACCENT}ve", await hasher.hash("br\N{LATIN SMALL LETTER A WITH GRAVE}ve")
    )


class Blocked:
    """Hashes only when it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = 0
        self.most = 0

    def hash(self, _: bytes) -> str:
        return ""

    def verify(self, _password: bytes, _phc: str) -> bool:
        self.running += 1
        self.most = max(self.most, self.running)
        self.go.wait(5)
        self.running -= 1
        return True


async def test_a_flood_is_refused_and_the_event_loop_goes_on() -> None:
    algorithm = Blocked()
    hasher = passwords.Passwords(algorithm, workers=2, waiting=3)
    try:
        taken = [asyncio.create_task(hasher.verify("p", "x")) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(errors.ResourceExhaustedError) as raised:
            await hasher.verify("p", "x")
        assert raised.value.reason == "TOO_MANY_LOGINS"
        assert raised.value.retry_after
        algorithm.go.set()
        assert await asyncio.gather(*taken) == [True] * 5
        assert algorithm.most <= 2
        assert await hasher.verify("p", "x")
    finally:
        algorithm.go.set()
        hasher.close()
