"""Users."""

import asyncio
import datetime

import grpc
import pytest

from gthulhu.manager.domain import strategy
from gthulhu.manager.store import base
from gthulhu.v1 import role_pb2, user_pb2
from tests.unit.manager.services.harness import PASSWORD, Api, bearer, raises

NEW = "brave-badgers-dig-deep"


def permissions(
    user_id: str, *, roles: list[str] | None = None, **fields: object
) -> user_pb2.UpdateUserPermissionsRequest:
    request = user_pb2.UpdateUserPermissionsRequest(user_id=user_id, **fields)
    if roles is not None:
        request.roles.extend(roles)
        request.roles.SetInParent()
    return request


async def admin_id(api: Api) -> str:
    admin = await api.store.find_user(username="admin")
    assert admin is not None
    return admin.id


async def manages_users(api: Api) -> tuple[tuple[str, str], ...]:
    """Return the metadata of one who may do everything with users, and nothing else."""
    keys = ("user.create", "user.read", "user.delete", "user.password.reset", "user.permission.update")
    policies = [role_pb2.RolePolicy(permission_key=key) for key in keys]
    request = role_pb2.CreateRoleRequest(name="people", role_policies=policies)
    await api.roles.CreateRole(request, metadata=await api.as_user())
    await api.add_user("helen", "people")
    return await api.as_user("helen", PASSWORD)


async def owned_by(api: Api, user_id: str) -> strategy.Strategy:
    now = api.clock.now()
    value = strategy.Strategy(id="s1", name="web", all_pods=True, creator_id=user_id, created_at=now, updated_at=now)
    entry = base.AuditEntry(time=now, action="test")
    return await api.store.put_strategy(value, expected_etag=None, audit=entry)


async def test_a_user_is_created_with_roles_and_written_down_without_secrets(api: Api) -> None:
    request = user_pb2.CreateUserRequest(
        username="vera", email="vera@example.com", password=PASSWORD, roles=["viewer", "operator"]
    )
    made = await api.users.CreateUser(request, metadata=await api.as_user())
    assert made.id
    assert (made.username, list(made.roles), made.status) == ("vera", ["operator", "viewer"], user_pb2.User.ACTIVE)
    assert made.need_change_password
    [entry] = await api.store.list_audit(base.AuditFilter(action="user.create", actor="admin"), limit=5)
    assert entry.target == f"user/{made.id}"
    assert entry.after is not None
    assert entry.after["roles"] == ["operator", "viewer"]
    assert PASSWORD not in repr(entry)
    assert "hash" not in repr(entry).lower()


async def test_names_and_addresses_are_taken_once(api: Api) -> None:
    await api.add_user("vera")
    metadata = await api.as_user()
    for fields in ({"username": "VERA"}, {"username": "other", "email": "vera@EXAMPLE.com"}):
        request = user_pb2.CreateUserRequest(password=PASSWORD, **fields)
        refusal = await raises(api.users.CreateUser(request, metadata=metadata), "USER_EXISTS")
        assert refusal.status is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize("password", ["short", "Password2024!", "veraveravera", "aaaaaaaaaaaa"])
async def test_weak_passwords_are_refused_wherever_one_is_set(api: Api, password: str) -> None:
    metadata = await api.as_user()
    user = await api.add_user("vera")
    for call in (
        api.users.CreateUser(user_pb2.CreateUserRequest(username="vera2", password=password), metadata=metadata),
        api.users.ResetPassword(
            user_pb2.ResetPasswordRequest(user_id=user.id, new_password=password), metadata=metadata
        ),
        api.users.ChangeOwnPassword(
            user_pb2.ChangeOwnPasswordRequest(old_password=PASSWORD, new_password=password),
            metadata=await api.as_user("vera", PASSWORD),
        ),
    ):
        refusal = await raises(call, "PASSWORD_TOO_WEAK")
        assert password not in str(refusal.rest)


async def test_an_unknown_role_is_named_in_the_error(api: Api) -> None:
    request = user_pb2.CreateUserRequest(username="vera", password=PASSWORD, roles=["viewer", "vip"])
    refusal = await raises(api.users.CreateUser(request, metadata=await api.as_user()), "INVALID_ARGUMENT")
    assert refusal.rest["fields"] == [
        {"field": "roles[1]", "description": "there is no role 'vip'; there are: admin, operator, viewer"}
    ]


