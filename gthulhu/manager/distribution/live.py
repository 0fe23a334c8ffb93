"""One open session, on this replica: the state machine of `session`, with time, an end, and someone to tell."""

import asyncio
import dataclasses
import datetime
from collections.abc import Callable, Iterable

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import delta as deltas
from gthulhu.manager.distribution import session as sessions
from gthulhu.manager.distribution import tally, waiting, world
from gthulhu.manager.domain import intent as intents
from gthulhu.manager.store import base

_LEAVE_SECONDS = 30.0
"""How long an agent may take to move when nobody is in a hurry."""


def replaced() -> errors.UnavailableError:
    """Return the error that ends a session when the node has a newer one."""
    return errors.UnavailableError("SESSION_REPLACED", "the node has a newer session")


@dataclasses.dataclass(frozen=True, slots=True)
class Farewell:
    """The agent is to go and reconnect."""


class Live:
    """One open session: the service reads and writes its stream, the registry tells it what happens."""

    def __init__(
        self,
        *,
        row: base.AgentSession,
        session: sessions.Session,
        view: world.World,
        clock: clocks.Clock,
        expires_at: datetime.datetime,
        age: float,
        changed: Callable[["Live"], None],
        counts: tally.Counts,
    ) -> None:
        """Begin.

        Args:
            row: As the store has it, with its epoch.
            session: What is held, on its way, and to be said.
            view: What the agent should hold.
            clock: For everything that has its time.
            expires_at: When token or certificate end.
            age: Seconds after which the agent is asked to reconnect.
            changed: Is told when there is something to store.
            counts: Is raised with what happens.
        """
        self.node = row.node
        self.epoch = row.epoch
        self.expires_at = expires_at
        self._reports: dict[str, intents.Report] = {}
        self._removed: set[str] = set()
        self._row = row
        self._session = session
        self._view = view
        self._clock = clock
        self._changed = changed
        self._counts = counts
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()
        self._error: errors.DomainError | None = None
        self._old_at = clock.monotonic() + age
        self._leave_by: float | None = None
        self._farewell: Farewell | None = None

    # What the registry says.

    def touch(self) -> None:
        """Note that what the agent should hold may have changed."""
        was_behind = self.behind
        self._session.changed(self._clock.monotonic())
        self._woken.set()
        if not was_behind:
            self._changed(self)

    def drain(self, *, within: float) -> None:
        """Ask the agent to go, and end the session where it has not gone after so many seconds."""
        if self._leave_by is None:
            self._leave_by = self._clock.monotonic() + within
            self._farewell = Farewell()
            self._woken.set()
            self._moved.set()

    def end(self, error: errors.DomainError) -> None:
        """End the session; `ended` raises the error."""
        self._error = self._error or error
        self._moved.set()

    def forget(self, intent_ids: Iterable[str]) -> None:
        """Have the store drop what it knows of these intents of the node."""
        for key in intent_ids:
            self._reports.pop(key, None)
            self._removed.add(key)

    def take(self, *, lease_until: datetime.datetime) -> base.SessionUpdate:
        """Return what the store is to be told; it counts as told."""
        reports, self._reports = self._reports, {}
        removed, self._removed = self._removed, set()
        row = dataclasses.replace(self._row_now(), lease_until=lease_until)
        return base.SessionUpdate(session=row, reports=tuple(reports.values()), removed=tuple(removed))

    def put_back(self, update: base.SessionUpdate) -> None:
        """Count as untold what could not be told, and has not been overtaken since."""
        earlier = {one.intent_id: one for one in update.reports if one.intent_id not in self._removed}
        self._reports = earlier | self._reports
        self._removed |= set(update.removed) - self._reports.keys()

    def _row_now(self) -> base.AgentSession:
        behind = self._session.behind_since
        revision = self._view.revision
        if behind is None:
            return dataclasses.replace(self._row, acked_revision=revision, wanted_revision=revision, behind_since=None)
        return dataclasses.replace(
            self._row,
            acked_revision=self._session.acknowledged.store,
            wanted_revision=revision,
            behind_since=self._clock.now() - datetime.timedelta(seconds=self._clock.monotonic() - behind),
        )

    @property
    def behind(self) -> bool:
        """Whether something that is wanted has not been acknowledged."""
        return self._session.behind_since is not None

    @property
    def rejected(self) -> dict[str, str]:
        """Id → version of what the agent could not take."""
        return dict(self._session.rejected)

    # What the stream does.

    async def next(self) -> sessions.Transfer | sessions.Check | Farewell:
        """Return what is to be said next, as soon as there is something."""
        while True:
            self._woken.clear()
            if self._farewell is not None:
                farewell, self._farewell = self._farewell, None
                return farewell
            message = self._next()
            if message is not None:
                return message
            due = self._session.due
            await waiting.event_or_time(
                self._woken, clock=self._clock, seconds=None if due is None else due - self._clock.monotonic()
            )

    async def ended(self) -> None:
        """Wait until the session is over; raises why.

        Raises:
            UnauthenticatedError: Token or certificate are over.
            UnavailableError: The agent should come back: it was asked to go, or another session has replaced this.
        """
        while True:
            self._moved.clear()
            if self._error is not None:
                raise self._error
            left = (self.expires_at - self._clock.now()).total_seconds()
            if left <= 0:
                raise errors.UnauthenticatedError("TOKEN_EXPIRED", "the token or the certificate is over")
            stay = self._stay()
            if stay <= 0:
                raise errors.UnavailableError("DRAINING", "this manager wants the session to move")
            left = min(left, stay)
            await waiting.event_or_time(self._moved, clock=self._clock, seconds=left)

    def extend(self, expires_at: datetime.datetime) -> None:
        """Take the end of a new token."""
        self.expires_at = expires_at
        self._moved.set()

    def acknowledge(self, *, nonce: str, rejections: Iterable[sessions.Rejection]) -> None:
        """Take the answer to the delta that is on its way; see `session.Session.acknowledge`."""
        outcome = self._session.acknowledge(nonce=nonce, rejections=rejections, now=self._clock.monotonic())
        self._counts.acknowledged += 1
        self._counts.rejected += len(outcome.rejected)
        now = self._clock.now()
        for one in outcome.rejected:
            self._report(
                intents.Report(
                    intent_id=one.intent_id, version=one.version, node=self.node, failure=one.reason, reported_at=now
                )
            )
        self.forget(outcome.removed)
        self._woken.set()
        self._changed(self)

    def applied(self, reports: Iterable[intents.Report]) -> None:
        """Take figures; those on what the agent does not hold, or holds in place of what it rejected, do not count."""
        for report in reports:
            held = self._session.held.get(report.intent_id) == report.version
            if held and report.intent_id not in self._session.rejected:
                self._report(report)
        self._changed(self)

    def _stay(self) -> float:
        """Return for how many seconds the agent may stay; where it has grown old it is asked to go."""
        now = self._clock.monotonic()
        if self._leave_by is None and now < self._old_at:
            return self._old_at - now
        self.drain(within=_LEAVE_SECONDS)
        return (self._leave_by or now) - now

    def _report(self, report: intents.Report) -> None:
        self._removed.discard(report.intent_id)
        self._reports[report.intent_id] = report

    def _next(self) -> sessions.Transfer | sessions.Check | None:
        now = self._clock.monotonic()
        due = self._session.due
        if due is None or due > now:
            return None
        was_behind = self.behind
        message = self._session.next(
            wanted=self._view.intents_of(self.node),
            revisions=deltas.Revisions(
                store=self._view.revision,
                inventory=self._view.inventory_version,
                inventory_source=self._view.inventory_source,
            ),
            now=now,
        )
        if isinstance(message, sessions.Transfer):
            self._counts.deltas += 1
            self._counts.intents += len(message.delta.set)
            self._counts.sizes.observe(len(message.delta.set) + len(message.delta.removed))
        if was_behind and not self.behind:
            self._changed(self)
        return message
