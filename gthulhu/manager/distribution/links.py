"""Nodes' sessions and what their agents reported, whichever replica holds them."""

from collections.abc import Callable, Collection, Mapping

from gthulhu.common import clock as clocks
from gthulhu.manager.domain import intent, standing
from gthulhu.manager.store import base

_FEW = 8
"""So many nodes are asked for one by one; for more, all reports are read at once."""


class Links:
    """Reads what replicas share of agents, and tells which sessions are live."""

    def __init__(self, *, store: base.Store, clock: clocks.Clock) -> None:
        """Take the store that all replicas share, and what leases are measured by."""
        self._store = store
        self._clock = clock

    async def sessions(self) -> Mapping[str, base.AgentSession]:
        """Return the last session of every node that has had one, live or not."""
        return {one.node: one for one in await self._store.list_sessions()}

    async def session(self, node: str) -> base.AgentSession | None:
        """Return a node's live session."""
        session = (await self.sessions()).get(node)
        return session if self.link(session).connected else None

    def link(self, session: base.AgentSession | None) -> standing.Link:
        """Return what states depend on."""
        if session is None or session.lease_until <= self._clock.now():
            return standing.Link()
        return standing.Link(connected=True, behind_since=session.behind_since)

    async def links(self) -> Mapping[str, standing.Link]:
        """Return what states depend on, of every node that has had a session."""
        return {node: self.link(session) for node, session in (await self.sessions()).items()}

    async def reports(self, nodes: Collection[str]) -> Mapping[str, intent.Report]:
        """Return what agents reported, by intent id, of these nodes at least."""
        if len(nodes) > _FEW:
            return {one.intent_id: one for one in await self._store.list_reports()}
        return {one.intent_id: one for node in nodes if node for one in await self._store.list_reports(node=node)}

    async def reports_by_node(self) -> Mapping[str, tuple[intent.Report, ...]]:
        """Return all that agents reported."""
        by_node: dict[str, list[intent.Report]] = {}
        for one in await self._store.list_reports():
            by_node.setdefault(one.node, []).append(one)
        return {node: tuple(its) for node, its in by_node.items()}

    async def standings(self, intents: Collection[intent.Intent]) -> Mapping[str, standing.Standing]:
        """Return how far intents have come, by id."""
        read = await self.reader({one.node for one in intents})
        return {one.id: read(one) for one in intents}

    async def reader(self, nodes: Collection[str]) -> Callable[[intent.Intent], standing.Standing]:
        """Return what tells how far an intent of one of these nodes has come, as of now."""
        links = await self.links()
        reports = await self.reports(nodes)
        nothing = standing.Link()
        return lambda one: standing.of(one, link=links.get(one.node, nothing), report=reports.get(one.id))
