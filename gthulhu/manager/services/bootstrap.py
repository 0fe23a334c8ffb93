"""Makes what an empty store needs before anybody can log in: the first roles, and the first administrator."""

import dataclasses
import secrets

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager import config
from gthulhu.manager.domain import access, permissions
from gthulhu.manager.services import passwords
from gthulhu.manager.store import base

_ACTOR = "gthulhu"
_WORDS_BYTES = 15
"""Of a made-up password: 120 bits, 20 characters."""


async def ensure_admin(
    *, store: base.Store, account: config.Account, hasher: passwords.Passwords, clock: clocks.Clock
) -> str | None:
    """Make roles and administrator where there are none yet; safe to run by several replicas at once.

    Returns:
        The password that was made up, to be shown once: it has to be changed at the first login. None where there
        was an administrator already, or the configuration gives the password.

    Raises:
        InvalidInputError: `PASSWORD_TOO_WEAK`, or `account.admin_email` has no name before the @.
    """
    await _ensure_roles(store, clock)
    if await store.list_users():
        return None
    username = account.admin_email.partition("@")[0]
    if not username:
        raise errors.InvalidInputError.of_field("account.admin_email", "must have a name before the @")
    given = account.admin_password.get_secret_value()
    if given:
        hasher.check(given, field="account.admin_password", username=username)
    password = given or secrets.token_urlsafe(_WORDS_BYTES)
    admin = access.User(
        id=secrets.token_hex(16),
        username=username,
        email=account.admin_email if "@" in account.admin_email else "",
        password_hash=await hasher.hash(password),
        roles=(permissions.ADMIN,),
        must_change_password=not given,
        created_at=clock.now(),
    )
    try:
        await store.put_user(admin, expected_etag=None, audit=_entry("user.create", f"user/{admin.id}", clock))
    except errors.ConflictError:
        return None  # another replica was faster, and shows its own password
    return None if given else password


async def _ensure_roles(store: base.Store, clock: clocks.Clock) -> None:
    """Make the default roles of a new store, and give the role admin what a newer release has added."""
    defaults = permissions.default_roles(now=clock.now())
    present = {role.id: role for role in await store.list_roles()}
    admin = present.get(permissions.ADMIN)
    for role in defaults:
        try:
            if admin is None:
                await store.put_role(role, expected_etag=None, audit=_entry("role.create", f"role/{role.id}", clock))
            elif role.id == admin.id and role.policies != admin.policies:
                completed = dataclasses.replace(admin, policies=role.policies, updated_at=role.updated_at)
                audit = _entry("role.update", f"role/{role.id}", clock)
                await store.put_role(completed, expected_etag=admin.etag, audit=audit)
        except errors.ConflictError:
            continue  # another replica does the same


def _entry(action: str, target: str, clock: clocks.Clock) -> base.AuditEntry:
    return base.AuditEntry(time=clock.now(), actor=_ACTOR, action=action, target=target)
