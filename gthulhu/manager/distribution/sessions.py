"""The sessions that this replica holds: one a node, each in the store by its epoch."""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import random
from collections.abc import AsyncIterator, Mapping

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import debounce, ledger, session, tally, waiting, world
from gthulhu.manager.distribution import delta as deltas
from gthulhu.manager.distribution import live as lives
from gthulhu.manager.store import base

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What an agent says first."""

    node: str
    agent_version: str = ""
    agent_address: str = ""
    """host:port of its NodeService."""
    held: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Intent id → version, of everything that it holds."""
    seen: deltas.Revisions = dataclasses.field(default_factory=deltas.Revisions)
    """The highest revisions that it has seen."""
    enforcer: str = ""
    enforcer_reason: str = ""
    levers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times, all in seconds."""

    quiet: float = 0.05
    """A change is sent after so long without another."""
    longest: float = 0.5
    """But after so long at the latest."""
    lease: float = 10.0
    """A session whose replica has not renewed it for so long counts as gone."""
    check_every: float = 60.0
    """How often an agent is told the digest of what it should hold."""
    catch_up: float = 2.0
    """How long an agent waits for a replica that is behind what it has seen; then it had better try another."""
    leave: float = 5.0
    """How long an agent may take to go when it is asked to."""
    age: float = 3600.0
    """How long a session lasts before the agent is asked to reconnect: so that new replicas get their share."""
    age_jitter: float = 0.2
    """That is made shorter by up to this part of it, at random: sessions that began together end apart."""


class Sessions:
    """See the module's docstring."""

    def __init__(
        self, *, view: world.World, store: base.Store, clock: clocks.Clock, replica: str, settings: Settings
    ) -> None:
        """Send agents what a view says; `replica` is this manager's name in the store."""
        self._view = view
        self._store = store
        self._clock = clock
        self._replica = replica
        self._settings = settings
        self._ledger = ledger.Ledger(store=store, clock=clock, lease=settings.lease)
        self._live: dict[str, lives.Live] = {}
        self._rejected: dict[str, tuple[str, dict[str, str]]] = {}
        self.counts = tally.Counts()
        self.convergence = tally.Convergence(clock=clock)
        self._draining = False
        self._empty = asyncio.Event()
        view.subscribe(self._changed)

    def __len__(self) -> int:
        return len(self._live)

    async def run(self) -> None:
        """Keep leases and store reports, until cancelled."""
        await self._ledger.run()

    @contextlib.asynccontextmanager
    async def open(self, hello: Hello, *, expires_at: datetime.datetime) -> AsyncIterator[lives.Live]:
        """Hold a node's session for as long as the context lasts; an older one of the node ends.

        Args:
            hello: What the agent has said.
            expires_at: When its token or its certificate ends, whichever is first.

        Raises:
            UnavailableError: This replica is about to stop, or is behind what the agent has seen.
        """
        if self._draining:
            raise errors.UnavailableError("DRAINING", "this manager is about to stop")
        await self._catch_up(hello)
        live = await self._register(hello, expires_at=expires_at)
        try:
            yield live
        finally:
            if self._live.get(hello.node) is live:
                del self._live[hello.node]
            if not self._live:
                self._empty.set()
            self._rejected.pop(hello.node, None)
            if live.rejected:
                self._rejected[hello.node] = (hello.agent_version, live.rejected)
            self._ledger.closed(live)
            self.convergence.note(live, behind=False)

    async def drain(self) -> None:
        """Take no more sessions, ask every agent to go, and return when they have gone or had their time."""
        self._draining = True
        for live in self._live.values():
            live.drain(within=self._settings.leave)
        if self._live:
            self._empty.clear()
            await waiting.event_or_time(self._empty, clock=self._clock, seconds=self._settings.leave)

    def _moved(self, live: lives.Live) -> None:
        self._ledger.changed(live)
        self.convergence.note(live, behind=live.behind)

    def _changed(self, nodes: frozenset[str]) -> None:
        for node in nodes & self._live.keys():
            self._live[node].touch()

    async def _register(self, hello: Hello, *, expires_at: datetime.datetime) -> lives.Live:
        now = self._clock.now()
        row = await self._store.open_session(
            base.AgentSession(
                node=hello.node,
                epoch=0,
                replica=self._replica,
                opened_at=now,
                lease_until=self._ledger.lease_until(),
                agent_version=hello.agent_version,
                agent_address=hello.agent_address,
                enforcer=hello.enforcer,
                enforcer_reason=hello.enforcer_reason,
                levers=hello.levers,
                acked_revision=hello.seen.store,
                wanted_revision=self._view.revision,
                behind_since=now,
            )
        )
        live = lives.Live(
            row=row,
            session=session.Session(
                held=hello.held,
                rejected=self._rejected_by(hello),
                debounce=debounce.Debounce(quiet=self._settings.quiet, longest=self._settings.longest),
                check_every=self._settings.check_every,
                now=self._clock.monotonic(),
            ),
            view=self._view,
            clock=self._clock,
            expires_at=expires_at,
            age=self._settings.age * (1 - self._settings.age_jitter * random.random()),  # noqa: S311 - spreads load
            changed=self._moved,
            counts=self.counts,
        )
        live.forget(await self._ledger.orphans(node=hello.node, known=self._view.intents_of(hello.node).keys()))
        older = self._live.get(hello.node)
        if older is not None and older.epoch > live.epoch:
            raise lives.replaced()
        if older is not None:
            older.end(lives.replaced())
        self._live[hello.node] = live
        self._ledger.opened(live)
        self.convergence.note(live, behind=live.behind)
        self.counts.opened += 1
        if self._draining:
            live.drain(within=self._settings.leave)
        return live

    def _rejected_by(self, hello: Hello) -> Mapping[str, str]:
        """Return what the agent could not take earlier; another release of it may be able to."""
        version, rejected = self._rejected.get(hello.node, ("", {}))
        return rejected if version == hello.agent_version else {}

    async def _catch_up(self, hello: Hello) -> None:
        """Wait until this replica has seen what the agent has: a replica that lags must not roll a node back."""
        view = self._view
        same_source = hello.seen.inventory_source == view.inventory_source
        inventory = hello.seen.inventory if same_source else 0
        if await view.wait_for(hello.seen.store, inventory_version=inventory, timeout=self._settings.catch_up):
            return
        if not await self._went_back(hello.seen.store) or not await view.wait_for(
            inventory_version=inventory, timeout=0
        ):
            raise errors.UnavailableError("REPLICA_BEHIND", "this manager has not seen yet what the agent has")
        _LOG.warning(
            "node %s has seen revision %d, but the store is at %d: it was restored or replaced",
            hello.node,
            hello.seen.store,
            view.revision,
        )

    async def _went_back(self, seen: int) -> bool:
        """Tell whether the store itself, not only this replica's view of it, is older than what an agent has seen."""
        if not self._view.synced or self._view.revision >= seen:
            return False
        current = await self._store.revision()
        return current < seen and self._view.revision >= current
