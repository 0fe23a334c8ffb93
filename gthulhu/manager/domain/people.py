"""Users and roles together: what each user may do now."""

from collections.abc import Iterable

from gthulhu.manager.domain import access


class People:
    """Holds users and roles by id; who may do what follows from both."""

    def __init__(self) -> None:
        """Start without anybody."""
        self._users: dict[str, access.User] = {}
        self._roles: dict[str, access.Role] = {}
        self._principals: dict[str, access.Principal] = {}

    def user(self, user_id: str) -> access.User | None:
        """Return the user."""
        return self._users.get(user_id)

    def principal(self, user_id: str) -> access.Principal | None:
        """Return what a user may do; None: unknown, or disabled."""
        return self._principals.get(user_id)

    def set_user(self, user_id: str, value: access.User | None) -> frozenset[str]:
        """Add, replace or (None) remove a user; returns the ids of the users whose rights this may change."""
        if value is None:
            self._users.pop(user_id, None)
        else:
            self._users[user_id] = value
        self._recompute(user_id)
        return frozenset([user_id])

    def set_role(self, role_id: str, value: access.Role | None) -> frozenset[str]:
        """Add, replace or (None) remove a role; returns the ids of the users whose rights this may change."""
        if value is None:
            self._roles.pop(role_id, None)
        else:
            self._roles[role_id] = value
        holders = frozenset(user.id for user in self._users.values() if role_id in user.roles)
        for user_id in holders:
            self._recompute(user_id)
        return holders

    def replace(self, *, users: Iterable[access.User], roles: Iterable[access.Role]) -> None:
        """Take these in place of all."""
        self._users = {user.id: user for user in users}
        self._roles = {role.id: role for role in roles}
        self._principals = {}
        for user_id in self._users:
            self._recompute(user_id)

    def _recompute(self, user_id: str) -> None:
        user = self._users.get(user_id)
        principal = None if user is None else access.principal_of(user, roles=self._roles)
        if principal is None:
            self._principals.pop(user_id, None)
        else:
            self._principals[user_id] = principal
