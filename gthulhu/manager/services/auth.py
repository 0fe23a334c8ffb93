"""Log-ins: a password becomes an access token and a refresh token; refresh tokens rotate.

A refresh token is random, kept by its digest only, and works once. One that is used again is in two hands: all that
came from the same log-in are revoked.
"""

import dataclasses
import datetime
import hashlib
import secrets
from typing import Any

import grpc
from google.protobuf import empty_pb2

from gthulhu.common import errors
from gthulhu.common.grpc import context as contexts
from gthulhu.common.identity import tokens
from gthulhu.manager.domain import access
from gthulhu.manager.services import accounts, attempts, authorization, callers, convert, passwords
from gthulhu.manager.store import base
from gthulhu.v1 import auth_pb2, auth_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]

_SECRET_BYTES = 32


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long tokens last."""

    access: datetime.timedelta
    refresh: datetime.timedelta


class AuthService(auth_pb2_grpc.AuthServiceServicer):
    """See the schema."""

    def __init__(
        self,
        *,
        people: accounts.Accounts,
        keys: tokens.KeyRing,
        hasher: passwords.Passwords,
        tries: attempts.Attempts,
        lifetimes: Lifetimes,
    ) -> None:
        """Take who the users are, what signs, what hashes, and what stops guessing."""
        self._accounts = people
        self._store = people.store
        self._clock = people.clock
        self._keys = keys
        self._passwords = hasher
        self._attempts = tries
        self._lifetimes = lifetimes

    async def Login(  # noqa: N802 - the schema's name
        self, request: auth_pb2.LoginRequest, _context: Context
    ) -> auth_pb2.LoginResponse:
        """See the schema."""
        if bool(request.username) == bool(request.email):
            raise errors.InvalidInputError.of_field("username", "either username or email must be given, and not both")
        name = request.username or request.email
        async with self._attempts.turn(account=name, address=contexts.current().address):
            user = await self._authenticate(request, name)
        now = self._clock.now()
        await self._store.add_audit(self._entry("auth.login", user))
        await self._store.record_login(user.id, at=now)
        return await self._issue(user, family=secrets.token_hex(16))

    async def Refresh(  # noqa: N802 - the schema's name
        self, request: auth_pb2.RefreshRequest, _context: Context
    ) -> auth_pb2.LoginResponse:
        """See the schema."""
        digest = _digest(request.refresh_token)
        shown = await self._store.use_refresh_token(digest)
        if shown is None:
            raise _refresh_token_invalid()
        user = await self._store.get_user(shown.user_id)
        if shown.used or user is None or user.status is not access.UserStatus.ACTIVE:
            await self._store.revoke_refresh_tokens(family=shown.family)
            if shown.used and user is not None:
                await self._store.add_audit(self._entry("auth.refresh_replayed", user))
            raise _refresh_token_invalid()
        if shown.expires_at <= self._clock.now():
            raise _refresh_token_invalid()
        issued = await self._issue(user, family=shown.family)
        if await self._store.use_refresh_token(digest) is None:
            # A replay or a logout has revoked the family meanwhile: what has just been added must go too.
            await self._store.revoke_refresh_tokens(family=shown.family)
            raise _refresh_token_invalid()
        return issued

    async def Logout(  # noqa: N802 - the schema's name
        self, request: auth_pb2.LogoutRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema; a token that is not known (any more) is logged out already."""
        shown = await self._store.use_refresh_token(_digest(request.refresh_token))
        if shown is not None:
            await self._store.revoke_refresh_tokens(family=shown.family)
            user = await self._store.get_user(shown.user_id)
            if user is not None:
                await self._store.add_audit(self._entry("auth.logout", user))
        return empty_pb2.Empty()

    async def LogoutAll(  # noqa: N802 - the schema's name
        self, _request: auth_pb2.LogoutAllRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema."""
        user_id = authorization.current().user_id
        await self._accounts.change_user(
            user_id,
            lambda user: dataclasses.replace(user, token_generation=user.token_generation + 1),
            action="auth.logout_all",
        )
        await self._accounts.end_logins(user_id)
        return empty_pb2.Empty()

    async def Validate(  # noqa: N802 - the schema's name
        self, _request: auth_pb2.ValidateRequest, _context: Context
    ) -> auth_pb2.ValidateResponse:
        """See the schema."""
        principal = authorization.current()
        return auth_pb2.ValidateResponse(
            user_id=principal.user_id,
            username=principal.username,
            expires_at=convert.timestamp(authorization.credentials().expires_at),
        )

    async def _authenticate(self, request: auth_pb2.LoginRequest, name: str) -> access.User:
        """Return the user; the answer and the time that it takes are the same whatever is wrong."""
        user = await self._store.find_user(username=request.username, email=request.email)
        right = await self._passwords.verify(request.password, user.password_hash if user else None)
        if user is None or not right or user.status is not access.UserStatus.ACTIVE:
            await self._store.add_audit(self._entry("auth.login_failed", user, name=name))
            raise errors.UnauthenticatedError("LOGIN_FAILED", "wrong user name or password")
        return user

    async def _issue(self, user: access.User, *, family: str) -> auth_pb2.LoginResponse:
        now = self._clock.now()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        await self._store.add_refresh_token(
            base.RefreshToken(
                digest=_digest(secret),
                family=family,
                user_id=user.id,
                issued_at=now,
                expires_at=now + self._lifetimes.refresh,
            )
        )
        latest = await self._store.get_user(user.id)
        if latest is None or latest.token_generation != user.token_generation:
            # The password was changed, or everything logged out, while this log-in was under way.
            await self._store.revoke_refresh_tokens(family=family)
            raise errors.UnauthenticatedError("LOGIN_FAILED", "wrong user name or password")
        token = self._keys.issue(
            subject=user.id,
            audience=callers.AUDIENCE,
            kind="access",
            lifetime=self._lifetimes.access,
            now=now,
            claims={callers.GENERATION: user.token_generation},
        )
        return auth_pb2.LoginResponse(
            token=token,
            access_token=token,
            refresh_token=secret,
            expires_at=convert.timestamp((now + self._lifetimes.access).replace(microsecond=0)),
            need_change_password=user.must_change_password,
        )

    def _entry(self, action: str, user: access.User | None, *, name: str = "") -> base.AuditEntry:
        """Return the entry for a caller without an access token; an unknown one is kept by the name that it used."""
        actor = access.Principal(user_id=user.id if user else "", username=user.username if user else name, policies=())
        return self._accounts.entry(action, f"user/{user.id}" if user else "", actor=actor)


def _digest(secret: str) -> str:
    """Return what is kept of a refresh token: it is random, so that a fast digest gives nothing away."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _refresh_token_invalid() -> errors.UnauthenticatedError:
    return errors.UnauthenticatedError("REFRESH_TOKEN_INVALID", "the refresh token is not valid: log in again")
