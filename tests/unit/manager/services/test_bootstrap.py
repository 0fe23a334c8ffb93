"""What an empty store is given."""

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest

from gthulhu.common import clock, errors
from gthulhu.manager import config
from gthulhu.manager.domain import permissions
from gthulhu.manager.services import bootstrap, passwords
from gthulhu.manager.store import base, sqlite

GIVEN = "tall-ships-sail-early"


@pytest.fixture
async def store(tmp_path: pathlib.Path) -> AsyncIterator[sqlite.SqliteStore]:
    made = sqlite.SqliteStore(tmp_path / "store.sqlite3", clock=clock.SystemClock())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def hasher() -> Iterator[passwords.Passwords]:
    made = passwords.Passwords(passwords.Argon2id(time_cost=1, memory_kib=8), workers=2)
    yield made
    made.close()


async def ensure(store: base.Store, hasher: passwords.Passwords, **account: str) -> str | None:
    return await bootstrap.ensure_admin(
        store=store, account=config.Account(**account), hasher=hasher, clock=clock.SystemClock()
    )


async def test_a_password_is_made_up_once_and_must_be_changed(
    store: sqlite.SqliteStore, hasher: passwords.Passwords
) -> None:
    password = await ensure(store, hasher)
    assert password is not None
    [admin] = await store.list_users()
    assert (admin.username, admin.email, admin.roles) == ("admin", "admin@example.com", (permissions.ADMIN,))
    assert admin.must_change_password
    assert await hasher.verify(password, admin.password_hash)
    assert await ensure(store, hasher) is None
    assert await store.list_users() == (admin,)


async def test_a_password_that_is_given_is_taken_and_not_shown(
    store: sqlite.SqliteStore, hasher: passwords.Passwords
) -> None:
    assert await ensure(store, hasher, admin_email="root@corp.example", admin_password=GIVEN) is None
    [admin] = await store.list_users()
    assert (admin.username, admin.must_change_password) == ("root", False)
    assert await hasher.verify(GIVEN, admin.password_hash)


async def test_a_weak_password_is_refused_by_its_key(store: sqlite.SqliteStore, hasher: passwords.Passwords) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"account\.admin_password"):
        await ensure(store, hasher, admin_password="admin")
    assert await store.list_users() == ()


async def test_replicas_that_start_at_once_make_one_administrator(
    store: sqlite.SqliteStore, hasher: passwords.Passwords
) -> None:
    shown = await asyncio.gather(*(ensure(store, hasher) for _ in range(4)))
    [admin] = await store.list_users()
    [password] = [one for one in shown if one is not None]
    assert await hasher.verify(password, admin.password_hash)
    assert [role.id for role in await store.list_roles()] == ["admin", "operator", "viewer"]


async def test_a_newer_release_completes_the_role_admin_and_leaves_the_others(
    store: sqlite.SqliteStore, hasher: passwords.Passwords
) -> None:
    await ensure(store, hasher)
    entry = base.AuditEntry(time=clock.SystemClock().now(), action="test")
    admin = await store.get_role("admin")
    assert admin is not None
    older = dataclasses.replace(admin, policies=admin.policies[1:])
    await store.put_role(older, expected_etag=admin.etag, audit=entry)
    await store.delete_role("viewer", force=True, audit=entry)
    await ensure(store, hasher)
    roles = {role.id: role for role in await store.list_roles()}
    assert {policy.permission for policy in roles["admin"].policies} == permissions.KEYS
    assert set(roles) == {"admin", "operator"}
