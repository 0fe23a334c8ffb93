"""Hashes passwords: argon2id (RFC 9106) off the event loop, as many at once as is bearable."""

import asyncio
import concurrent.futures
import dataclasses
import importlib.resources
import os
from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

from cryptography import exceptions
from cryptography.hazmat.primitives.kdf import argon2

from gthulhu.common import errors
from gthulhu.manager.domain import passwords

_SALT_BYTES = 16
_HASH_BYTES = 32
_RETRY_SECONDS = 1.0

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Algorithm(Protocol):
    """What a hasher is made of: tests of everything around it take a cheap one."""

    def hash(self, password: bytes) -> str:
        """Return a PHC string with a salt of its own."""

    def verify(self, password: bytes, phc: str) -> bool:
        """Tell whether the PHC string came from the password."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Argon2id:
    """argon2id with one lane."""

    time_cost: int
    """Passes over the memory."""
    memory_kib: int

    def hash(self, password: bytes) -> str:
        """See `Algorithm.hash`."""
        return self._kdf().derive_phc_encoded(password)

    def verify(self, password: bytes, phc: str) -> bool:
        """See `Algorithm.verify`; costs what the PHC string says."""
        try:
            argon2.Argon2id.verify_phc_encoded(password, phc)
        except exceptions.InvalidKey:
            return False
        return True

    def _kdf(self) -> argon2.Argon2id:
        return argon2.Argon2id(
            salt=os.urandom(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=self.time_cost,
            lanes=1,
            memory_cost=self.memory_kib,
        )


class Passwords:
    """Checks, hashes and verifies passwords in a small pool of threads.

    Where more wait than the pool gets through soon, further ones are refused at once: a flood of log-ins costs
    neither memory nor the time of everything else.
    """

    def __init__(self, algorithm: Algorithm, *, workers: int, waiting: int = 64) -> None:
        """Start the pool.

        Args:
            algorithm: What hashes.
            workers: How many are hashed at once.
            waiting: How many may wait for that, at most.
        """
        self._algorithm = algorithm
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=workers, thread_name_prefix="password")
        self._free = workers + waiting
        self._common = _common()
        self._nobody = algorithm.hash(os.urandom(_SALT_BYTES))

    def close(self) -> None:
        """End the pool; what was begun is finished."""
        self._pool.shutdown(cancel_futures=True)

    def check(self, password: str, *, field: str, username: str) -> None:
        """Raise `InvalidInputError` (`PASSWORD_TOO_WEAK`) for a password that nobody should have."""
        passwords.check(password, field=field, username=username, common=self._common)

    async def hash(self, password: str) -> str:
        """Return the PHC string to keep for a password."""
        return await self._run(self._algorithm.hash, _bytes(password))

    async def verify(self, password: str, phc: str | None) -> bool:
        """Tell whether the password is the one that was hashed; None: there is no such user.

        Hashes once in either case, so that the time taken does not tell whether there is.
        """
        matches = await self._run(self._algorithm.verify, _bytes(password), phc or self._nobody)
        return matches and phc is not None

    async def _run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        if self._free == 0:
            raise errors.ResourceExhaustedError(
                "TOO_MANY_LOGINS", "too many passwords are being checked; try again soon", retry_after=_RETRY_SECONDS
            )
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._free += 1


def _bytes(password: str) -> bytes:
    return passwords.normalize(password).encode()


def _common() -> frozenset[str]:
    text = importlib.resources.files(__package__).joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
