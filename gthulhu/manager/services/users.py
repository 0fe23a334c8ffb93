"""Users: who may use the system, and what they may do."""

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2

from gthulhu.common import errors
from gthulhu.common.grpc import context as contexts
from gthulhu.manager.domain import access
from gthulhu.manager.services import accounts, attempts, authorization, pages, passwords
from gthulhu.v1 import user_pb2, user_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class UserService(user_pb2_grpc.UserServiceServicer):
    """See the schema."""

    def __init__(self, *, people: accounts.Accounts, hasher: passwords.Passwords, tries: attempts.Attempts) -> None:
        """Take who the users are, what hashes, and what stops guessing."""
        self._accounts = people
        self._store = people.store
        self._passwords = hasher
        self._attempts = tries

    async def CreateUser(  # noqa: N802 - the schema's name
        self, request: user_pb2.CreateUserRequest, _context: Context
    ) -> user_pb2.User:
        """See the schema; the password has to be changed at the first login."""
        self._passwords.check(request.password, field="password", username=request.username)
        roles = (await self._accounts.people()).roles
        wanted = _role_ids(request.roles, roles=roles)
        accounts.require_held(policy for role_id in wanted for policy in roles[role_id].policies)
        value = access.User(
            id=secrets.token_hex(16),
            username=request.username,
            email=request.email,
            password_hash=await self._passwords.hash(request.password),
            roles=wanted,
            must_change_password=True,
            created_at=self._accounts.clock.now(),
        )
        message = accounts.user_message(value, roles=roles)
        audit = self._accounts.entry("user.create", f"user/{value.id}", after=message)
        await self._store.put_user(value, expected_etag=None, audit=audit)
        await self._accounts.settle()
        return message

    async def ListUsers(  # noqa: N802 - the schema's name
        self, request: user_pb2.ListUsersRequest, _context: Context
    ) -> user_pb2.ListUsersResponse:
        """See the schema."""
        people = await self._accounts.people()
        found, next_token = pages.page(
            people.users.values(),
            key=lambda user: (user.username.casefold(),),
            size=request.page_size,
            token=request.page_token,
        )
        return user_pb2.ListUsersResponse(
            users=[accounts.user_message(user, roles=people.roles) for user in found], next_page_token=next_token
        )

    async def ResetPassword(  # noqa: N802 - the schema's name
        self, request: user_pb2.ResetPasswordRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema; nobody takes over somebody who may do more."""
        user = await self._accounts.user(request.user_id)
        self._passwords.check(request.new_password, field="newPassword", username=user.username)
        roles = (await self._accounts.people()).roles
        accounts.require_held(
            policy for role_id in user.roles if role_id in roles for policy in roles[role_id].policies
        )
        new_hash = await self._passwords.hash(request.new_password)
        await self._set_password(user.id, new_hash, must_change=True, action="user.password.reset")
        return empty_pb2.Empty()

    async def UpdateUserPermissions(  # noqa: N802 - the schema's name
        self, request: user_pb2.UpdateUserPermissionsRequest, _context: Context
    ) -> user_pb2.User:
        """See the schema; roles that the user has already may be more than the caller's."""
        async with self._accounts.keeping_an_administrator() as require:
            people = await self._accounts.people()
            user = people.users.get(request.user_id) or await self._accounts.user(request.user_id)
            change = self._permission_change(request, user, roles=people.roles)
            require(dataclasses.replace(people, users={**people.users, user.id: change(user)}))
            kept = await self._accounts.change_user(user.id, change, action="user.permission.update")
        if kept.status is not access.UserStatus.ACTIVE:
            await self._accounts.end_logins(kept.id)
        return accounts.user_message(kept, roles=people.roles)

    async def ChangeOwnPassword(  # noqa: N802 - the schema's name
        self, request: user_pb2.ChangeOwnPasswordRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema; the caller has to log in again too."""
        user = await self._accounts.user(authorization.current().user_id)
        self._passwords.check(request.new_password, field="newPassword", username=user.username)
        if request.new_password == request.old_password:
            raise errors.InvalidInputError.of_field("newPassword", "is the old password")
        async with self._attempts.turn(account=user.username, address=contexts.current().address):
            if not await self._passwords.verify(request.old_password, user.password_hash):
                raise errors.InvalidInputError(
                    "PASSWORD_WRONG",
                    "oldPassword is not the current password",
                    fields=[errors.FieldViolation("oldPassword", "is not the current password")],
                )
        new_hash = await self._passwords.hash(request.new_password)
        await self._set_password(user.id, new_hash, must_change=False, action="user.password.change")
        return empty_pb2.Empty()

    async def GetSelf(  # noqa: N802 - the schema's name
        self, _request: user_pb2.GetSelfRequest, _context: Context
    ) -> user_pb2.GetSelfResponse:
        """See the schema."""
        principal = authorization.current()
        user = await self._accounts.user(principal.user_id)
        return user_pb2.GetSelfResponse(
            id=user.id,
            username=user.username,
            roles=accounts.role_names(user, roles=(await self._accounts.people()).roles),
            status=user.status.value,
            permissions=sorted({policy.permission for policy in principal.policies}),
            need_change_password=user.must_change_password,
        )

    async def DeleteUser(  # noqa: N802 - the schema's name
        self, request: user_pb2.DeleteUserRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema."""
        async with self._accounts.keeping_an_administrator() as require:
            people = await self._accounts.people()
            user = people.users.get(request.user_id) or await self._accounts.user(request.user_id)
            require(
                dataclasses.replace(people, users={key: one for key, one in people.users.items() if key != user.id})
            )
            new_owner = await self._new_owner(request, user, users=people.users)
            before = accounts.user_message(user, roles=people.roles)
            audit = self._accounts.entry("user.delete", f"user/{user.id}", before=before)
            await self._store.delete_user(user.id, new_owner=new_owner, audit=audit)
        await self._accounts.settle()
        return empty_pb2.Empty()

    def _permission_change(
        self, request: user_pb2.UpdateUserPermissionsRequest, user: access.User, *, roles: Mapping[str, access.Role]
    ) -> Callable[[access.User], access.User]:
        wanted: tuple[str, ...] | None = None
        if request.HasField("roles"):
            wanted = _role_ids(_texts(request.roles), roles=roles)
            added = set(wanted) - set(user.roles)
            accounts.require_held(policy for role_id in added for policy in roles[role_id].policies)
        status: access.UserStatus | None = None
        if request.HasField("status"):
            if request.status == user_pb2.User.STATUS_UNSPECIFIED:
                raise errors.InvalidInputError.of_field("status", "must be ACTIVE or DISABLED")
            status = access.UserStatus(user_pb2.User.Status.Name(request.status))

        def change(before: access.User) -> access.User:
            after = dataclasses.replace(
                before,
                roles=before.roles if wanted is None else wanted,
                status=before.status if status is None else status,
            )
            if after.status is before.status:
                return after
            return dataclasses.replace(after, token_generation=before.token_generation + 1)

        return change

    async def _new_owner(
        self, request: user_pb2.DeleteUserRequest, user: access.User, *, users: Mapping[str, access.User]
    ) -> access.User | None:
        """Return who gets the strategies; None: they go with the user."""
        if request.strategies == "reassign":
            owner_id = request.new_owner_id or authorization.current().user_id
            if owner_id == user.id or owner_id not in users:
                raise errors.InvalidInputError.of_field("newOwnerID", f"{owner_id!r} is not the id of another user")
            return users[owner_id]
        owned = [one for one in await self._store.list_strategies() if one.creator_id == user.id]
        if owned and request.strategies != "delete":
            raise errors.PreconditionError(
                "USER_HAS_STRATEGIES",
                f"{user.username} has {len(owned)} strategies: say strategies: delete or strategies: reassign",
            )
        return None

    async def _set_password(self, user_id: str, new_hash: str, *, must_change: bool, action: str) -> None:
        await self._accounts.change_user(
            user_id,
            lambda user: dataclasses.replace(
                user,
                password_hash=new_hash,
                must_change_password=must_change,
                token_generation=user.token_generation + 1,
            ),
            action=action,
        )
        await self._accounts.end_logins(user_id)


def _role_ids(names: Sequence[str], *, roles: Mapping[str, access.Role]) -> tuple[str, ...]:
    by_name = {role.name: role.id for role in roles.values()}
    for number, name in enumerate(names):
        if name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise errors.InvalidInputError.of_field(
                f"roles[{number}]", f"there is no role {name!r}; there are: {known}"
            )
    return tuple(dict.fromkeys(by_name[name] for name in names))


def _texts(values: struct_pb2.ListValue) -> list[str]:
    texts = []
    for number, value in enumerate(values.values):
        if value.WhichOneof("kind") != "string_value":
            raise errors.InvalidInputError.of_field(f"roles[{number}]", "must be the name of a role")
        texts.append(value.string_value)
    return texts
