"""What every store must do with strategies, its revision, and those who watch it."""

import asyncio
import dataclasses

import pytest

from gthulhu.common import errors
from gthulhu.manager.domain import strategy
from gthulhu.manager.store import base
from tests.unit.manager.store.samples import (
    NOW,
    Contract,
    MakeStore,
    a_report,
    a_role,
    a_session,
    a_strategy,
    a_token,
    a_user,
    an_entry,
    refused,
    take,
)


class StrategyContract(Contract):
    """Strategies, and what all things that the revision counts have in common."""

    async def test_a_new_store_is_empty_and_works(self, store: base.Store) -> None:
        await store.check()
        assert await store.snapshot() == base.Snapshot(revision=0, strategies=(), users=(), roles=(), paused=False)
        assert await store.revision() == 0
        assert store.feed_age() == pytest.approx(0, abs=2)

    async def test_a_strategy_comes_back_as_it_was_put(self, store: base.Store) -> None:
        kept = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        assert kept.etag
        assert kept == a_strategy(etag=kept.etag)
        assert await store.get_strategy(kept.id) == kept
        assert await store.list_strategies() == (kept,)
        assert await store.get_strategy("unknown") is None

    async def test_strategies_are_listed_by_namespace_and_name(self, store: base.Store) -> None:
        for name, namespace in (("b", "a-b"), ("b", "a"), ("a", "a-b"), ("z", "a")):
            value = a_strategy(name, id=f"{namespace}.{name}", namespace=namespace)
            await store.put_strategy(value, expected_etag=None, audit=an_entry())
        listed = [(value.namespace, value.name) for value in await store.list_strategies()]
        assert listed == [("a", "b"), ("a", "z"), ("a-b", "a"), ("a-b", "b")]

    async def test_a_strategys_name_is_unique_in_its_namespace_only(self, store: base.Store) -> None:
        await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "STRATEGY_EXISTS"):
            await store.put_strategy(a_strategy(id="other"), expected_etag=None, audit=an_entry())
        await store.put_strategy(a_strategy(id="other", namespace="team"), expected_etag=None, audit=an_entry())

    async def test_a_strategy_can_be_renamed_to_a_free_name_only(self, store: base.Store) -> None:
        await store.put_strategy(a_strategy("taken"), expected_etag=None, audit=an_entry())
        kept = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "STRATEGY_EXISTS"):
            await store.put_strategy(dataclasses.replace(kept, name="taken"), expected_etag=kept.etag, audit=an_entry())
        renamed = await store.put_strategy(
            dataclasses.replace(kept, name="free"), expected_etag=kept.etag, audit=an_entry()
        )
        assert await store.get_strategy(kept.id) == renamed

    async def test_creating_twice_is_refused(self, store: base.Store) -> None:
        await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "STRATEGY_EXISTS"):
            await store.put_strategy(a_strategy("another", id="id-of-web"), expected_etag=None, audit=an_entry())

    async def test_an_update_needs_the_etag_that_is_current(self, store: base.Store) -> None:
        first = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        second = await store.put_strategy(
            dataclasses.replace(first, priority=0), expected_etag=first.etag, audit=an_entry()
        )
        assert second.etag != first.etag
        with refused(errors.ConflictError, "ETAG_MISMATCH"):
            await store.put_strategy(first, expected_etag=first.etag, audit=an_entry())
        with refused(errors.ConflictError, "ETAG_MISMATCH"):
            await store.delete_strategy(first.id, expected_etag=first.etag, audit=an_entry())
        assert await store.get_strategy(first.id) == second

    async def test_only_one_of_two_updates_at_once_wins(self, store: base.Store) -> None:
        first = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        attempts = [
            store.put_strategy(dataclasses.replace(first, priority=n), expected_etag=first.etag, audit=an_entry())
            for n in range(8)
        ]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        won = [result for result in results if isinstance(result, strategy.Strategy)]
        lost = [result.reason for result in results if isinstance(result, errors.ConflictError)]
        assert (len(won), lost) == (1, ["ETAG_MISMATCH"] * 7)
        assert await store.get_strategy(first.id) == won[0]

    async def test_what_is_not_there_cannot_be_updated_or_deleted(self, store: base.Store) -> None:
        with refused(errors.NotFoundError, "STRATEGY_NOT_FOUND"):
            await store.put_strategy(a_strategy(), expected_etag="1", audit=an_entry())
        with refused(errors.NotFoundError, "STRATEGY_NOT_FOUND"):
            await store.delete_strategy("unknown", expected_etag="1", audit=an_entry())
        with refused(errors.NotFoundError, "USER_NOT_FOUND"):
            await store.put_user(a_user(), expected_etag="1", audit=an_entry())
        with refused(errors.NotFoundError, "USER_NOT_FOUND"):
            await store.delete_user("unknown", new_owner=None, audit=an_entry())
        with refused(errors.NotFoundError, "ROLE_NOT_FOUND"):
            await store.put_role(a_role(), expected_etag="1", audit=an_entry())
        with refused(errors.NotFoundError, "ROLE_NOT_FOUND"):
            await store.delete_role("unknown", force=True, audit=an_entry())

    async def test_a_deleted_strategy_is_gone_and_its_name_free(self, store: base.Store) -> None:
        kept = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        await store.delete_strategy(kept.id, expected_etag=kept.etag, audit=an_entry())
        assert await store.get_strategy(kept.id) is None
        await store.put_strategy(a_strategy(id="again"), expected_etag=None, audit=an_entry())

    async def test_a_restart_keeps_everything(self, make_store: MakeStore) -> None:
        async with make_store() as store:
            await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
            await store.put_role(a_role(), expected_etag=None, audit=an_entry())
            await store.put_user(a_user(), expected_etag=None, audit=an_entry())
            await store.set_paused(True, audit=an_entry())
            before = await store.snapshot()
        async with make_store() as store:
            assert await store.snapshot() == before
            assert len(await store.list_audit(base.AuditFilter(), limit=10)) == 4


