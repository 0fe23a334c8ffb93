"""The contract of `gthulhu.manager.store.base` over one SQLite file.

Every method is one transaction of `database`; the SQL stands in `things`, `logins` and `agents`.
"""

import asyncio
import datetime
import pathlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TypeVar

from gthulhu.common.clock import Clock
from gthulhu.manager.domain import access, intent, sample, strategy
from gthulhu.manager.store import base, bell, kinds
from gthulhu.manager.store.sqlite import agents, database, logins, things

T = TypeVar("T")

_WATCH_BATCH = 500


class SqliteStore:
    """See `base.Store`; one process at a time."""

    def __init__(self, path: pathlib.Path, *, clock: Clock, keep_changes: int = 10_000) -> None:
        """Take the file (made if it is not there), and how many changes a watcher may be behind without a Snapshot."""
        self._clock = clock
        self._keep_changes = keep_changes
        self._bell = bell.Bell()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database = database.Database(path, on_commit=self._ring)

    async def open(self) -> None:
        """See `base.Store.open`."""
        self._loop = asyncio.get_running_loop()
        await self._database.open()

    async def close(self) -> None:
        """See `base.Store.close`."""
        await self._database.close()

    async def check(self) -> None:
        """See `base.Store.check`."""
        await self._database.read(things.revision)
        await self._database.write(things.revision)

    def feed_age(self) -> float:
        """See `base.Store.feed_age`: within one process nothing can come between."""
        return 0.0

    async def revision(self) -> int:
        """See `base.Store.revision`."""
        return await self._database.read(things.revision)

    async def snapshot(self) -> base.Snapshot:
        """See `base.Store.snapshot`."""
        return await self._database.read(things.snapshot)

    async def watch(self, *, since: int) -> AsyncIterator[base.Change | base.Snapshot]:
        """See `base.Store.watch`."""
        seen = since
        while True:
            rung = self._bell.take()
            batch = await self._database.read(lambda c: things.changes(c, since=seen, limit=_WATCH_BATCH))  # noqa: B023 - read before `seen` changes
            for change in batch:
                yield change
                seen = change.revision
            if not batch:
                await rung.wait()

    async def get_strategy(self, strategy_id: str) -> strategy.Strategy | None:
        """See `base.Store.get_strategy`."""
        return await self._database.read(lambda c: things.get(c, kinds.STRATEGY, strategy_id))

    async def list_strategies(self) -> tuple[strategy.Strategy, ...]:
        """See `base.Store.list_strategies`."""
        return await self._database.read(lambda c: things.get_all(c, kinds.STRATEGY))

    async def put_strategy(
        self, value: strategy.Strategy, *, expected_etag: str | None, audit: base.AuditEntry
    ) -> strategy.Strategy:
        """See `base.Store.put_strategy`."""
        return await self._change(
            lambda c: things.put(c, kinds.STRATEGY, value, expected_etag=expected_etag), audit=audit
        )

    async def delete_strategy(self, strategy_id: str, *, expected_etag: str, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_strategy`."""
        await self._change(
            lambda c: things.delete(c, kinds.STRATEGY, strategy_id, expected_etag=expected_etag), audit=audit
        )

    async def get_user(self, user_id: str) -> access.User | None:
        """See `base.Store.get_user`."""
        return await self._database.read(lambda c: things.get(c, kinds.USER, user_id))

    async def find_user(self, *, username: str = "", email: str = "") -> access.User | None:
        """See `base.Store.find_user`."""
        return await self._database.read(lambda c: things.find_user(c, username=username, email=email))

    async def list_users(self) -> tuple[access.User, ...]:
        """See `base.Store.list_users`."""
        return await self._database.read(lambda c: things.get_all(c, kinds.USER))

    async def put_user(self, value: access.User, *, expected_etag: str | None, audit: base.AuditEntry) -> access.User:
        """See `base.Store.put_user`."""
        return await self._change(lambda c: things.put(c, kinds.USER, value, expected_etag=expected_etag), audit=audit)

    async def delete_user(self, user_id: str, *, new_owner: access.User | None, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_user`."""
        await self._change(lambda c: things.delete_user(c, user_id, new_owner=new_owner, audit=audit), audit=audit)

    async def record_login(self, user_id: str, *, at: datetime.datetime) -> None:
        """See `base.Store.record_login`."""
        await self._database.write(lambda c: things.record_login(c, user_id, at=at.isoformat()))

    async def get_role(self, role_id: str) -> access.Role | None:
        """See `base.Store.get_role`."""
        return await self._database.read(lambda c: things.get(c, kinds.ROLE, role_id))

    async def list_roles(self) -> tuple[access.Role, ...]:
        """See `base.Store.list_roles`."""
        return await self._database.read(lambda c: things.get_all(c, kinds.ROLE))

    async def put_role(self, value: access.Role, *, expected_etag: str | None, audit: base.AuditEntry) -> access.Role:
        """See `base.Store.put_role`."""
        return await self._change(lambda c: things.put(c, kinds.ROLE, value, expected_etag=expected_etag), audit=audit)

    async def delete_role(self, role_id: str, *, force: bool, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_role`."""
        await self._change(lambda c: things.delete_role(c, role_id, force=force), audit=audit)

    async def set_paused(self, paused: bool, *, audit: base.AuditEntry) -> None:  # noqa: FBT001 - the value itself
        """See `base.Store.set_paused`."""
        await self._change(lambda c: things.set_paused(c, paused=paused), audit=audit)

    async def add_refresh_token(self, token: base.RefreshToken) -> None:
        """See `base.Store.add_refresh_token`."""
        await self._database.write(lambda c: logins.add_refresh_token(c, token))

    async def use_refresh_token(self, digest: str) -> base.RefreshToken | None:
        """See `base.Store.use_refresh_token`."""
        return await self._database.write(lambda c: logins.use_refresh_token(c, digest))

    async def revoke_refresh_tokens(self, *, family: str = "", user_id: str = "") -> None:
        """See `base.Store.revoke_refresh_tokens`."""
        await self._database.write(lambda c: logins.revoke_refresh_tokens(c, family=family, user_id=user_id))

    async def claim(self, key: str, *, holder: str, until: datetime.datetime) -> str:
        """See `base.Store.claim`."""
        now = self._clock.now()
        return await self._database.write(lambda c: logins.claim(c, key, holder=holder, until=until, now=now))

    async def add_audit(self, entry: base.AuditEntry) -> None:
        """See `base.Store.add_audit`."""
        await self._database.write(lambda c: logins.add_audit(c, entry))

    async def list_audit(
        self, query: base.AuditFilter, *, limit: int, before_id: int | None = None
    ) -> tuple[base.AuditEntry, ...]:
        """See `base.Store.list_audit`."""
        return await self._database.read(lambda c: logins.list_audit(c, query, limit=limit, before_id=before_id))

    async def open_session(self, session: base.AgentSession) -> base.AgentSession:
        """See `base.Store.open_session`."""
        return await self._database.write(lambda c: agents.open_session(c, session))

    async def save_sessions(self, updates: Sequence[base.SessionUpdate]) -> frozenset[tuple[str, int]]:
        """See `base.Store.save_sessions`."""
        return await self._database.write(lambda c: agents.save_sessions(c, updates))

    async def list_sessions(self) -> tuple[base.AgentSession, ...]:
        """See `base.Store.list_sessions`."""
        return await self._database.read(agents.list_sessions)

    async def list_reports(self, *, node: str = "") -> tuple[intent.Report, ...]:
        """See `base.Store.list_reports`."""
        return await self._database.read(lambda c: agents.list_reports(c, node=node))

    async def put_samples(self, samples: Sequence[sample.Sample]) -> None:
        """See `base.Store.put_samples`."""
        await self._database.write(lambda c: agents.put_samples(c, samples))

    async def get_sample(self, node: str) -> sample.Sample | None:
        """See `base.Store.get_sample`."""
        return await self._database.read(lambda c: agents.get_sample(c, node))

    async def list_samples(self) -> tuple[sample.Sample, ...]:
        """See `base.Store.list_samples`."""
        return await self._database.read(agents.list_samples)

    async def forget_nodes(self, nodes: Collection[str], *, over_since: datetime.datetime) -> None:
        """See `base.Store.forget_nodes`."""
        await self._database.write(lambda c: agents.forget_nodes(c, nodes, over_since=over_since))

    async def _change(self, work: Callable[[sqlite3.Connection], T], *, audit: base.AuditEntry) -> T:
        def audited(connection: sqlite3.Connection) -> T:
            result = work(connection)
            logins.add_audit(connection, audit)
            things.prune(connection, keep=self._keep_changes)
            return result

        return await self._database.write(audited)

    def _ring(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._bell.ring)
