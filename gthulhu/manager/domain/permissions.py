"""The permissions that there are, and the roles that every installation starts with."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from gthulhu.manager.domain import access


@dataclasses.dataclass(frozen=True, slots=True)
class Permission:
    """Something that a role can grant."""

    key: str
    """Resource and action with a dot between; the access rules of the schema name it."""
    description: str

    @property
    def resource(self) -> str:
        """What it is about."""
        return self.key.partition(".")[0]

    @property
    def action(self) -> str:
        """What it allows to do with it."""
        return self.key.partition(".")[2]


PERMISSIONS = (
    Permission("audit_log.read", "See who changed what"),
    Permission("metrics.read", "See the schedulers' and pods' metrics of all nodes"),
    Permission("permission.read", "See which permissions there are"),
    Permission("pod_pid_mapping.read", "See nodes, their agents, and the processes of pods"),
    Permission("role.create", "Add roles, with permissions that one has"),
    Permission("role.delete", "Remove roles"),
    Permission("role.read", "See roles and what they grant"),
    Permission("role.update", "Change roles, to permissions that one has"),
    Permission("schedule_intent.read", "See what strategies come to for each pod, and why"),
    Permission("schedule_strategy.create", "Add strategies"),
    Permission("schedule_strategy.delete", "Remove strategies"),
    Permission("schedule_strategy.read", "See and try out strategies"),
    Permission("schedule_strategy.update", "Change strategies"),
    Permission("scheduler_config.update", "Pause and resume all strategies at once"),
    Permission("user.create", "Add users, with permissions that one has"),
    Permission("user.delete", "Remove users"),
    Permission("user.password.reset", "Give users a new password"),
    Permission("user.permission.update", "Change users' roles and status"),
    Permission("user.read", "See users and their roles"),
)
"""By key."""

KEYS = frozenset(permission.key for permission in PERMISSIONS)

ADMIN = "admin"
"""Id and name of the role that may do everything."""

_SCHEDULING = frozenset(
    {
        "metrics.read",
        "permission.read",
        "pod_pid_mapping.read",
        "schedule_intent.read",
        "schedule_strategy.read",
    }
)
_OPERATING = _SCHEDULING | {
    "schedule_strategy.create",
    "schedule_strategy.delete",
    "schedule_strategy.update",
    "scheduler_config.update",
}


def default_roles(*, now: datetime.datetime) -> tuple[access.Role, ...]:
    """Return the first roles; their ids are fixed, so that replicas that start at once make them once."""
    return (
        _role(ADMIN, "May do everything", KEYS, now),
        _role("operator", "Strategies, intents, nodes and metrics", _OPERATING, now),
        _role("viewer", "Sees strategies, intents, nodes and metrics", _SCHEDULING, now),
    )


def exceeding(policies: Iterable[access.Policy], *, held: Iterable[access.Policy]) -> tuple[access.Policy, ...]:
    """Return the policies that grant more than any one of `held` does: nobody may grant what nobody gave them."""
    owned = tuple(held)
    return tuple(policy for policy in policies if not any(_covers(wider, policy) for wider in owned))


def administrators(users: Iterable[access.User], *, roles: Mapping[str, access.Role]) -> frozenset[str]:
    """Return the ids of the users who may do everything now, without limits; somebody always must."""
    principals = (access.principal_of(user, roles=roles) for user in users)
    return frozenset(one.user_id for one in principals if one is not None and _unlimited(one) >= KEYS)


def _unlimited(principal: access.Principal) -> frozenset[str]:
    return frozenset(
        policy.permission
        for policy in principal.policies
        if not (policy.self_only or policy.k8s_namespace or policy.policy_namespace)
    )


def _covers(wider: access.Policy, policy: access.Policy) -> bool:
    return (
        wider.permission == policy.permission
        and (not wider.self_only or policy.self_only)
        and wider.k8s_namespace in ("", policy.k8s_namespace)
        and wider.policy_namespace in ("", policy.policy_namespace)
    )


def _role(name: str, description: str, keys: Iterable[str], now: datetime.datetime) -> access.Role:
    return access.Role(
        id=name,
        name=name,
        description=description,
        policies=tuple(access.Policy(permission=key) for key in sorted(keys)),
        created_at=now,
        updated_at=now,
    )
