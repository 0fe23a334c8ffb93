"""The contract of `gthulhu.manager.store.base` over MongoDB.

What changes is announced in the collection `changes`, within the transaction of the change. A change stream on it only
wakes those who watch; what they get is read from the collection by its revision. A stream that breaks, or whose resume
token is too old, therefore loses nothing: the next one begins with another look.
"""

import datetime
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from pymongo.asynchronous.change_stream import AsyncChangeStream

from gthulhu.common import backoff, errors
from gthulhu.common.clock import Clock
from gthulhu.manager.domain import access, intent, sample, strategy
from gthulhu.manager.store import base, kinds
from gthulhu.manager.store.mongodb import connection, records, schema, things
from gthulhu.manager.store.mongodb.connection import Document, Session

T = TypeVar("T")

_WATCH_BATCH = 500
_AWAIT_MS = 1000
"""How long the server holds a change stream's answer where there is nothing to tell: also how often it is heard of."""

_log = logging.getLogger(__name__)


class MongoStore:
    """See `base.Store`; for any number of processes."""

    def __init__(self, uri: str, *, database: str, clock: Clock, keep_changes: int = 10_000) -> None:
        """Take where it is, and how many changes a watcher may be behind without a Snapshot."""
        self._clock = clock
        self._keep_changes = keep_changes
        self._connection = connection.Connection(uri, database=database)
        self._heard: dict[object, float] = {}

    async def open(self) -> None:
        """See `base.Store.open`."""
        await self._connection.open()
        try:
            async with connection.translated():
                await schema.migrate(self._database)
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """See `base.Store.close`."""
        await self._connection.close()

    async def check(self) -> None:
        """See `base.Store.check`."""
        async with connection.translated():
            await things.revision(self._database)
            await self._database["state"].update_one(
                {"_id": "check"}, {"$set": {"time": self._clock.now()}}, upsert=True
            )

    def feed_age(self) -> float:
        """See `base.Store.feed_age`."""
        now = self._clock.monotonic()
        return max((now - heard for heard in self._heard.values()), default=0.0)

    async def revision(self) -> int:
        """See `base.Store.revision`."""
        async with connection.translated():
            return await things.revision(self._database)

    async def snapshot(self) -> base.Snapshot:
        """See `base.Store.snapshot`."""
        return await self._connection.transaction(lambda s: things.snapshot(self._database, s))

    async def watch(self, *, since: int) -> AsyncIterator[base.Change | base.Snapshot]:
        """See `base.Store.watch`."""
        seen = since
        watcher = object()
        waits = backoff.FullJitter(clock=self._clock)
        self._heard[watcher] = self._clock.monotonic()
        try:
            while True:
                try:
                    async with await self._stream() as stream:
                        while True:
                            batch = await self._connection.transaction(
                                lambda s: things.changes(self._database, s, since=seen, limit=_WATCH_BATCH)  # noqa: B023 - read before `seen` changes
                            )
                            waits.reset()
                            self._heard[watcher] = self._clock.monotonic()
                            for change in batch:
                                yield change
                                seen = change.revision
                            if not batch:
                                await self._rung(stream, watcher, seen)
                except errors.UnavailableError as error:
                    pause = waits.next()
                    _log.warning("the change feed is lost, trying again in %.1f s: %s", pause, error.message)
                    await self._clock.sleep(pause)
        finally:
            del self._heard[watcher]

    async def get_strategy(self, strategy_id: str) -> strategy.Strategy | None:
        """See `base.Store.get_strategy`."""
        return await _translated(things.get(self._database, None, kinds.STRATEGY, strategy_id))

    async def list_strategies(self) -> tuple[strategy.Strategy, ...]:
        """See `base.Store.list_strategies`."""
        return await _translated(things.get_all(self._database, None, kinds.STRATEGY))

    async def put_strategy(
        self, value: strategy.Strategy, *, expected_etag: str | None, audit: base.AuditEntry
    ) -> strategy.Strategy:
        """See `base.Store.put_strategy`."""
        return await self._change(
            lambda s: things.put(self._database, s, kinds.STRATEGY, value, expected_etag=expected_etag), audit=audit
        )

    async def delete_strategy(self, strategy_id: str, *, expected_etag: str, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_strategy`."""
        await self._change(
            lambda s: things.delete(self._database, s, kinds.STRATEGY, strategy_id, expected_etag=expected_etag),
            audit=audit,
        )

    async def get_user(self, user_id: str) -> access.User | None:
        """See `base.Store.get_user`."""
        return await _translated(things.get(self._database, None, kinds.USER, user_id))

    async def find_user(self, *, username: str = "", email: str = "") -> access.User | None:
        """See `base.Store.find_user`."""
        return await _translated(things.find_user(self._database, username=username, email=email))

    async def list_users(self) -> tuple[access.User, ...]:
        """See `base.Store.list_users`."""
        return await _translated(things.get_all(self._database, None, kinds.USER))

    async def put_user(self, value: access.User, *, expected_etag: str | None, audit: base.AuditEntry) -> access.User:
        """See `base.Store.put_user`."""
        return await self._change(
            lambda s: things.put(self._database, s, kinds.USER, value, expected_etag=expected_etag), audit=audit
        )

    async def delete_user(self, user_id: str, *, new_owner: access.User | None, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_user`."""
        await self._change(
            lambda s: things.delete_user(self._database, s, user_id, new_owner=new_owner, audit=audit), audit=audit
        )

    async def record_login(self, user_id: str, *, at: datetime.datetime) -> None:
        """See `base.Store.record_login`."""
        await _translated(self._database["users"].update_one({"_id": user_id}, {"$set": {"last_login_at": at}}))

    async def get_role(self, role_id: str) -> access.Role | None:
        """See `base.Store.get_role`."""
        return await _translated(things.get(self._database, None, kinds.ROLE, role_id))

    async def list_roles(self) -> tuple[access.Role, ...]:
        """See `base.Store.list_roles`."""
        return await _translated(things.get_all(self._database, None, kinds.ROLE))

    async def put_role(self, value: access.Role, *, expected_etag: str | None, audit: base.AuditEntry) -> access.Role:
        """See `base.Store.put_role`."""
        return await self._change(
            lambda s: things.put(self._database, s, kinds.ROLE, value, expected_etag=expected_etag), audit=audit
        )

    async def delete_role(self, role_id: str, *, force: bool, audit: base.AuditEntry) -> None:
        """See `base.Store.delete_role`."""
        await self._change(lambda s: things.delete_role(self._database, s, role_id, force=force), audit=audit)

    async def set_paused(self, paused: bool, *, audit: base.AuditEntry) -> None:  # noqa: FBT001 - the value itself
        """See `base.Store.set_paused`."""
        await self._change(lambda s: things.set_paused(self._database, s, paused=paused), audit=audit)

    async def add_refresh_token(self, token: base.RefreshToken) -> None:
        """See `base.Store.add_refresh_token`."""
        await _translated(records.add_refresh_token(self._database, token))

    async def use_refresh_token(self, digest: str) -> base.RefreshToken | None:
        """See `base.Store.use_refresh_token`."""
        return await _translated(records.use_refresh_token(self._database, digest))

    async def revoke_refresh_tokens(self, *, family: str = "", user_id: str = "") -> None:
        """See `base.Store.revoke_refresh_tokens`."""
        await _translated(records.revoke_refresh_tokens(self._database, family=family, user_id=user_id))

    async def claim(self, key: str, *, holder: str, until: datetime.datetime) -> str:
        """See `base.Store.claim`."""
        return await _translated(records.claim(self._database, key, holder=holder, until=until, now=self._clock.now()))

    async def add_audit(self, entry: base.AuditEntry) -> None:
        """See `base.Store.add_audit`."""
        await _translated(records.add_audit(self._database, None, entry))

    async def list_audit(
        self, query: base.AuditFilter, *, limit: int, before_id: int | None = None
    ) -> tuple[base.AuditEntry, ...]:
        """See `base.Store.list_audit`."""
        return await _translated(records.list_audit(self._database, query, limit=limit, before_id=before_id))

    async def open_session(self, session: base.AgentSession) -> base.AgentSession:
        """See `base.Store.open_session`."""
        return await _translated(records.open_session(self._database, session))

    async def save_sessions(self, updates: Sequence[base.SessionUpdate]) -> frozenset[tuple[str, int]]:
        """See `base.Store.save_sessions`."""
        return await self._connection.transaction(lambda s: records.save_sessions(self._database, s, updates))

    async def list_sessions(self) -> tuple[base.AgentSession, ...]:
        """See `base.Store.list_sessions`."""
        return await _translated(records.list_sessions(self._database))

    async def list_reports(self, *, node: str = "") -> tuple[intent.Report, ...]:
        """See `base.Store.list_reports`."""
        return await _translated(records.list_reports(self._database, node=node))

    async def put_samples(self, samples: Sequence[sample.Sample]) -> None:
        """See `base.Store.put_samples`."""
        await _translated(records.put_samples(self._database, samples))

    async def get_sample(self, node: str) -> sample.Sample | None:
        """See `base.Store.get_sample`."""
        return await _translated(records.get_sample(self._database, node))

    async def list_samples(self) -> tuple[sample.Sample, ...]:
        """See `base.Store.list_samples`."""
        return await _translated(records.list_samples(self._database))

    async def forget_nodes(self, nodes: Collection[str], *, over_since: datetime.datetime) -> None:
        """See `base.Store.forget_nodes`."""
        await self._connection.transaction(
            lambda s: records.forget_nodes(self._database, s, nodes, over_since=over_since)
        )

    @property
    def _database(self) -> schema.Database:
        return self._connection.database

    async def _change(self, work: Callable[[Session], Awaitable[T]], *, audit: base.AuditEntry) -> T:
        async def audited(session: Session) -> T:
            result = await work(session)
            await records.add_audit(self._database, session, audit)
            await things.prune(self._database, session, keep=self._keep_changes)
            return result

        return await self._connection.change(audited)

    async def _stream(self) -> AsyncChangeStream[Document]:
        async with connection.translated():
            return await self._database["changes"].watch(
                [{"$match": {"operationType": "insert"}}, {"$project": {"documentKey": 1}}],
                max_await_time_ms=_AWAIT_MS,
            )

    async def _rung(self, stream: AsyncChangeStream[Document], watcher: object, seen: int) -> None:
        """Return when a change has been announced that has not been seen."""
        while True:
            async with connection.translated():
                event = await stream.try_next()
            self._heard[watcher] = self._clock.monotonic()
            if event is not None and event["documentKey"]["_id"] > seen:
                return


async def _translated(call: Awaitable[T]) -> T:
    async with connection.translated():
        return await call
