"""Log-ins."""

import asyncio
import dataclasses
import datetime

import grpc
import pytest

from gthulhu.common import errors
from gthulhu.manager.store import base
from gthulhu.v1 import auth_pb2, user_pb2
from tests.unit.manager.services.harness import ADMIN_PASSWORD, PASSWORD, Api, bearer, raises

WRONG = "sorry-not-the-password"


def login(**fields: str) -> auth_pb2.LoginRequest:
    return auth_pb2.LoginRequest(**{"password": ADMIN_PASSWORD, **fields})


async def test_a_login_gives_tokens_and_is_written_down(api: Api) -> None:
    answer = await api.log_in()
    assert answer.token == answer.access_token
    assert not answer.need_change_password
    assert answer.expires_at.ToDatetime(datetime.UTC) - api.clock.now() < datetime.timedelta(minutes=15)
    who = await api.auth.Validate(auth_pb2.ValidateRequest(), metadata=bearer(answer.token))
    assert (who.username, who.expires_at) == ("admin", answer.expires_at)
    [entry] = await api.store.list_audit(base.AuditFilter(action="auth.login"), limit=10)
    assert (entry.actor, entry.actor_id, entry.target) == ("admin", who.user_id, f"user/{who.user_id}")
    assert entry.address == "127.0.0.1"
    assert entry.request_id
    user = await api.store.get_user(who.user_id)
    assert user is not None
    assert user.last_login_at is not None


async def test_an_address_does_in_place_of_a_name_but_not_beside_it(api: Api) -> None:
    assert (await api.auth.Login(login(email="Admin@Example.com"))).token
    await raises(api.auth.Login(login(email="admin@example.com", username="admin")), "INVALID_ARGUMENT")
    await raises(api.auth.Login(login()), "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("username", "password"), [("admin", WRONG), ("nobody", ADMIN_PASSWORD), ("blocked", PASSWORD)]
)
async def test_whatever_is_wrong_the_answer_and_its_cost_are_the_same(api: Api, username: str, password: str) -> None:
    blocked = await api.add_user("blocked")
    await api.users.UpdateUserPermissions(
        user_pb2.UpdateUserPermissionsRequest(user_id=blocked.id, status=user_pb2.User.DISABLED),
        metadata=await api.as_user(),
    )
    api.hashing.verified = api.hashing.hashed = 0
    refusal = await raises(api.auth.Login(login(username=username, password=password)), "LOGIN_FAILED")
    assert refusal.status is grpc.StatusCode.UNAUTHENTICATED
    assert refusal.rest["error"] == "wrong user name or password"
    assert (api.hashing.verified, api.hashing.hashed) == (1, 0)
    [entry] = await api.store.list_audit(base.AuditFilter(action="auth.login_failed"), limit=10)
    assert entry.actor == username
    assert password not in repr(entry)


async def test_a_login_that_succeeds_hashes_once_too(api: Api) -> None:
    api.hashing.verified = api.hashing.hashed = 0
    await api.log_in()
    assert (api.hashing.verified, api.hashing.hashed) == (1, 0)


async def test_five_failures_lock_the_account_for_a_while(api: Api) -> None:
    for _ in range(5):
        await raises(api.auth.Login(login(username="admin", password=WRONG)), "LOGIN_FAILED")
    refusal = await raises(api.auth.Login(login(username="ADMIN")), "LOGIN_LOCKED")
    assert refusal.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    api.clock.shift += datetime.timedelta(seconds=31)
    await api.log_in()


async def test_guesses_at_once_are_counted_one_by_one(api: Api) -> None:
    guesses = [api.auth.Login(login(username="admin", password=f"{WRONG}{n}")) for n in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    codes = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) == 5
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 15


async def test_unknown_accounts_are_locked_like_known_ones(api: Api) -> None:
    for _ in range(5):
        await raises(api.auth.Login(login(username="nobody")), "LOGIN_FAILED")
    await raises(api.auth.Login(login(username="nobody")), "LOGIN_LOCKED")


