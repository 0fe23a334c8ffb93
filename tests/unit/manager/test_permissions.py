"""Permissions, roles, and who may do everything."""

import dataclasses
import datetime

import pytest

from gthulhu.manager.domain import access, permissions
from gthulhu.manager.domain.access import Policy

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
READ = "schedule_strategy.read"


def test_keys_are_unique_sorted_and_described() -> None:
    keys = [permission.key for permission in permissions.PERMISSIONS]
    assert keys == sorted(set(keys))
    assert all(one.description for one in permissions.PERMISSIONS)
    assert permissions.Permission("user.password.reset", "").action == "password.reset"


@pytest.mark.parametrize(
    ("wanted", "held", "exceeds"),
    [
        (Policy(permission=READ), Policy(permission=READ), False),
        (Policy(permission=READ), Policy(permission="metrics.read"), True),
        (Policy(permission=READ, self_only=True), Policy(permission=READ), False),
        (Policy(permission=READ), Policy(permission=READ, self_only=True), True),
        (Policy(permission=READ, k8s_namespace="a"), Policy(permission=READ), False),
        (Policy(permission=READ), Policy(permission=READ, k8s_namespace="a"), True),
        (Policy(permission=READ, k8s_namespace="b"), Policy(permission=READ, k8s_namespace="a"), True),
        (Policy(permission=READ, policy_namespace="x"), Policy(permission=READ), False),
        (Policy(permission=READ), Policy(permission=READ, policy_namespace="x"), True),
        (
            Policy(permission=READ, policy_namespace="x", k8s_namespace="a"),
            Policy(permission=READ, policy_namespace="x"),
            False,
        ),
    ],
)
def test_a_policy_exceeds_what_is_wider_or_elsewhere(wanted: Policy, held: Policy, *, exceeds: bool) -> None:
    assert permissions.exceeding([wanted], held=[held]) == ((wanted,) if exceeds else ())


def test_two_narrow_policies_do_not_make_a_wide_one() -> None:
    halves = [Policy(permission=READ, k8s_namespace="a"), Policy(permission=READ, policy_namespace="x")]
    assert permissions.exceeding([Policy(permission=READ)], held=halves)


def a_user(*roles: str, status: access.UserStatus = access.UserStatus.ACTIVE) -> access.User:
    return access.User(id="u", username="u", password_hash="", roles=roles, status=status, created_at=NOW)


def test_administrators_may_do_everything_without_limits() -> None:
    defaults = {role.id: role for role in permissions.default_roles(now=NOW)}
    admin = defaults["admin"]
    halves = {
        "one": dataclasses.replace(admin, id="one", policies=admin.policies[:9]),
        "two": dataclasses.replace(admin, id="two", policies=admin.policies[9:]),
        "limited": dataclasses.replace(
            admin, id="limited", policies=tuple(dataclasses.replace(one, self_only=True) for one in admin.policies)
        ),
    }
    roles = defaults | halves
    assert permissions.administrators([a_user("admin")], roles=roles) == {"u"}
    assert permissions.administrators([a_user("one", "two")], roles=roles) == {"u"}
    for others in (("operator", "viewer"), ("one",), ("limited",), ("gone",)):
        assert permissions.administrators([a_user(*others)], roles=roles) == frozenset()
    disabled = a_user("admin", status=access.UserStatus.DISABLED)
    assert permissions.administrators([disabled], roles=roles) == frozenset()
