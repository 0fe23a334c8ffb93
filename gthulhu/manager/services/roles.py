"""Roles: named sets of permissions, within limits."""

import dataclasses
import secrets
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf import empty_pb2

from gthulhu.common import errors
from gthulhu.manager.domain import access, permissions
from gthulhu.manager.services import accounts
from gthulhu.v1 import role_pb2, role_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class RoleService(role_pb2_grpc.RoleServiceServicer):
    """See the schema. The role `admin` stays as it is: it may do everything, in every release."""

    def __init__(self, *, people: accounts.Accounts) -> None:
        """Take who the users are."""
        self._accounts = people
        self._store = people.store

    async def CreateRole(  # noqa: N802 - the schema's name
        self, request: role_pb2.CreateRoleRequest, _context: Context
    ) -> role_pb2.Role:
        """See the schema."""
        now = self._accounts.clock.now()
        value = access.Role(
            id=secrets.token_hex(16),
            name=request.name,
            description=request.description,
            policies=_granted(request.role_policies),
            created_at=now,
            updated_at=now,
        )
        message = accounts.role_message(value)
        audit = self._accounts.entry("role.create", f"role/{value.id}", after=message)
        await self._store.put_role(value, expected_etag=None, audit=audit)
        await self._accounts.settle()
        return message

    async def ListRoles(  # noqa: N802 - the schema's name
        self, _request: role_pb2.ListRolesRequest, _context: Context
    ) -> role_pb2.ListRolesResponse:
        """See the schema."""
        return role_pb2.ListRolesResponse(roles=map(accounts.role_message, await self._store.list_roles()))

    async def UpdateRole(  # noqa: N802 - the schema's name
        self, request: role_pb2.UpdateRoleRequest, _context: Context
    ) -> role_pb2.Role:
        """See the schema."""
        _require_changeable(request.id)
        policies = _granted(request.role_policies)

        async def update() -> access.Role:
            people = await self._accounts.people()
            before = people.roles.get(request.id) or await self._role(request.id)
            after = dataclasses.replace(
                before,
                name=request.name or before.name,
                description=request.description,
                policies=policies,
                updated_at=self._accounts.clock.now(),
            )
            require(dataclasses.replace(people, roles={**people.roles, after.id: after}))
            audit = self._accounts.entry(
                "role.update",
                f"role/{after.id}",
                before=accounts.role_message(before),
                after=accounts.role_message(after),
            )
            return await self._store.put_role(after, expected_etag=before.etag, audit=audit)

        async with self._accounts.keeping_an_administrator() as require:
            kept = await accounts.retried(update)
        await self._accounts.settle()
        return accounts.role_message(kept)

    async def DeleteRole(  # noqa: N802 - the schema's name
        self, request: role_pb2.DeleteRoleRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema."""
        _require_changeable(request.id)
        async with self._accounts.keeping_an_administrator() as require:
            people = await self._accounts.people()
            role = people.roles.get(request.id) or await self._role(request.id)
            require(
                dataclasses.replace(people, roles={key: one for key, one in people.roles.items() if key != role.id})
            )
            audit = self._accounts.entry("role.delete", f"role/{role.id}", before=accounts.role_message(role))
            await self._store.delete_role(role.id, force=request.force, audit=audit)
        await self._accounts.settle()
        return empty_pb2.Empty()

    async def ListPermissions(  # noqa: N802 - the schema's name
        self, _request: role_pb2.ListPermissionsRequest, _context: Context
    ) -> role_pb2.ListPermissionsResponse:
        """See the schema."""
        return role_pb2.ListPermissionsResponse(
            permissions=[
                role_pb2.ListPermissionsResponse.Permission(
                    key=one.key, resource=one.resource, action=one.action, description=one.description
                )
                for one in permissions.PERMISSIONS
            ]
        )

    async def _role(self, role_id: str) -> access.Role:
        role = await self._store.get_role(role_id)
        if role is None:
            raise errors.NotFoundError("ROLE_NOT_FOUND", f"there is no role {role_id!r}")
        return role


def _require_changeable(role_id: str) -> None:
    if role_id == permissions.ADMIN:
        raise errors.PreconditionError(
            "ROLE_PROTECTED", "the role admin stays as it is: make another role, or take this one from users"
        )


def _granted(messages: Iterable[role_pb2.RolePolicy]) -> tuple[access.Policy, ...]:
    """Return policies that exist and that the caller may grant."""
    policies = []
    for number, message in enumerate(messages):
        if message.permission_key not in permissions.KEYS:
            raise errors.InvalidInputError.of_field(
                f"rolePolicies[{number}].permissionKey",
                f"there is no permission {message.permission_key!r}; GET /api/v1/permissions lists them",
            )
        policies.append(
            access.Policy(
                permission=message.permission_key,
                self_only=message.self,
                k8s_namespace=message.k8s_namespace,
                policy_namespace=message.policy_namespace,
            )
        )
    accounts.require_held(policies)
    return tuple(policies)