async def test_a_refresh_token_works_once(api: Api) -> None:
    first = await api.log_in()
    second = await api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=first.refresh_token))
    assert second.refresh_token != first.refresh_token
    third = await api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=second.refresh_token))
    await api.auth.Validate(auth_pb2.ValidateRequest(), metadata=bearer(third.access_token))


async def test_a_replay_ends_everything_that_came_from_that_login_and_nothing_else(api: Api) -> None:
    first, other = await api.log_in(), await api.log_in()
    second = await api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=first.refresh_token))
    for token in (first.refresh_token, second.refresh_token):
        await raises(api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=token)), "REFRESH_TOKEN_INVALID")
    await api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=other.refresh_token))
    assert "auth.refresh_replayed" in await api.actions()


async def test_of_many_refreshes_at_once_at_most_one_succeeds_and_none_survives(api: Api) -> None:
    first = await api.log_in()
    request = auth_pb2.RefreshRequest(refresh_token=first.refresh_token)
    answers = await asyncio.gather(*(api.auth.Refresh(request) for _ in range(8)), return_exceptions=True)
    issued = [answer.refresh_token for answer in answers if isinstance(answer, auth_pb2.LoginResponse)]
    assert len(issued) <= 1
    for token in issued:
        await raises(api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=token)), "REFRESH_TOKEN_INVALID")


async def test_refresh_tokens_end(api: Api) -> None:
    first = await api.log_in()
    api.clock.shift += datetime.timedelta(hours=1)
    await raises(api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=first.refresh_token)), "REFRESH_TOKEN_INVALID")


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(api: Api) -> None:
    answer = await api.log_in()
    await raises(
        api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=answer.access_token[:512])), "REFRESH_TOKEN_INVALID"
    )
    await raises(api.auth.Validate(auth_pb2.ValidateRequest(), metadata=bearer(answer.refresh_token)), "TOKEN_INVALID")


async def test_a_logout_ends_one_login(api: Api) -> None:
    first, other = await api.log_in(), await api.log_in()
    await api.auth.Logout(auth_pb2.LogoutRequest(refresh_token=first.refresh_token))
    await raises(api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=first.refresh_token)), "REFRESH_TOKEN_INVALID")
    await api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=other.refresh_token))
    await api.auth.Logout(auth_pb2.LogoutRequest(refresh_token="long-gone"))


async def test_a_logout_everywhere_ends_access_tokens_too(api: Api) -> None:
    first, other = await api.log_in(), await api.log_in()
    await api.auth.LogoutAll(auth_pb2.LogoutAllRequest(), metadata=bearer(first.access_token))
    for answer in (first, other):
        await raises(
            api.auth.Validate(auth_pb2.ValidateRequest(), metadata=bearer(answer.access_token)), "TOKEN_REVOKED"
        )
        await raises(
            api.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=answer.refresh_token)), "REFRESH_TOKEN_INVALID"
        )
    await api.log_in()
    assert (await api.actions())[-2:] == ["auth.logout_all", "auth.login"]


async def test_a_login_that_is_overtaken_by_a_change_of_password_gives_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = api.store.add_refresh_token

    async def overtaken(token: base.RefreshToken) -> None:
        user = await api.store.get_user(token.user_id)
        assert user is not None
        raised = dataclasses.replace(user, token_generation=user.token_generation + 1)
        entry = base.AuditEntry(time=api.clock.now(), action="test")
        await api.store.put_user(raised, expected_etag=user.etag, audit=entry)
        await add(token)

    monkeypatch.setattr(api.store, "add_refresh_token", overtaken)
    await raises(api.auth.Login(login(username="admin")), "LOGIN_FAILED")


async def test_where_the_login_cannot_be_written_down_it_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: base.AuditEntry) -> None:
        raise errors.UnavailableError("STORE_UNAVAILABLE", "the disk is full")

    monkeypatch.setattr(api.store, "add_audit", full)
    await raises(api.auth.Login(login(username="admin")), "STORE_UNAVAILABLE")
    await raises(api.auth.Login(login(username="admin", password=WRONG)), "STORE_UNAVAILABLE")


async def test_what_is_kept_of_a_refresh_token_does_not_open_anything(api: Api) -> None:
    answer = await api.log_in()
    token = await api.store.use_refresh_token(answer.refresh_token)
    assert token is None
