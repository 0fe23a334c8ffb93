"""Many things some at a time: `itertools.batched` of Python 3.12."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def of(items: Iterable[Item], *, size: int) -> Iterator[tuple[Item, ...]]:
    """Yield items in order, `size` at a time, the last time fewer; nothing where there are none."""
    rest = iter(items)
    while some := tuple(itertools.islice(rest, size)):
        yield some
