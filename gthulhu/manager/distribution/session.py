"""One agent's session as a state machine: what it holds, what is on its way to it, what is to be said next.

At most one delta is on its way. What changes meanwhile is not kept as a list: it is a mark, and when the agent has
answered, what it holds is compared with what it should hold then. So a slow agent costs the same memory however much
happens, and gets the newest state rather than every state in between.

Free of any I/O and of clocks: callers pass the time, in seconds of one monotonic clock.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping

from gthulhu.common import digest, errors
from gthulhu.manager.distribution import debounce as debounces
from gthulhu.manager.distribution import delta as deltas
from gthulhu.manager.domain import intent as intents


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A delta on its way to the agent."""

    nonce: str
    delta: deltas.Delta
    revisions: deltas.Revisions
    """What it brings the agent to."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the agent should hold, to compare."""

    digest: str
    intents: int
    """How many there are."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One intent that an agent could not take."""

    intent_id: str
    version: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What an answer settled."""

    rejected: tuple[Rejection, ...]
    removed: tuple[str, ...]
    """Ids of intents that the agent holds no longer."""


class Session:
    """See the module's docstring."""

    def __init__(
        self,
        *,
        held: Mapping[str, str],
        rejected: Mapping[str, str],
        debounce: debounces.Debounce,
        check_every: float,
        now: float,
    ) -> None:
        """Begin with what the agent says it holds.

        Args:
            held: Intent id → version.
            rejected: Id → version of what the agent could not take earlier.
            debounce: Decides when a burst of changes is over.
            check_every: Seconds between two digests, while nothing else is said.
            now: The time.
        """
        self._held = dict(held)
        self._rejected = dict(rejected)
        self._debounce = debounce
        self._check_every = check_every
        self._check_at = now + check_every
        self._on_its_way: Transfer | None = None
        self.behind_since: float | None = None
        """Since when something that is wanted has not been acknowledged; None: all has."""
        self.acknowledged = deltas.Revisions()
        """What the agent was last known to have all of."""
        self.changed(now)

    @property
    def held(self) -> Mapping[str, str]:
        """Intent id → version of what the agent is known to hold."""
        return self._held

    @property
    def rejected(self) -> Mapping[str, str]:
        """Id → version of what the agent could not take, as long as it is wanted."""
        return self._rejected

    @property
    def due(self) -> float | None:
        """When `next` may have something to say; None: not before an answer."""
        if self._on_its_way is not None:
            return None
        changed = self._debounce.due
        return self._check_at if changed is None else min(changed, self._check_at)

    def changed(self, now: float) -> None:
        """Note that what the agent should hold may have changed."""
        self._debounce.touch(now)
        if self.behind_since is None:
            self.behind_since = now

    def next(
        self, *, wanted: Mapping[str, intents.Intent], revisions: deltas.Revisions, now: float
    ) -> Transfer | Check | None:
        """Return what is to be said now; it counts as said.

        Args:
            wanted: What the agent should hold now, by id.
            revisions: What that was computed from.
            now: The time.
        """
        if self._on_its_way is not None:
            return None
        changed = self._debounce.due
        if changed is not None and changed <= now:
            return self._compare(wanted=wanted, revisions=revisions, now=now)
        if changed is None and self._check_at <= now:
            self._check_at = now + self._check_every
            return Check(digest=digest.of_versions(self._held), intents=len(self._held))
        return None

    def acknowledge(self, *, nonce: str, rejections: Iterable[Rejection], now: float) -> Acknowledged:
        """Take the agent's answer: all of the delta but what it rejected is in force.

        Where it rejected the new version of an intent, it keeps the one that it had.

        Raises:
            InvalidInputError: Nothing of that nonce is on its way.
        """
        transfer = self._on_its_way
        if transfer is None or transfer.nonce != nonce:
            raise errors.InvalidInputError.of_field("ack.nonce", f"{nonce!r} is not on its way")
        self._on_its_way = None
        rejected = {(one.intent_id, one.version): one for one in rejections}
        refused = []
        for one in transfer.delta.set:
            rejection = rejected.get((one.id, one.version))
            if rejection is None:
                self._held[one.id] = one.version
                self._rejected.pop(one.id, None)
            else:
                self._rejected[one.id] = one.version
                refused.append(rejection)
        for key in transfer.delta.removed:
            self._held.pop(key, None)
        self.acknowledged = transfer.revisions
        self.behind_since = self._debounce.first
        self._check_at = now + self._check_every
        return Acknowledged(rejected=tuple(refused), removed=transfer.delta.removed)

    def _compare(
        self, *, wanted: Mapping[str, intents.Intent], revisions: deltas.Revisions, now: float
    ) -> Transfer | None:
        self._debounce.clear()
        self._rejected = {key: version for key, version in self._rejected.items() if key in wanted}
        delta = deltas.difference(wanted=wanted, held=self._held, rejected=self._rejected)
        if not delta:
            self.acknowledged = revisions
            self.behind_since = None
            return None
        self._on_its_way = Transfer(nonce=uuid.uuid4().hex, delta=delta, revisions=revisions)
        self._check_at = now + self._check_every
        return self._on_its_way
