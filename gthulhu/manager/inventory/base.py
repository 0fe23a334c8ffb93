"""What every source of pods and nodes offers."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Protocol

from gthulhu.manager.domain.pod import Node, Pod


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InventoryChange:
    """Some of what has changed, in the order in which it happened."""

    version: int
    """Rises with each change of pods; comparable between replicas only for one `source`."""
    seen: int = 0
    """How far the source has been followed without finding more, where that is further than `version`."""
    pods: tuple[Pod, ...] = ()
    """New or changed."""
    removed_pods: tuple[str, ...] = ()
    """UIDs."""
    nodes: tuple[Node, ...] = ()
    """New or changed."""
    removed_nodes: tuple[str, ...] = ()
    """Names."""
    complete: bool = False
    """The change holds everything: what is not in it is gone."""


class Inventory(Protocol):
    """A live set of pods and nodes."""

    source: str
    """Names whose versions can be compared with each other, for example `file:/etc/gthulhu/inventory.yaml`."""

    def watch(self) -> AsyncIterator[InventoryChange]:
        """Yield one complete change as soon as everything is known, then every change, without end.

        A source that is lost, or unreadable, is tried again with back-off: the last good view stays in use, nothing
        is yielded until it is back, and then a complete change. Never raises but for cancellation.
        """
