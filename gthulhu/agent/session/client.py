"""Keeps a session with some manager, for as long as the agent runs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import grpc

from gthulhu.agent.session import failure
from gthulhu.common import backoff as backoffs
from gthulhu.common import clock as clocks
from gthulhu.common import errors

_log = logging.getLogger(__name__)

T = TypeVar("T")

RENEWED = failure.Ending(meaning=failure.Meaning.MOVE, code="RENEWED", text="the certificate was replaced")

STABLE_SECONDS = 10.0
"""A session that has lasted so long has worked: the next one is tried at once again."""
RENEWAL_SECONDS = 10.0
"""Between attempts while the identity is not taken: it is replaced by others, and takes its time."""
IDENTITY_SECONDS = 5.0
"""Between looks at the identity's files: a session moves to a new certificate before the old one ends."""


class ManagerRefusedError(errors.PermissionDeniedError):
    """Managers take this agent for another node's: somebody has to look at its identity."""


class Conversation(Protocol):
    """One session on a channel."""

    async def run(self, channel: grpc.aio.Channel) -> failure.Ending:
        """Return how it ended."""


class Samples(Protocol):
    """The metrics stream beside it."""

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Send until cancelled."""


class Observer(Protocol):
    """Hears what happens to sessions, for metrics and health."""

    def opening(self) -> None:
        """Note that a session is tried."""

    def ended(self, ending: failure.Ending) -> None:
        """Note that it is over."""


class Client:
    """Opens one session after the other."""

    def __init__(
        self,
        *,
        open_channel: Callable[[], grpc.aio.Channel],
        identity_renewed: Callable[[], bool],
        session: Callable[[], Conversation],
        samples: Samples,
        clock: clocks.Clock,
        backoff: backoffs.FullJitter,
        observer: Observer,
    ) -> None:
        """Take what a session is made of.

        Args:
            open_channel: Makes a channel with the identity as it is in the files now.
            identity_renewed: Tells whether the files have changed since it was asked last.
            session: Makes a session, to be run once.
            samples: Sent on the same channel.
            clock: Tells how long a session lasted.
            backoff: Between sessions.
            observer: Hears of sessions.
        """
        self._open_channel = open_channel
        self._identity_renewed = identity_renewed
        self._session = session
        self._samples = samples
        self._clock = clock
        self._backoff = backoff
        self._observer = observer

    async def run(self) -> None:
        """Keep a session until cancelled.

        Raises:
            ManagerRefusedError: Trying again cannot help.
        """
        while True:
            began = self._clock.monotonic()
            self._observer.opening()
            ending = await self._once()
            self._observer.ended(ending)
            if ending.meaning is failure.Meaning.STOP:
                raise ManagerRefusedError("MANAGER_REFUSED", ending.text)
            if self._clock.monotonic() - began >= STABLE_SECONDS:
                self._backoff.reset()
            delay = self._backoff.next()
            if ending.meaning is failure.Meaning.RENEW:
                delay += RENEWAL_SECONDS
            _log.log(
                logging.INFO if ending.meaning is failure.Meaning.MOVE else logging.WARNING,
                "session ended (%s: %s); the next one in %.1f s",
                ending.meaning.value,
                ending.text,
                delay,
            )
            await self._clock.sleep(delay)

    async def _once(self) -> failure.Ending:
        try:
            channel = self._open_channel()
        except (errors.DomainError, OSError) as error:  # a file is missing, or just being replaced
            return failure.Ending(meaning=failure.Meaning.RENEW, code="NO_IDENTITY", text=str(error))
        try:
            async with (
                _beside("metrics stream", self._samples.run(channel)),
                _beside("session", self._session().run(channel)) as session,
            ):
                async with _beside("watch of the identity", self._renewal()) as renewal:
                    await asyncio.wait((session, renewal), return_when=asyncio.FIRST_COMPLETED)
                return session.result() if session.done() else RENEWED
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end what the node does by itself
            return failure.Ending(meaning=failure.Meaning.BACK_OFF, code="FAULT", text=type(error).__name__)
        finally:
            await channel.close()

    async def _renewal(self) -> None:
        while not self._identity_renewed():
            await self._clock.sleep(IDENTITY_SECONDS)


@contextlib.asynccontextmanager
async def _beside(name: str, work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run something beside a block, and see it ended before the block is left; that it fails is logged."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled() and (error := task.exception()):
            _log.error("the %s failed", name, exc_info=error)