class FeedContract(Contract):
    """The revision, and the feed of changes."""

    async def test_the_revision_rises_by_one_with_each_change_and_with_nothing_else(self, store: base.Store) -> None:
        kept = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        assert await store.revision() == 1
        with refused(errors.ConflictError, "STRATEGY_EXISTS"):
            await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        await store.record_login("id-of-ann", at=NOW)
        await store.add_refresh_token(a_token())
        await store.add_audit(an_entry())
        session = await store.open_session(a_session())
        await store.save_sessions([base.SessionUpdate(session=session, reports=(a_report(),))])
        assert await store.revision() == 2
        await store.set_paused(True, audit=an_entry())
        await store.delete_strategy(kept.id, expected_etag=kept.etag, audit=an_entry())
        assert (await store.snapshot()).revision == 4

    async def test_watchers_get_every_change_in_order(self, store: base.Store) -> None:
        feed = store.watch(since=0)
        first = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        role = await store.put_role(a_role(), expected_etag=None, audit=an_entry())
        assert await take(feed, 2) == [
            base.StrategyChange(revision=1, id=first.id, value=first),
            base.RoleChange(revision=2, id=role.id, value=role),
        ]
        waiting = asyncio.create_task(take(feed, 4))
        user = await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        await store.set_paused(True, audit=an_entry())
        await store.set_paused(False, audit=an_entry())
        await store.delete_strategy(first.id, expected_etag=first.etag, audit=an_entry())
        assert await waiting == [
            base.UserChange(revision=3, id=user.id, value=user),
            base.PauseChange(revision=4, paused=True),
            base.PauseChange(revision=5, paused=False),
            base.StrategyChange(revision=6, id=first.id, value=None),
        ]
        await feed.aclose()

    async def test_a_watcher_starts_where_it_wants(self, store: base.Store) -> None:
        for name in "abc":
            await store.put_strategy(a_strategy(name), expected_etag=None, audit=an_entry())
        feed = store.watch(since=2)
        [change] = await take(feed, 1)
        assert (change.revision, change.id) == (3, "id-of-c")
        await feed.aclose()

    async def test_two_watchers_see_the_same(self, store: base.Store) -> None:
        feeds = [store.watch(since=0), store.watch(since=0)]
        waiting = [asyncio.create_task(take(feed, 3)) for feed in feeds]
        for name in "abc":
            await store.put_strategy(a_strategy(name), expected_etag=None, audit=an_entry())
        one, other = await asyncio.gather(*waiting)
        assert one == other
        assert [change.revision for change in one] == [1, 2, 3]
        for feed in feeds:
            await feed.aclose()

    async def test_a_watcher_that_knows_nothing_gets_a_snapshot_first(self, store: base.Store) -> None:
        await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        feed = store.watch(since=-1)
        assert await take(feed, 1) == [await store.snapshot()]
        await store.set_paused(True, audit=an_entry())
        assert await take(feed, 1) == [base.PauseChange(revision=2, paused=True)]
        await feed.aclose()

    async def test_a_watcher_of_an_empty_store_gets_a_snapshot_first(self, store: base.Store) -> None:
        feed = store.watch(since=-1)
        assert await take(feed, 1) == [await store.snapshot()]
        await feed.aclose()

    async def test_a_watcher_that_is_too_far_behind_gets_a_snapshot_first(self, make_store: MakeStore) -> None:
        async with make_store(keep_changes=3) as store:
            for name in "abcdef":
                await store.put_strategy(a_strategy(name), expected_etag=None, audit=an_entry())
            behind, near = store.watch(since=2), store.watch(since=3)
            assert await take(behind, 1) == [await store.snapshot()]
            assert [change.revision for change in await take(near, 3)] == [4, 5, 6]
            await store.set_paused(True, audit=an_entry())
            assert await take(behind, 1) == await take(near, 1) == [base.PauseChange(revision=7, paused=True)]
            await behind.aclose()
            await near.aclose()

    async def test_a_watcher_that_is_ahead_of_a_restored_store_gets_a_snapshot_first(self, store: base.Store) -> None:
        await store.set_paused(True, audit=an_entry())
        feed = store.watch(since=100)
        assert await take(feed, 1) == [await store.snapshot()]
        await feed.aclose()
