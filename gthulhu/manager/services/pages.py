"""Pages of sorted lists, stable while the lists change: a token says after which key the next page begins."""

import base64
import binascii
import heapq
import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from gthulhu.common import errors

Item = TypeVar("Item")
Key = tuple[str, ...]

DEFAULT_SIZE = 100


def page(items: Iterable[Item], *, key: Callable[[Item], Key], size: int, token: str) -> tuple[list[Item], str]:
    """Return one page, sorted, and the token of the next ("" after the last).

    Args:
        items: All of them, in any order.
        key: Unique for an item.
        size: At most so many; 0 for `DEFAULT_SIZE`.
        token: As an earlier call returned it; "" for the first page.

    Raises:
        InvalidInputError: No call returned such a token.
    """
    after = _read(token) if token else None
    size = size or DEFAULT_SIZE
    found = heapq.nsmallest(size + 1, (item for item in items if after is None or key(item) > after), key=key)
    chosen = found[:size]
    return chosen, _write(key(chosen[-1])) if len(found) > size else ""


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
