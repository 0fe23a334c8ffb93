"""What discovery offers to the rest of the agent."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from gthulhu.agent.domain import process as processes


class Discovery(Protocol):
    """The pods and processes of the node, live."""

    def pods(self) -> Sequence[processes.Pod]:
        """Return every pod on the node, by UID, without its processes."""

    def pod(self, uid: str) -> processes.Pod | None:
        """Return a pod with its processes as they are now (read afresh); None where it is not on the node."""

    def changes(self) -> AsyncIterator[frozenset[str]]:
        """Yield UIDs of pods that came, went, or whose containers, processes or threads may have changed.

        Changes that come close together are yielded together. A slow full walk is part of it: what events missed is
        yielded then. Never ends.
        """

    def track(self, uids: frozenset[str]) -> None:
        """Say which pods' processes matter: only theirs are watched closely."""
