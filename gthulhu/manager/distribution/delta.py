"""What leads from the set of intents that an agent holds to the set that it should hold."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from gthulhu.manager.domain import intent as intents


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """What a set of intents was computed from."""

    store: int = 0
    inventory: int = 0
    inventory_source: str = ""
    """Inventory versions of one source can be compared."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Intents to hold from now on, and ids of those to hold no longer."""

    set: tuple[intents.Intent, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.removed)


def difference(*, wanted: Mapping[str, intents.Intent], held: Mapping[str, str], rejected: Mapping[str, str]) -> Delta:
    """Return what is missing and what is too much.

    Args:
        wanted: What the agent should hold, by id.
        held: Id → version of what it does hold.
        rejected: Id → version of what it could not take: that version is not sent again.
    """
    return Delta(
        set=tuple(
            one for key, one in wanted.items() if held.get(key) != one.version and rejected.get(key) != one.version
        ),
        removed=tuple(key for key in held if key not in wanted),
    )


_REMOVED_BYTES = 40
"""One id in a message: 32 digits, tag and length, rounded up."""


def chunks(delta: Delta, *, size: Callable[[intents.Intent], int], limit: int) -> Iterator[Delta]:
    """Yield parts of a delta that each stay within a limit; at least one.

    Args:
        delta: All of it.
        size: Tells how many bytes an intent takes in a message.
        limit: Bytes of one part; an intent that is larger by itself makes a part of its own.
    """
    part: list[intents.Intent] = []
    removed: list[str] = []
    used = 0
    for one in delta.set:
        needed = size(one)
        if part and used + needed > limit:
            yield Delta(set=tuple(part))
            part, used = [], 0
        part.append(one)
        used += needed
    for key in delta.removed:
        if (part or removed) and used + _REMOVED_BYTES > limit:
            yield Delta(set=tuple(part), removed=tuple(removed))
            part, removed, used = [], [], 0
        removed.append(key)
        used += _REMOVED_BYTES
    yield Delta(set=tuple(part), removed=tuple(removed))
