"""Slows down guessing: failures in a row lock an account for an address, longer each time.

Kept in memory by each replica. The bound on how much of it there is holds against floods of made-up names; those are
held up by the gateway's own limit for each address.
"""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.domain import passwords

_FORGET_SECONDS = 3600.0
"""Without another failure."""
_KEPT = 10_000


@dataclasses.dataclass(slots=True)
class _Record:
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    failures: int = 0
    failed_at: float = 0.0


class Attempts:
    """Takes the attempts on one account from one address one after another."""

    def __init__(self, *, allowed: int, clock: clocks.Clock) -> None:
        """Take how many failures in a row are no reason to lock yet, plus one: the one that is."""
        self._allowed = allowed
        self._clock = clock
        self.failed = 0
        """Attempts that failed since the start."""
        self._records: collections.OrderedDict[tuple[str, str], _Record] = collections.OrderedDict()

    @contextlib.asynccontextmanager
    async def turn(self, *, account: str, address: str) -> AsyncIterator[None]:
        """Run one attempt, which fails by raising `UnauthenticatedError` or `InvalidInputError`.

        Raises:
            ResourceExhaustedError: `LOGIN_LOCKED`, with the seconds to wait; the attempt is not run.
        """
        key = (account.casefold(), address)
        record = self._record(key)
        async with record.lock:
            self._require_open(record)
            try:
                yield
            except (errors.UnauthenticatedError, errors.InvalidInputError):
                record.failures += 1
                self.failed += 1
                record.failed_at = self._clock.monotonic()
                raise
            record.failures = 0

    def _record(self, key: tuple[str, str]) -> _Record:
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if len(self._records) > _KEPT:
            self._records.popitem(last=False)
        return record

    def _require_open(self, record: _Record) -> None:
        silent = self._clock.monotonic() - record.failed_at
        if silent > _FORGET_SECONDS:
            record.failures = 0
        left = passwords.lock_seconds(record.failures, allowed=self._allowed) - silent
        if left > 0:
            raise errors.ResourceExhaustedError(
                "LOGIN_LOCKED", "too many attempts have failed: wait before the next", retry_after=left
            )
