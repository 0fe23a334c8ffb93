"""Roles and permissions."""

import grpc

from gthulhu.manager.domain import permissions
from gthulhu.manager.store import base
from gthulhu.v1 import role_pb2, user_pb2
from tests.unit.manager.services.harness import PASSWORD, Api, raises


def policy(key: str = "schedule_strategy.read", **fields: object) -> role_pb2.RolePolicy:
    return role_pb2.RolePolicy(permission_key=key, **fields)


async def made(api: Api, name: str, *policies: role_pb2.RolePolicy) -> role_pb2.Role:
    request = role_pb2.CreateRoleRequest(name=name, description="for tests", role_policies=policies)
    return await api.roles.CreateRole(request, metadata=await api.as_user())


async def test_every_installation_starts_with_three_roles(api: Api) -> None:
    roles = (await api.roles.ListRoles(role_pb2.ListRolesRequest(), metadata=await api.as_user())).roles
    granted = {role.name: {policy.permission_key for policy in role.role_policies} for role in roles}
    assert list(granted) == ["admin", "operator", "viewer"]
    assert granted["admin"] == permissions.KEYS
    assert granted["viewer"] < granted["operator"] < granted["admin"]
    assert not any(key.endswith((".create", ".update", ".delete")) for key in granted["viewer"])
    assert not any(key.startswith(("user", "role", "audit")) for key in granted["operator"])


async def test_permissions_are_listed_by_key(api: Api) -> None:
    answer = await api.roles.ListPermissions(role_pb2.ListPermissionsRequest(), metadata=await api.as_user())
    keys = [one.key for one in answer.permissions]
    assert keys == sorted(permissions.KEYS)
    assert all(one.key == f"{one.resource}.{one.action}" and one.description for one in answer.permissions)


async def test_a_role_is_created_changed_and_deleted_and_each_is_written_down(api: Api) -> None:
    wanted = policy(k8s_namespace="team-a", policy_namespace="x", self=True)
    role = await made(api, "team-a", wanted)
    assert list(role.role_policies) == [wanted]
    await raises(made(api, "team-a"), "ROLE_EXISTS")
    metadata = await api.as_user()
    request = role_pb2.UpdateRoleRequest(id=role.id, role_policies=[policy("metrics.read")])
    changed = await api.roles.UpdateRole(request, metadata=metadata)
    assert (changed.name, changed.description) == ("team-a", "")
    assert [one.permission_key for one in changed.role_policies] == ["metrics.read"]
    await api.roles.DeleteRole(role_pb2.DeleteRoleRequest(id=role.id), metadata=metadata)
    entries = await api.store.list_audit(base.AuditFilter(target=f"role/{role.id}"), limit=5)
    assert [entry.action for entry in entries] == ["role.delete", "role.update", "role.create"]
    assert entries[1].before is not None
    assert entries[1].before["rolePolicies"] == [
        {"permissionKey": "schedule_strategy.read", "self": True, "k8sNamespace": "team-a", "policyNamespace": "x"}
    ]


async def test_an_unknown_permission_or_role_is_named_in_the_error(api: Api) -> None:
    refusal = await raises(made(api, "odd", policy(), policy("strategy.read")), "INVALID_ARGUMENT")
    [field] = refusal.rest["fields"]
    assert field["field"] == "rolePolicies[1].permissionKey"
    metadata = await api.as_user()
    await raises(api.roles.UpdateRole(role_pb2.UpdateRoleRequest(id="odd"), metadata=metadata), "ROLE_NOT_FOUND")
    await raises(api.roles.DeleteRole(role_pb2.DeleteRoleRequest(id="odd"), metadata=metadata), "ROLE_NOT_FOUND")


async def test_nobody_makes_a_role_that_grants_more_than_they_have(api: Api) -> None:
    limited = policy("schedule_strategy.read", k8s_namespace="team-a")
    own = await made(api, "role-maker", policy("role.create"), policy("role.update"), limited)
    await api.add_user("rose", "role-maker")
    metadata = await api.as_user("rose", PASSWORD)
    for wanted in (
        policy("user.create"),
        policy("schedule_strategy.read"),
        policy("schedule_strategy.read", k8s_namespace="team-b"),
    ):
        create = role_pb2.CreateRoleRequest(name="more", role_policies=[wanted])
        refusal = await raises(api.roles.CreateRole(create, metadata=metadata), "PERMISSION_ESCALATION")
        assert refusal.status is grpc.StatusCode.PERMISSION_DENIED
        update = role_pb2.UpdateRoleRequest(id=own.id, role_policies=[wanted])
        await raises(api.roles.UpdateRole(update, metadata=metadata), "PERMISSION_ESCALATION")
    narrower = policy("schedule_strategy.read", k8s_namespace="team-a", policy_namespace="x")
    await api.roles.CreateRole(role_pb2.CreateRoleRequest(name="less", role_policies=[narrower]), metadata=metadata)


async def test_a_role_in_use_is_deleted_only_by_force(api: Api) -> None:
    role = await made(api, "readers", policy("metrics.read"))
    user = await api.add_user("vera", "readers")
    metadata = await api.as_user()
    refusal = await raises(
        api.roles.DeleteRole(role_pb2.DeleteRoleRequest(id=role.id), metadata=metadata), "ROLE_IN_USE"
    )
    assert refusal.status is grpc.StatusCode.ABORTED
    await api.roles.DeleteRole(role_pb2.DeleteRoleRequest(id=role.id, force=True), metadata=metadata)
    kept = await api.store.get_user(user.id)
    assert kept is not None
    assert kept.roles == ()


async def test_the_role_admin_stays_as_it_is(api: Api) -> None:
    metadata = await api.as_user()
    await raises(api.roles.UpdateRole(role_pb2.UpdateRoleRequest(id="admin"), metadata=metadata), "ROLE_PROTECTED")
    request = role_pb2.DeleteRoleRequest(id="admin", force=True)
    await raises(api.roles.DeleteRole(request, metadata=metadata), "ROLE_PROTECTED")


async def test_the_role_of_the_last_administrator_cannot_be_weakened_or_deleted(api: Api) -> None:
    everything = [policy(key) for key in sorted(permissions.KEYS)]
    role = await made(api, "owners", *everything)
    owner = await api.add_user("otto", "owners")
    metadata = await api.as_user("otto", PASSWORD)
    admin = await api.store.find_user(username="admin")
    assert admin is not None
    request = user_pb2.DeleteUserRequest(user_id=admin.id)
    await api.users.DeleteUser(request, metadata=metadata)
    update = role_pb2.UpdateRoleRequest(id=role.id, role_policies=everything[1:])
    await raises(api.roles.UpdateRole(update, metadata=metadata), "LAST_ADMIN")
    delete = role_pb2.DeleteRoleRequest(id=role.id, force=True)
    await raises(api.roles.DeleteRole(delete, metadata=metadata), "LAST_ADMIN")
    assert (await api.store.get_user(owner.id)) is not None