async def test_users_are_listed_in_pages(api: Api) -> None:
    for name in ("carl", "Bert", "anna"):
        await api.add_user(name)
    metadata = await api.as_user()
    first = await api.users.ListUsers(user_pb2.ListUsersRequest(page_size=3), metadata=metadata)
    rest = await api.users.ListUsers(
        user_pb2.ListUsersRequest(page_size=3, page_token=first.next_page_token), metadata=metadata
    )
    assert [user.username for user in (*first.users, *rest.users)] == ["admin", "anna", "Bert", "carl"]
    assert rest.next_page_token == ""


async def test_self_shows_what_one_may_do(api: Api) -> None:
    await api.add_user("vera", "viewer")
    me = await api.users.GetSelf(user_pb2.GetSelfRequest(), metadata=await api.as_user("vera", PASSWORD))
    assert (me.username, list(me.roles), me.status) == ("vera", ["viewer"], user_pb2.User.ACTIVE)
    assert "schedule_strategy.read" in me.permissions
    assert list(me.permissions) == sorted(me.permissions)


async def test_absent_leaves_roles_and_an_empty_list_takes_them(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    metadata = await api.as_user()
    kept = await api.users.UpdateUserPermissions(permissions(user.id), metadata=metadata)
    assert (list(kept.roles), kept.status) == (["viewer"], user_pb2.User.ACTIVE)
    both = await api.users.UpdateUserPermissions(permissions(user.id, roles=["viewer", "operator"]), metadata=metadata)
    assert list(both.roles) == ["operator", "viewer"]
    none = await api.users.UpdateUserPermissions(permissions(user.id, roles=[]), metadata=metadata)
    assert list(none.roles) == []


async def test_what_is_no_name_of_a_role_or_no_status_is_refused(api: Api) -> None:
    user = await api.add_user("vera")
    metadata = await api.as_user()
    request = permissions(user.id)
    request.roles.append(7)
    await raises(api.users.UpdateUserPermissions(request, metadata=metadata), "INVALID_ARGUMENT")
    request = permissions(user.id, status=user_pb2.User.STATUS_UNSPECIFIED)
    await raises(api.users.UpdateUserPermissions(request, metadata=metadata), "INVALID_ARGUMENT")
    await raises(api.users.UpdateUserPermissions(permissions("nobody"), metadata=metadata), "USER_NOT_FOUND")


async def test_disabling_ends_all_logins_and_enabling_does_not_bring_them_back(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    answer = await api.log_in("vera", PASSWORD)
    metadata = await api.as_user()
    await api.users.UpdateUserPermissions(permissions(user.id, status=user_pb2.User.DISABLED), metadata=metadata)
    self_call = user_pb2.GetSelfRequest()
    await raises(api.users.GetSelf(self_call, metadata=bearer(answer.access_token)), "TOKEN_REVOKED")
    await api.users.UpdateUserPermissions(permissions(user.id, status=user_pb2.User.ACTIVE), metadata=metadata)
    await raises(api.users.GetSelf(self_call, metadata=bearer(answer.access_token)), "TOKEN_REVOKED")
    assert await api.store.use_refresh_token(answer.refresh_token) is None
    await api.log_in("vera", PASSWORD)


async def test_a_reset_password_opens_only_its_own_change(api: Api) -> None:
    user = await api.add_user("vera", "viewer")
    before = await api.as_user("vera", PASSWORD)
    request = user_pb2.ResetPasswordRequest(user_id=user.id, new_password=NEW)
    await api.users.ResetPassword(request, metadata=await api.as_user())
    await raises(api.users.GetSelf(user_pb2.GetSelfRequest(), metadata=before), "TOKEN_REVOKED")
    answer = await api.log_in("vera", NEW)
    assert answer.need_change_password
    await raises(
        api.users.GetSelf(user_pb2.GetSelfRequest(), metadata=bearer(answer.access_token)), "PASSWORD_CHANGE_REQUIRED"
    )


async def test_the_old_password_is_needed_for_ones_own_change(api: Api) -> None:
    await api.add_user("vera")
    metadata = await api.as_user("vera", PASSWORD)
    wrong = user_pb2.ChangeOwnPasswordRequest(old_password="a-stolen-token-only", new_password=NEW)
    for _ in range(5):
        await raises(api.users.ChangeOwnPassword(wrong, metadata=metadata), "PASSWORD_WRONG")
    right = user_pb2.ChangeOwnPasswordRequest(old_password=PASSWORD, new_password=NEW)
    await raises(api.users.ChangeOwnPassword(right, metadata=metadata), "LOGIN_LOCKED")
    api.clock.shift += datetime.timedelta(seconds=31)
    same = user_pb2.ChangeOwnPasswordRequest(old_password=PASSWORD, new_password=PASSWORD)
    await raises(api.users.ChangeOwnPassword(same, metadata=metadata), "INVALID_ARGUMENT")
    await api.users.ChangeOwnPassword(right, metadata=metadata)
    await api.log_in("vera", NEW)


async def test_nobody_gives_what_they_have_not(api: Api) -> None:
    metadata = await manages_users(api)
    request = user_pb2.CreateUserRequest(username="vera", password=PASSWORD, roles=["admin"])
    refusal = await raises(api.users.CreateUser(request, metadata=metadata), "PERMISSION_ESCALATION")
    assert refusal.status is grpc.StatusCode.PERMISSION_DENIED
    helen = await api.store.find_user(username="helen")
    assert helen is not None
    await raises(
        api.users.UpdateUserPermissions(permissions(helen.id, roles=["people", "viewer"]), metadata=metadata),
        "PERMISSION_ESCALATION",
    )
    taking_over = user_pb2.ResetPasswordRequest(user_id=await admin_id(api), new_password=NEW)
    await raises(api.users.ResetPassword(taking_over, metadata=metadata), "PERMISSION_ESCALATION")


async def test_roles_that_somebody_has_already_may_stay(api: Api) -> None:
    metadata = await manages_users(api)
    user = await api.add_user("vera", "viewer", "operator")
    left = await api.users.UpdateUserPermissions(permissions(user.id, roles=["viewer"]), metadata=metadata)
    assert list(left.roles) == ["viewer"]


@pytest.mark.parametrize("change", [{"roles": ["operator"]}, {"roles": []}, {"status": user_pb2.User.DISABLED}])
async def test_the_last_administrator_stays_one(api: Api, change: dict[str, object]) -> None:
    metadata = await api.as_user()
    request = permissions(await admin_id(api), **change)
    refusal = await raises(api.users.UpdateUserPermissions(request, metadata=metadata), "LAST_ADMIN")
    assert refusal.status is grpc.StatusCode.FAILED_PRECONDITION
    await api.add_user("second", "admin")
    await api.users.UpdateUserPermissions(request, metadata=metadata)


async def test_the_last_administrator_cannot_be_deleted(api: Api) -> None:
    metadata = await api.as_user()
    request = user_pb2.DeleteUserRequest(user_id=await admin_id(api))
    await raises(api.users.DeleteUser(request, metadata=metadata), "LAST_ADMIN")


async def test_two_administrators_cannot_disable_each_other_at_once(api: Api) -> None:
    second = await api.add_user("second", "admin")
    first, other = await api.as_user(), await api.as_user("second", PASSWORD)
    answers = await asyncio.gather(
        api.users.UpdateUserPermissions(permissions(second.id, roles=[]), metadata=first),
        api.users.UpdateUserPermissions(permissions(await admin_id(api), roles=[]), metadata=other),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, user_pb2.User) for answer in answers) == 1


async def test_a_user_with_strategies_leaves_only_if_told_what_becomes_of_them(api: Api) -> None:
    user = await api.add_user("vera", "operator")
    await owned_by(api, user.id)
    metadata = await api.as_user()
    await raises(
        api.users.DeleteUser(user_pb2.DeleteUserRequest(user_id=user.id), metadata=metadata), "USER_HAS_STRATEGIES"
    )
    for wrong in ("nobody", user.id):
        request = user_pb2.DeleteUserRequest(user_id=user.id, strategies="reassign", new_owner_id=wrong)
        await raises(api.users.DeleteUser(request, metadata=metadata), "INVALID_ARGUMENT")
    request = user_pb2.DeleteUserRequest(user_id=user.id, strategies="reassign")
    await api.users.DeleteUser(request, metadata=metadata)
    [moved] = await api.store.list_strategies()
    assert moved.creator_id == await admin_id(api)
    await raises(api.users.DeleteUser(request, metadata=metadata), "USER_NOT_FOUND")


async def test_a_users_strategies_may_go_too(api: Api) -> None:
    user = await api.add_user("vera", "operator")
    await owned_by(api, user.id)
    request = user_pb2.DeleteUserRequest(user_id=user.id, strategies="delete")
    await api.users.DeleteUser(request, metadata=await api.as_user())
    assert await api.store.list_strategies() == ()
    [entry] = await api.store.list_audit(base.AuditFilter(action="user.delete"), limit=5)
    assert entry.before is not None
    assert entry.before["username"] == "vera"
