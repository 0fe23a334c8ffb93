"""What the services about users, roles and log-ins share."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from google.protobuf import message as messages

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, permissions
from gthulhu.manager.services import authorization, convert, settling, trail
from gthulhu.manager.store import base
from gthulhu.v1 import role_pb2, user_pb2

Change = Callable[[access.User], access.User]
Result = TypeVar("Result")

_ATTEMPTS = 5
"""Of a change that others get in the way of."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """All users and roles, by id."""

    users: Mapping[str, access.User]
    roles: Mapping[str, access.Role]


class Accounts:
    """Changes users and roles, each with its audit entry, and never so that nobody may do everything any more."""

    def __init__(self, *, store: base.Store, world: worlds.World, clock: clocks.Clock) -> None:
        """Change what is in the store; changes count as done when the world shows them too."""
        self.store = store
        self.clock = clock
        self._world = world
        self._guard = asyncio.Lock()

    async def people(self) -> People:
        """Return everybody."""
        users = {user.id: user for user in await self.store.list_users()}
        return People(users=users, roles={role.id: role for role in await self.store.list_roles()})

    async def user(self, user_id: str) -> access.User:
        """Return the user, or raise `NotFoundError`."""
        found = await self.store.get_user(user_id)
        if found is None:
            raise errors.NotFoundError("USER_NOT_FOUND", f"there is no user {user_id!r}")
        return found

    async def change_user(self, user_id: str, change: Change, *, action: str) -> access.User:
        """Put a changed user in place of what it is by then; returns it as it is now."""

        async def attempt() -> access.User:
            before = await self.user(user_id)
            after = change(before)
            roles = (await self.people()).roles
            audit = self.entry(
                action,
                f"user/{user_id}",
                before=user_message(before, roles=roles),
                after=user_message(after, roles=roles),
            )
            return await self.store.put_user(after, expected_etag=before.etag, audit=audit)

        kept = await retried(attempt)
        await self.settle()
        return kept

    async def end_logins(self, user_id: str) -> None:
        """Revoke the user's refresh tokens; access tokens end by raising the user's token generation."""
        await self.store.revoke_refresh_tokens(user_id=user_id)

    @contextlib.asynccontextmanager
    async def keeping_an_administrator(self) -> AsyncIterator[Callable[[People], None]]:
        """Run a change alone, and give it a function that raises where nobody may do everything afterwards.

        That function takes everybody as they will be; `PreconditionError` (`LAST_ADMIN`).
        """
        async with self._guard:
            now = await self.people()
            had = permissions.administrators(now.users.values(), roles=now.roles)

            def require(then: People) -> None:
                if had and not permissions.administrators(then.users.values(), roles=then.roles):
                    raise errors.PreconditionError(
                        "LAST_ADMIN", "nobody could do everything any more: give somebody else the role admin first"
                    )

            yield require

    async def settle(self) -> None:
        """Wait until this replica's view shows the change; one that has never been complete would keep us waiting."""
        if self._world.synced:
            await settling.settle(self._world, self.store)

    def entry(
        self,
        action: str,
        target: str,
        *,
        before: messages.Message | None = None,
        after: messages.Message | None = None,
        actor: access.Principal | None = None,
    ) -> base.AuditEntry:
        """Return the audit entry for something that the caller (or `actor`) does now."""
        who = actor or authorization.current()
        return trail.entry(who, action, target=target, before=before, after=after, now=self.clock.now())


async def retried(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Run what reads and writes; run it again where somebody else's write came in between."""
    left = _ATTEMPTS
    while True:
        left -= 1
        try:
            return await attempt()
        except errors.ConflictError as error:
            if error.reason != "ETAG_MISMATCH" or left == 0:
                raise


def require_held(policies: Iterable[access.Policy]) -> None:
    """Raise `PermissionDeniedError` (`PERMISSION_ESCALATION`) where policies grant more than the caller has."""
    beyond = permissions.exceeding(policies, held=authorization.current().policies)
    if beyond:
        names = ", ".join(sorted({policy.permission for policy in beyond}))
        raise errors.PermissionDeniedError(
            "PERMISSION_ESCALATION", f"nobody can grant more than they have; you lack, or have within limits: {names}"
        )


def user_message(user: access.User, *, roles: Mapping[str, access.Role]) -> user_pb2.User:
    """Return a user as others may see it."""
    return user_pb2.User(
        id=user.id,
        username=user.username,
        email=user.email,
        roles=role_names(user, roles=roles),
        status=user.status.value,
        need_change_password=user.must_change_password,
        create_time=convert.timestamp(user.created_at),
        last_login_time=convert.timestamp(user.last_login_at),
    )


def role_names(user: access.User, *, roles: Mapping[str, access.Role]) -> list[str]:
    """Return the names of a user's roles, sorted."""
    return sorted(roles[role_id].name for role_id in user.roles if role_id in roles)


def role_message(role: access.Role) -> role_pb2.Role:
    """Return a role as others may see it."""
    return role_pb2.Role(
        id=role.id,
        name=role.name,
        description=role.description,
        role_policies=[
            role_pb2.RolePolicy(
                permission_key=policy.permission,
                self=policy.self_only,
                k8s_namespace=policy.k8s_namespace,
                policy_namespace=policy.policy_namespace,
            )
            for policy in role.policies
        ],
        create_time=convert.timestamp(role.created_at),
        update_time=convert.timestamp(role.updated_at),
    )
