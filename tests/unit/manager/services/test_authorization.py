"""Who may call what, and until when."""

import asyncio
import dataclasses
import datetime
import importlib
import pathlib
import pkgutil
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from google.protobuf import descriptor, empty_pb2

import gthulhu.v1
from gthulhu.common.grpc import access as rules
from gthulhu.common.identity import tokens
from gthulhu.manager.domain import access, permissions
from gthulhu.manager.services import callers
from gthulhu.manager.store import base, sqlite
from gthulhu.v1 import auth_pb2, intent_pb2, role_pb2, user_pb2
from tests.unit.manager.services import harness
from tests.unit.manager.services.harness import LIMIT, PASSWORD, Api, bearer, raises

SELF = user_pb2.GetSelfRequest()
USERS = user_pb2.ListUsersRequest()


def every_rpc() -> Iterator[descriptor.MethodDescriptor]:
    for module in pkgutil.iter_modules(gthulhu.v1.__path__, prefix="gthulhu.v1."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from service.methods


async def changed(api: Api, user_id: str, **fields: object) -> None:
    """Change a user in the store, as another replica would."""
    user = await api.store.get_user(user_id)
    assert user is not None
    entry = base.AuditEntry(time=api.clock.now(), action="test")
    await api.store.put_user(dataclasses.replace(user, **fields), expected_etag=user.etag, audit=entry)


@pytest.mark.parametrize("rpc", list(every_rpc()), ids=lambda rpc: rpc.full_name)
def test_every_rpc_declares_who_may_call_it(rpc: descriptor.MethodDescriptor) -> None:
    rule = rules.rules()[f"/{rpc.containing_service.full_name}/{rpc.name}"]
    assert sum(map(bool, dataclasses.asdict(rule).values())) == 1
    assert not rule.permission or rule.permission in permissions.KEYS


def test_every_permission_opens_some_rpc() -> None:
    assert {rule.permission for rule in rules.rules().values() if rule.permission} == permissions.KEYS


SERVED = {f"gthulhu.v1.{name}Service" for name in ("Auth", "User", "Role", "Audit")}


@pytest.mark.parametrize(
    "path", [path for path, rule in rules.rules().items() if path.split("/")[1] in SERVED and not rule.public]
)
async def test_no_rpc_but_the_public_ones_answers_without_a_token(api: Api, path: str) -> None:
    call = api.channel.unary_unary(
        path, request_serializer=empty_pb2.Empty.SerializeToString, response_deserializer=empty_pb2.Empty.FromString
    )
    await raises(call(empty_pb2.Empty()), "TOKEN_MISSING")


async def test_no_stream_begins_without_a_token(api: Api) -> None:
    stream = api.streams.WatchIntents(intent_pb2.WatchIntentsRequest())
    await raises(stream.read(), "TOKEN_MISSING")


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YWRtaW46cGFzcw==", "token"])
async def test_what_is_no_bearer_token_is_none(api: Api, value: str) -> None:
    refusal = await raises(api.users.GetSelf(SELF, metadata=(("authorization", value),)), "TOKEN_MISSING")
    assert refusal.status is grpc.StatusCode.UNAUTHENTICATED


async def test_tokens_of_other_kinds_audiences_and_keys_are_refused(
    api: Api, keys: tokens.KeyRing, tmp_path: pathlib.Path
) -> None:
    user = await api.store.find_user(username="admin")
    assert user is not None
    usual = {
        "subject": user.id,
        "audience": callers.AUDIENCE,
        "kind": "access",
        "lifetime": datetime.timedelta(minutes=1),
        "now": api.clock.now(),
        "claims": {callers.GENERATION: 0},
    }
    await api.users.GetSelf(SELF, metadata=bearer(keys.issue(**usual)))
    for changes in (
        {"kind": "node"},
        {"audience": "gthulhu-manager"},
        {"claims": {}},
        {"claims": {callers.GENERATION: "0"}},
    ):
        await raises(api.users.GetSelf(SELF, metadata=bearer(keys.issue(**{**usual, **changes}))), "TOKEN_INVALID")
    stranger = tokens.KeyRing.load_or_create(tmp_path / "other")
    await raises(api.users.GetSelf(SELF, metadata=bearer(stranger.issue(**usual))), "TOKEN_INVALID")
    unknown = keys.issue(**{**usual, "subject": "nobody"})
    await raises(api.users.GetSelf(SELF, metadata=bearer(unknown)), "TOKEN_REVOKED")


async def test_access_tokens_end(api: Api) -> None:
    metadata = await api.as_user()
    api.clock.shift += datetime.timedelta(minutes=14)
    await api.users.GetSelf(SELF, metadata=metadata)
    api.clock.shift += datetime.timedelta(minutes=1)
    await raises(api.users.GetSelf(SELF, metadata=metadata), "TOKEN_EXPIRED")


async def test_a_permission_is_needed_and_enough(api: Api) -> None:
    await api.add_user("vera", "viewer")
    metadata = await api.as_user("vera", PASSWORD)
    refusal = await raises(api.users.ListUsers(USERS, metadata=metadata), "PERMISSION_DENIED")
    assert refusal.status is grpc.StatusCode.PERMISSION_DENIED
    assert "user.read" in str(refusal.rest["error"])
    await api.roles.ListPermissions(role_pb2.ListPermissionsRequest(), metadata=metadata)


async def test_a_refusal_is_in_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await api.add_user("vera", "viewer")
    await raises(api.users.ListUsers(USERS, metadata=await api.as_user("vera", PASSWORD)), "PERMISSION_DENIED")
    [record] = [one for one in caplog.records if one.name.endswith("authorization")]
    assert record.getMessage() == (
        "/gthulhu.v1.UserService/ListUsers refused to 'vera': this needs the permission user.read"
    )


async def test_a_role_that_changes_is_felt_on_the_next_call(api: Api) -> None:
    user = await api.add_user("vera")
    metadata = await api.as_user("vera", PASSWORD)
    await raises(api.roles.ListPermissions(role_pb2.ListPermissionsRequest(), metadata=metadata), "PERMISSION_DENIED")
    request = user_pb2.UpdateUserPermissionsRequest(user_id=user.id)
    request.roles.append("viewer")  # a google.protobuf.ListValue
    await api.users.UpdateUserPermissions(request, metadata=await api.as_user())
    await api.roles.ListPermissions(role_pb2.ListPermissionsRequest(), metadata=metadata)


async def test_a_new_user_must_change_the_password_before_anything_else(api: Api) -> None:
    request = user_pb2.CreateUserRequest(username="vera", password=PASSWORD, roles=["admin"])
    await api.users.CreateUser(request, metadata=await api.as_user())
    answer = await api.log_in("vera", PASSWORD)
    assert answer.need_change_password
    metadata = bearer(answer.access_token)
    refusal = await raises(api.users.GetSelf(SELF, metadata=metadata), "PASSWORD_CHANGE_REQUIRED")
    assert refusal.status is grpc.StatusCode.PERMISSION_DENIED
    await raises(api.auth.Validate(auth_pb2.ValidateRequest(), metadata=metadata), "PASSWORD_CHANGE_REQUIRED")
    await raises(api.users.ListUsers(USERS, metadata=metadata), "PASSWORD_CHANGE_REQUIRED")
    await api.auth.Logout(auth_pb2.LogoutRequest(refresh_token=answer.refresh_token))
    changing = user_pb2.ChangeOwnPasswordRequest(old_password=PASSWORD, new_password="brave-badgers-dig-deep")
    await api.users.ChangeOwnPassword(changing, metadata=metadata)
    await raises(api.users.GetSelf(SELF, metadata=metadata), "TOKEN_REVOKED")
    again = await api.log_in("vera", "brave-badgers-dig-deep")
    assert not again.need_change_password
    await api.users.ListUsers(USERS, metadata=bearer(again.access_token))


class Stream:
    """A stream that has begun."""

    def __init__(self, api: Api, metadata: tuple[tuple[str, str], ...]) -> None:
        self.api = api
        self.call = api.streams.WatchIntents(intent_pb2.WatchIntentsRequest(), metadata=metadata)

    async def begin(self) -> "Stream":
        async with asyncio.timeout(LIMIT):
            await self.call.read()
        return self

    async def ends_with(self, reason: str) -> None:
        """Expect it to be ended within a second, and its handler with it."""
        async with asyncio.timeout(1.0):
            await raises(self.call.read(), reason)
            await self.api.intents.ended.wait()


async def test_a_stream_ends_with_its_token(api: Api) -> None:
    stream = await Stream(api, await api.as_user()).begin()
    api.clock.shift += datetime.timedelta(minutes=15)
    await stream.ends_with("TOKEN_EXPIRED")


async def test_a_stream_ends_when_its_user_is_disabled(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    stream = await Stream(api, await api.as_user("vera", PASSWORD)).begin()
    await changed(api, user.id, status=access.UserStatus.DISABLED)
    await stream.ends_with("TOKEN_REVOKED")


async def test_a_stream_ends_when_its_user_is_deleted(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    stream = await Stream(api, await api.as_user("vera", PASSWORD)).begin()
    await api.users.DeleteUser(user_pb2.DeleteUserRequest(user_id=user.id), metadata=await api.as_user())
    await stream.ends_with("TOKEN_REVOKED")


async def test_a_stream_ends_when_its_permission_goes(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    stream = await Stream(api, await api.as_user("vera", PASSWORD)).begin()
    await changed(api, user.id, roles=())
    await stream.ends_with("PERMISSION_DENIED")


async def test_a_stream_ends_with_a_logout_everywhere(api: Api) -> None:
    metadata = await api.as_user()
    stream = await Stream(api, metadata).begin()
    await api.auth.LogoutAll(auth_pb2.LogoutAllRequest(), metadata=metadata)
    await stream.ends_with("TOKEN_REVOKED")


async def test_a_stream_goes_on_where_somebody_else_changes(api: Api) -> None:
    other = await api.add_user("vera", "viewer")
    stream = await Stream(api, await api.as_user()).begin()
    await changed(api, other.id, status=access.UserStatus.DISABLED)
    waiting = asyncio.ensure_future(stream.call.read())
    _, pending = await asyncio.wait([waiting], timeout=0.7)
    assert pending
    stream.call.cancel()
    async with asyncio.timeout(LIMIT):
        await api.intents.ended.wait()


class SilentStore(sqlite.SqliteStore):
    """Has lost its feed for as long as a test says."""

    age = 0.0

    def feed_age(self) -> float:
        return self.age

    async def watch(self, *, since: int) -> AsyncIterator[base.Change | base.Snapshot]:
        if self.age:
            await asyncio.Event().wait()
        async for change in super().watch(since=since):
            if self.age:
                await asyncio.Event().wait()
            yield change


async def test_where_the_feed_is_silent_the_store_is_asked_and_later_nothing_can_be_changed(
    tmp_path: pathlib.Path, keys: tokens.KeyRing
) -> None:
    store = SilentStore(tmp_path / "store.sqlite3", clock=harness.MovableClock())
    async with harness.serving(tmp_path, keys=keys, store=store) as api:
        user = await api.add_user("vera", "admin")
        metadata = await api.as_user("vera", PASSWORD)
        admin = await api.as_user()
        store.age = 6.0
        await changed(api, user.id, status=access.UserStatus.DISABLED)
        await raises(api.users.GetSelf(SELF, metadata=metadata), "TOKEN_REVOKED")
        creating = role_pb2.CreateRoleRequest(name="some-role")
        store.age = 31.0
        refusal = await raises(api.roles.CreateRole(creating, metadata=admin), "STORE_BEHIND")
        assert refusal.status is grpc.StatusCode.UNAVAILABLE
        await api.users.ListUsers(USERS, metadata=admin)


async def test_a_user_whom_the_view_does_not_show_yet_may_call(tmp_path: pathlib.Path, keys: tokens.KeyRing) -> None:
    store = SilentStore(tmp_path / "store.sqlite3", clock=harness.MovableClock())
    async with harness.serving(tmp_path, keys=keys, store=store) as api:
        admin = await api.store.find_user(username="admin")
        assert admin is not None
        store.age = 1.0
        entry = base.AuditEntry(time=api.clock.now(), action="test")
        newer = dataclasses.replace(admin, id="new", username="new", email="")
        await api.store.put_user(newer, expected_etag=None, audit=entry)
        answer = await api.users.GetSelf(SELF, metadata=await api.as_user("new"))
        assert answer.username == "new"
        assert api.world.user("new") is None
