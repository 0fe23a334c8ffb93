"""One resource of the Kubernetes API as it is now, only what is needed of each object, and what has changed of it."""

import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

from gthulhu.manager.inventory import api

Item = TypeVar("Item")


class Table(Generic[Item]):
    """Everything of one resource, by key."""

    def __init__(self, *, path: str, read: Callable[[api.Object], Item], key: Callable[[Item], str]) -> None:
        """Take the resource's path, what reads an object, and what tells the objects apart."""
        self.path = path
        self.read = read
        self.key = key
        self.all: dict[str, Item] = {}
        self.version = ""
        """Where a watch goes on; opaque."""
        self.seen = 0
        """How far the resource has been followed: everything up to this is in `all`."""
        self.changed_at = 0
        """When the last change was that is in `all`: what another replica has to have seen to be as far."""
        self.complete = False
        self.replaced = False
        """A list has been read since the changes were last taken."""
        self._changed: dict[str, Item | None] = {}

    def listing(self) -> "Listing[Item]":
        """Begin to read a list; what is here stays until it is finished."""
        return Listing(self)

    def replace(self, content: dict[str, Item], *, version: str, changed_at: int) -> None:
        """Put a list in the place of everything."""
        self.all = content
        self.version = version
        self.seen = max(self.seen, number(version))
        self.changed_at = max(self.changed_at, changed_at)
        self.complete = self.replaced = True
        self._changed.clear()

    def take(self, event: api.Object) -> None:
        """Take in an event of a watch; one that comes a second time changes nothing."""
        kind, item = event["type"], event["object"]
        version = item["metadata"]["resourceVersion"]
        if number(version) <= number(self.version):
            return
        self.version = version
        self.seen = max(self.seen, number(version))
        if kind == "BOOKMARK":
            return
        self.changed_at = max(self.changed_at, number(version))
        read = self.read(item)
        key = self.key(read)
        if kind == "DELETED":
            self.all.pop(key, None)
            self._changed[key] = None
        elif self.all.get(key) != read:  # most updates concern nothing that is kept
            self.all[key] = self._changed[key] = read

    def changes(self) -> tuple[tuple[Item, ...], tuple[str, ...]]:
        """Return what is new or different, and the keys of what is gone, since the last time."""
        changed, self._changed = self._changed, {}
        return (
            tuple(one for one in changed.values() if one is not None),
            tuple(key for key, one in changed.items() if one is None),
        )

    def forget_changes(self) -> None:
        """Count everything as taken."""
        self._changed.clear()
        self.replaced = False


@dataclasses.dataclass(slots=True)
class Listing(Generic[Item]):
    """A list that is being read, page by page."""

    table: Table[Item]
    content: dict[str, Item] = dataclasses.field(default_factory=dict)
    changed_at: int = 0

    def add(self, item: api.Object) -> None:
        """Take in one object of a page."""
        read = self.table.read(item)
        self.content[self.table.key(read)] = read
        self.changed_at = max(self.changed_at, number(item["metadata"]["resourceVersion"]))

    def finish(self, *, version: str) -> None:
        """Put the list in force: it is complete, as of a version."""
        self.table.replace(self.content, version=version, changed_at=self.changed_at)


def number(version: str) -> int:
    """Return a resource version as a number: they can be compared since Kubernetes 1.35, and in effect ever since."""
    return int(version) if version.isdigit() else 0
