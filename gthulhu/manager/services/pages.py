"""Pages of sorted lists, stable while the lists change: a token says after which key the next page begins."""

import base64
import binascii
import heapq
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from gthulhu.common import errors

Item = TypeVar("Item")
Key = tuple[str, ...]

DEFAULT_SIZE = 100


class Page(Generic[Item]):
    """One page, from items that come in any order, some at a time."""

    def __init__(self, *, key: Callable[[Item], Key], size: int, token: str) -> None:
        """Begin.

        Args:
            key: Unique for an item.
            size: At most so many; 0 for `DEFAULT_SIZE`.
            token: As an earlier page returned it; "" for the first one.

        Raises:
            InvalidInputError: No page returned such a token.
        """
        self._key = key
        self._size = size or DEFAULT_SIZE
        self._after = _read(token) if token else None
        self._first: list[Item] = []
        """Of what has come: as many as the page holds, and one more."""

    def add(self, items: Iterable[Item]) -> None:
        """Take some of the items."""
        later = (one for one in items if self._after is None or self._key(one) > self._after)
        self._first = heapq.nsmallest(self._size + 1, itertools.chain(self._first, later), key=self._key)

    def finish(self) -> tuple[list[Item], str]:
        """Return the page, sorted, and the token of the next ("" after the last)."""
        chosen = self._first[: self._size]
        return chosen, _write(self._key(chosen[-1])) if len(self._first) > self._size else ""


def page(items: Iterable[Item], *, key: Callable[[Item], Key], size: int, token: str) -> tuple[list[Item], str]:
    """Return one page of items that are all there, and the token of the next; see `Page`."""
    made = Page(key=key, size=size, token=token)
    made.add(items)
    return made.finish()


def _write(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(token: str) -> Key:
    try:
        key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str) for part in key):
        raise errors.InvalidInputError.of_field("pageToken", f'"{token}" is not from an earlier answer')
    return tuple(key)
