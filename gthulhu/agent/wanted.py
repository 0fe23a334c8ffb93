"""What is wanted of this node: the manager's set, and the set that was posted over the older protocol.

The two sets are separate. A pod that the manager's set speaks of is governed by that set alone.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from gthulhu.agent import held as helds
from gthulhu.agent.domain import intent as intents

_log = logging.getLogger(__name__)


class Applies(Protocol):
    """Brings a whole set of intents into force."""

    async def set_intents(self, intents: Mapping[str, intents.Intent]) -> None:
        """Return when each pod that is concerned has been seen to once."""


def merge(
    *, manager: Mapping[str, intents.Intent], posted: Mapping[str, intents.Intent]
) -> Mapping[str, intents.Intent]:
    """Return the manager's set, and what was posted for pods that it says nothing of."""
    governed = {one.pod_uid for one in manager.values()}
    return {key: one for key, one in posted.items() if one.pod_uid not in governed} | dict(manager)


class Wanted:
    """Both sets: on disk first, then in force."""

    def __init__(self, *, reconciler: Applies, manager_file: helds.HeldFile, posted_file: helds.HeldFile) -> None:
        """Take what applies the sets, and the files that keep them."""
        self._reconciler = reconciler
        self._manager_file = manager_file
        self._posted_file = posted_file
        self._manager = helds.Held()
        self._posted = helds.Held()
        self._lock = asyncio.Lock()
        self._known = True
        self._withdrawn = False
        self._in_force: Mapping[str, intents.Intent] = {}

    @property
    def held(self) -> helds.Held:
        """The manager's set, as it was accepted last."""
        return self._manager

    @property
    def posted(self) -> helds.Held:
        """The set that was posted last."""
        return self._posted

    @property
    def known(self) -> bool:
        """Whether it is known what managers want: not, while the file was unusable and none has said it since."""
        return self._known

    @property
    def in_force(self) -> Mapping[str, intents.Intent]:
        """Both sets merged, by intent id, as the kernel has them or is about to."""
        return self._in_force

    async def load(self) -> None:
        """Bring what was accepted before the restart into force.

        Where the file cannot be used it is set aside and said; the kernel then keeps what it has until a manager has
        said what is wanted.
        """
        self._posted = await self._read(self._posted_file) or helds.Held()
        manager = await self._read(self._manager_file)
        self._known = manager is not None
        self._manager = manager or helds.Held()
        if self._known:
            async with self._lock:
                await self._apply()

    async def accept(self, held: helds.Held) -> None:
        """Take a new set of the manager's: when this returns it is on the disk and in force.

        Raises:
            OSError: It could not be written; nothing has changed.
        """
        async with self._lock:
            if held != self._manager or not self._known:
                await asyncio.to_thread(self._manager_file.save, held)
            self._manager = held
            self._known = True
            self._withdrawn = False
            await self._apply()

    async def confirm(self) -> None:
        """Note that a manager wants exactly what is held: bring it into force where it was not."""
        if not self._known or self._withdrawn:
            await self.accept(self._manager)

    async def withdraw(self) -> None:
        """Put the manager's set out of force; it stays held."""
        async with self._lock:
            if self._known and not self._withdrawn:
                self._withdrawn = True
                await self._apply()

    async def restore(self) -> None:
        """Bring a set that was withdrawn into force again."""
        async with self._lock:
            if self._withdrawn:
                self._withdrawn = False
                await self._apply()

    async def replace_posted(self, posted: Iterable[intents.Intent]) -> int:
        """Put a posted set in place of the one before; returns how many intents it has.

        Raises:
            OSError: It could not be written; nothing has changed.
        """
        held = helds.Held(intents={one.id: one for one in posted})
        async with self._lock:
            if held != self._posted:
                await asyncio.to_thread(self._posted_file.save, held)
            self._posted = held
            if self._known:
                await self._apply()
        return len(held.intents)

    async def _apply(self) -> None:
        manager = {} if self._withdrawn else self._manager.intents
        self._in_force = merge(manager=manager, posted=self._posted.intents)
        await self._reconciler.set_intents(self._in_force)

    @staticmethod
    async def _read(file: helds.HeldFile) -> helds.Held | None:
        try:
            return await asyncio.to_thread(file.load) or helds.Held()
        except helds.HeldFileError as error:
            aside = await asyncio.to_thread(file.set_aside)
            _log.error("%s; it is kept as %s", error, aside)
            return None
