"""Who may do what: users, roles, policies, and the one function that decides.

A policy grants one permission, within up to three limits: only what the caller created (`self_only`), only pods of
one Kubernetes namespace, only strategies of one strategy namespace. The policies of all of a user's roles are united.
"""

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping


class UserStatus(enum.StrEnum):
    """Whether a user may log in."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or a program that acts for one."""

    id: str
    username: str
    email: str = ""
    password_hash: str
    """argon2id in PHC form; never leaves the manager."""
    roles: tuple[str, ...] = ()
    """Ids of roles."""
    status: UserStatus = UserStatus.ACTIVE
    must_change_password: bool = False
    token_generation: int = 0
    """Access tokens carry it; raising it voids all that were issued before."""
    created_at: datetime.datetime
    last_login_at: datetime.datetime | None = None
    etag: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Grants one permission, within limits."""

    permission: str
    self_only: bool = False
    k8s_namespace: str = ""
    """Empty: every one."""
    policy_namespace: str = ""
    """Empty: every strategy namespace."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A named set of policies."""

    id: str
    name: str
    description: str = ""
    policies: tuple[Policy, ...] = ()
    created_at: datetime.datetime
    updated_at: datetime.datetime
    etag: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, with everything that the caller's roles grant now."""

    user_id: str
    username: str
    policies: tuple[Policy, ...]
    must_change_password: bool = False


def principal_of(user: User, *, roles: Mapping[str, Role]) -> Principal | None:
    """Return what a user may do with its roles (by id) as they are; None: nothing at all, it is disabled."""
    if user.status is not UserStatus.ACTIVE:
        return None
    return Principal(
        user_id=user.id,
        username=user.username,
        policies=tuple(policy for role_id in user.roles if role_id in roles for policy in roles[role_id].policies),
        must_change_password=user.must_change_password,
    )


def grants(principal: Principal, permission: str) -> tuple[Policy, ...]:
    """Return the caller's policies for a permission; empty: the caller does not have it at all."""
    return tuple(policy for policy in principal.policies if policy.permission == permission)


def allows(
    policies: Iterable[Policy],
    *,
    caller_id: str,
    creator_id: str | None = None,
    k8s_namespace: str | None = None,
    strategy_namespace: str | None = None,
) -> bool:
    """Tell whether any of the policies (all of one permission) covers a thing.

    Args:
        policies: As `grants` returned them.
        caller_id: Who is asking.
        creator_id: Who created the thing; None where it has no creator: a `self_only` policy does not cover it.
        k8s_namespace: The pod's namespace; None where the thing is not in one.
        strategy_namespace: The strategy's namespace; None where the thing is not in one.
    """
    return any(
        (not policy.self_only or creator_id == caller_id)
        and (not policy.k8s_namespace or k8s_namespace is None or policy.k8s_namespace == k8s_namespace)
        and (not policy.policy_namespace or strategy_namespace is None or policy.policy_namespace == strategy_namespace)
        for policy in policies
    )
