"""What every store must do with users, roles and log-ins."""

import asyncio
import dataclasses
import datetime

from gthulhu.common import errors
from gthulhu.manager.store import base
from tests.unit.manager.store.samples import (
    NOW,
    Contract,
    a_role,
    a_strategy,
    a_token,
    a_user,
    an_entry,
    refused,
    take,
)


class UserContract(Contract):
    """Users."""

    async def test_a_user_comes_back_as_it_was_put(self, store: base.Store) -> None:
        kept = await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        assert kept == a_user(etag=kept.etag)
        assert await store.get_user(kept.id) == kept
        assert await store.list_users() == (kept,)

    async def test_a_user_is_found_by_name_and_by_address_whatever_their_case(self, store: base.Store) -> None:
        kept = await store.put_user(a_user("Ann", email="Ann@Example.com"), expected_etag=None, audit=an_entry())
        assert await store.find_user(username="ANN") == kept
        assert await store.find_user(email="ann@example.COM") == kept
        assert await store.find_user(username="ann@example.com") is None
        assert await store.find_user(email="ann") is None
        assert await store.find_user() is None

    async def test_names_and_addresses_of_users_are_unique(self, store: base.Store) -> None:
        await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "USER_EXISTS"):
            await store.put_user(a_user("ANN", email=""), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "USER_EXISTS"):
            await store.put_user(a_user("bob", email="ANN@example.com"), expected_etag=None, audit=an_entry())

    async def test_any_number_of_users_may_have_no_address(self, store: base.Store) -> None:
        for name in ("cid", "bob"):
            await store.put_user(a_user(name, email=""), expected_etag=None, audit=an_entry())
        assert [user.username for user in await store.list_users()] == ["bob", "cid"]
        assert await store.find_user(email="") is None

    async def test_a_login_is_noted_and_no_update_undoes_it(self, store: base.Store) -> None:
        kept = await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        later = NOW + datetime.timedelta(minutes=1)
        await store.record_login(kept.id, at=later)
        assert await store.get_user(kept.id) == dataclasses.replace(kept, last_login_at=later)
        changed = await store.put_user(
            dataclasses.replace(kept, token_generation=1), expected_etag=kept.etag, audit=an_entry()
        )
        assert (changed.token_generation, changed.last_login_at) == (1, later)
        assert await store.get_user(kept.id) == changed

    async def test_a_user_leaves_with_its_strategies_and_tokens(self, store: base.Store) -> None:
        await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        await store.put_strategy(a_strategy("one"), expected_etag=None, audit=an_entry())
        await store.put_strategy(a_strategy("two"), expected_etag=None, audit=an_entry())
        other = await store.put_strategy(
            a_strategy("other", creator_id="id-of-bob"), expected_etag=None, audit=an_entry()
        )
        await store.add_refresh_token(a_token())
        await store.delete_user("id-of-ann", new_owner=None, audit=an_entry())
        snapshot = await store.snapshot()
        assert (snapshot.revision, snapshot.users, snapshot.strategies) == (7, (), (other,))
        assert await store.use_refresh_token("d1") is None
        feed = store.watch(since=4)
        assert [(change.id, change.value) for change in await take(feed, 3)] == [
            ("id-of-one", None),
            ("id-of-two", None),
            ("id-of-ann", None),
        ]
        await feed.aclose()

    async def test_a_users_strategies_may_get_another_owner(self, store: base.Store) -> None:
        await store.put_user(a_user(), expected_etag=None, audit=an_entry())
        bob = await store.put_user(a_user("bob"), expected_etag=None, audit=an_entry())
        kept = await store.put_strategy(a_strategy(), expected_etag=None, audit=an_entry())
        await store.delete_user("id-of-ann", new_owner=bob, audit=an_entry())
        moved = await store.get_strategy(kept.id)
        assert moved is not None
        assert (moved.creator_id, moved.creator, moved.selectors) == (bob.id, "bob", kept.selectors)
        assert moved.etag != kept.etag
        assert await store.get_user("id-of-ann") is None


class RoleContract(Contract):
    """Roles."""

    async def test_a_role_comes_back_as_it_was_put_and_its_name_is_unique(self, store: base.Store) -> None:
        kept = await store.put_role(a_role(), expected_etag=None, audit=an_entry())
        assert await store.get_role(kept.id) == kept == a_role(etag=kept.etag)
        with refused(errors.ConflictError, "ROLE_EXISTS"):
            await store.put_role(a_role(id="other"), expected_etag=None, audit=an_entry())
        await store.put_role(a_role("a"), expected_etag=None, audit=an_entry())
        assert [role.name for role in await store.list_roles()] == ["a", "role"]

    async def test_a_role_in_use_is_removed_only_by_force(self, store: base.Store) -> None:
        await store.put_role(a_role(), expected_etag=None, audit=an_entry())
        user = await store.put_user(a_user(roles=("id-of-other", "id-of-role")), expected_etag=None, audit=an_entry())
        with refused(errors.ConflictError, "ROLE_IN_USE"):
            await store.delete_role("id-of-role", force=False, audit=an_entry())
        await store.delete_role("id-of-role", force=True, audit=an_entry())
        assert await store.get_role("id-of-role") is None
        left = await store.get_user(user.id)
        assert left is not None
        assert left.roles == ("id-of-other",)
        assert left.etag != user.etag
        feed = store.watch(since=2)
        assert await take(feed, 2) == [
            base.UserChange(revision=3, id=user.id, value=left),
            base.RoleChange(revision=4, id="id-of-role", value=None),
        ]
        await feed.aclose()


class RefreshTokenContract(Contract):
    """Refresh tokens."""

    async def test_a_refresh_token_works_once_and_tells_of_replays(self, store: base.Store) -> None:
        await store.add_refresh_token(a_token())
        assert await store.use_refresh_token("d1") == a_token()
        assert await store.use_refresh_token("d1") == a_token(used=True)
        assert await store.use_refresh_token("unknown") is None

    async def test_of_many_uses_at_once_one_is_the_first(self, store: base.Store) -> None:
        await store.add_refresh_token(a_token())
        uses = await asyncio.gather(*(store.use_refresh_token("d1") for _ in range(8)))
        assert sorted(use.used for use in uses if use) == [False] + [True] * 7

    async def test_tokens_are_revoked_by_family_or_by_user(self, store: base.Store) -> None:
        for token in (
            a_token("d1"),
            a_token("d2", family="f2"),
            a_token("d3", family="f3", user_id="id-of-bob"),
        ):
            await store.add_refresh_token(token)
        await store.revoke_refresh_tokens(family="f1")
        assert await store.use_refresh_token("d1") is None
        await store.revoke_refresh_tokens()
        assert await store.use_refresh_token("d2") is not None
        await store.revoke_refresh_tokens(user_id="id-of-ann")
        assert await store.use_refresh_token("d2") is None
        assert await store.use_refresh_token("d3") is not None
