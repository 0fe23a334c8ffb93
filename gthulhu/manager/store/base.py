"""The contract of every store.

All methods are coroutines and safe to call at once. A write is durable when it returns. Reads of this interface see
every write that returned before (of any replica); what `watch` yields may lag behind.

One *revision* counts the changes of strategies, users, roles and settings; it rises by one with each, in the same
transaction. What agents report, sessions, refresh tokens and log-ins do not move it.

Every change is written together with its audit entry, or not at all.
"""

import dataclasses
import datetime
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from gthulhu.manager.domain import access, intent, sample, strategy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what."""

    id: int = 0
    """Rises with time; given by the store."""
    time: datetime.datetime
    actor_id: str = ""
    actor: str = ""
    address: str = ""
    action: str
    target: str = ""
    request_id: str = ""
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; an empty field filters nothing."""

    actor: str = ""
    action: str = ""
    """This one, or those that start with it and a dot."""
    target: str = ""
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that the revision counts, at one revision."""

    revision: int
    strategies: tuple[strategy.Strategy, ...]
    users: tuple[access.User, ...]
    roles: tuple[access.Role, ...]
    paused: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StrategyChange:
    """A strategy is new, different, or (`value` None) gone."""

    revision: int
    id: str
    value: strategy.Strategy | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """A user is new, different, or (`value` None) gone."""

    revision: int
    id: str
    value: access.User | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """A role is new, different, or (`value` None) gone."""

    revision: int
    id: str
    value: access.Role | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PauseChange:
    """The cluster-wide switch was thrown."""

    revision: int
    paused: bool


Change = StrategyChange | UserChange | RoleChange | PauseChange


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One refresh token, by the digest of its secret; all that came from one login are a family."""

    digest: str
    family: str
    user_id: str
    issued_at: datetime.datetime
    expires_at: datetime.datetime
    used: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentSession:
    """A node's session, as far as other replicas must know."""

    node: str
    epoch: int
    """Rises with each session of the node; writes of lower epochs are refused."""
    replica: str
    """Which manager holds it."""
    opened_at: datetime.datetime
    lease_until: datetime.datetime
    """Over: the node counts as disconnected."""
    agent_version: str = ""
    agent_address: str = ""
    """host:port of the agent's NodeService."""
    enforcer: str = ""
    enforcer_reason: str = ""
    levers: tuple[str, ...] = ()
    acked_revision: int = 0
    wanted_revision: int = 0
    behind_since: datetime.datetime | None = None
    """Since when something that is wanted has not been acknowledged; None where all has."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    """What the replica that holds a session has to tell the others."""

    session: AgentSession
    """Takes the place of the row of the same epoch."""
    reports: tuple[intent.Report, ...] = ()
    """Take the place of earlier ones on the same intents."""
    removed: tuple[str, ...] = ()
    """Ids of intents of the node whose reports go."""


class Store(Protocol):
    """See the module's docstring. Unknown ids are None or `NotFoundError`, lost races `ConflictError`."""

    async def open(self) -> None:
        """Connect, migrate, and take whatever lock the store needs; `UnavailableError` says what is wrong."""

    async def close(self) -> None:
        """Release everything; pending writes end first."""

    async def check(self) -> None:
        """Return where the store can be read and written now, else raise `UnavailableError`."""

    # What the revision counts.

    async def revision(self) -> int:
        """Return the revision: waiting until a view has reached it makes a write visible there."""

    async def snapshot(self) -> Snapshot:
        """Return everything that the revision counts, consistently."""

    def watch(self, *, since: int) -> AsyncIterator[Change | Snapshot]:
        """Yield every change after revision `since`, in order, without end.

        Where changes since then are no longer known, and with `since` -1, yields a Snapshot first. Reconnects by
        itself.
        """

    def feed_age(self) -> float:
        """Return for how many seconds what `watch` yields may have lacked changes of others; 0 where it is live."""

    async def get_strategy(self, strategy_id: str) -> strategy.Strategy | None:
        """Return the strategy."""

    async def list_strategies(self) -> tuple[strategy.Strategy, ...]:
        """Return all, by namespace and name."""

    async def put_strategy(
        self, value: strategy.Strategy, *, expected_etag: str | None, audit: AuditEntry
    ) -> strategy.Strategy:
        """Create (`expected_etag` None) or replace a strategy; returns it with its new etag.

        Raises:
            ConflictError: `STRATEGY_EXISTS` where the name is taken in its namespace; `ETAG_MISMATCH` where it has
                been changed meanwhile.
            NotFoundError: `STRATEGY_NOT_FOUND` where it is to be replaced and is not there.
        """

    async def delete_strategy(self, strategy_id: str, *, expected_etag: str, audit: AuditEntry) -> None:
        """Remove a strategy; `NotFoundError`, or `ConflictError` (`ETAG_MISMATCH`)."""

    async def get_user(self, user_id: str) -> access.User | None:
        """Return the user."""

    async def find_user(self, *, username: str = "", email: str = "") -> access.User | None:
        """Return the user of that name or e-mail address; upper and lower case are one."""

    async def list_users(self) -> tuple[access.User, ...]:
        """Return all, by name."""

    async def put_user(self, value: access.User, *, expected_etag: str | None, audit: AuditEntry) -> access.User:
        """Create (`expected_etag` None) or replace a user; `USER_EXISTS`, `ETAG_MISMATCH`, `USER_NOT_FOUND`."""

    async def delete_user(self, user_id: str, *, new_owner: access.User | None, audit: AuditEntry) -> None:
        """Remove a user with its refresh tokens; its strategies get the new owner, or (None) go with it."""

    async def record_login(self, user_id: str, *, at: datetime.datetime) -> None:
        """Note when the user last logged in; does not move the revision."""

    async def get_role(self, role_id: str) -> access.Role | None:
        """Return the role."""

    async def list_roles(self) -> tuple[access.Role, ...]:
        """Return all, by name."""

    async def put_role(self, value: access.Role, *, expected_etag: str | None, audit: AuditEntry) -> access.Role:
        """Create (`expected_etag` None) or replace a role; `ROLE_EXISTS`, `ETAG_MISMATCH`, `ROLE_NOT_FOUND`."""

    async def delete_role(self, role_id: str, *, force: bool, audit: AuditEntry) -> None:
        """Remove a role; where users have it, `ConflictError` (`ROLE_IN_USE`) or (force) take it from them."""

    async def set_paused(self, paused: bool, *, audit: AuditEntry) -> None:  # noqa: FBT001 - the value itself
        """Throw the cluster-wide switch."""

    # Log-ins.

    async def add_refresh_token(self, token: RefreshToken) -> None:
        """Keep a new refresh token."""

    async def use_refresh_token(self, digest: str) -> RefreshToken | None:
        """Mark a token as used, once: returns it as it was before (`used` True: it is a replay)."""

    async def revoke_refresh_tokens(self, *, family: str = "", user_id: str = "") -> None:
        """Remove all of a family, or all of a user."""

    async def claim(self, key: str, *, holder: str, until: datetime.datetime) -> str:
        """Return the holder who was the first to claim a key; claims are kept until that time at least."""

    async def add_audit(self, entry: AuditEntry) -> None:
        """Write an entry that goes with no other write, for example a failed login."""

    async def list_audit(
        self, query: AuditFilter, *, limit: int, before_id: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return at most `limit` entries, newest first, with ids below `before_id`."""

    # What replicas tell each other about agents.

    async def open_session(self, session: AgentSession) -> AgentSession:
        """Start a session of a node: returns it with the next epoch, by one atomic step."""

    async def save_sessions(self, updates: Sequence[SessionUpdate]) -> frozenset[tuple[str, int]]:
        """Keep updates in one batch, each whole or, where its epoch is not the node's current one, not at all.

        Returns:
            Node and epoch of those that were not kept: newer sessions have taken over.
        """

    async def list_sessions(self) -> tuple[AgentSession, ...]:
        """Return the last session of every node, by node."""

    async def list_reports(self, *, node: str = "") -> tuple[intent.Report, ...]:
        """Return all, or those of one node."""

    async def put_samples(self, samples: Sequence[sample.Sample]) -> None:
        """Keep the latest sample of each node: one that was received earlier than what is there is passed over."""

    async def get_sample(self, node: str) -> sample.Sample | None:
        """Return a node's latest sample."""

    async def list_samples(self) -> tuple[sample.Sample, ...]:
        """Return the latest sample of every node without its pods, by node."""

    async def forget_nodes(self, nodes: Collection[str], *, over_since: datetime.datetime) -> None:
        """Remove sessions, reports and samples of nodes whose leases ended before that time, or that have none."""
