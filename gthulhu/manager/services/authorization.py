"""Who is calling, and whether that caller may make the call.

`AuthorizationInterceptor` decides about every RPC from the access rule that the schema declares for it; services ask
`current()` for the principal, and look with `gthulhu.manager.domain.access.allows` at what the call is about. Streams
are held to the same rule for as long as they last.
"""

import asyncio
import contextlib
import contextvars
import dataclasses
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping

from google.protobuf import descriptor_pool

from gthulhu.common import errors
from gthulhu.common.grpc import access as rules
from gthulhu.common.grpc import interception
from gthulhu.manager.domain import access
from gthulhu.manager.services import callers, peers

RECHECK_SECONDS = 0.5
"""How often the caller of a stream is looked at, even if nothing seems to have changed."""

_OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""Whose schema is not ours, so that it declares no access; reflection is served for development only."""

_BEFORE_PASSWORD_CHANGE = ("/gthulhu.v1.UserService/ChangeOwnPassword", "/gthulhu.v1.AuthService/LogoutAll")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class _Call:
    """One call by a user; the principal follows the user's rights while a stream lasts."""

    credentials: callers.Credentials
    principal: access.Principal
    ended: errors.DomainError | None = None
    """Why the caller of a stream may not go on; the stream is cancelled then."""


_call: contextvars.ContextVar[_Call] = contextvars.ContextVar("call")


def current() -> access.Principal:
    """Return who is calling; within a stream, with what the caller may do by now."""
    return _current().principal


def credentials() -> callers.Credentials:
    """Return what the caller's token says."""
    return _current().credentials


def ended() -> errors.DomainError | None:
    """Return why this stream is being cancelled; None where the caller has gone, or the server goes."""
    return _current().ended


class AuthorizationInterceptor(interception.Interceptor):
    """Goes before everything that looks at requests, and after what maps errors."""

    def __init__(self, *, declared: Mapping[str, rules.Rule], known: callers.Callers, agents: peers.Agents) -> None:
        """Take the rules of all RPCs, and who can be known by tokens and certificates."""
        self._rules = declared
        self._callers = known
        self._agents = agents

    @contextlib.asynccontextmanager
    async def around(self, method: str, context: interception.Context) -> AsyncIterator[None]:
        """Let the call through, or raise.

        Raises:
            UnauthenticatedError: `TOKEN_MISSING`, `TOKEN_EXPIRED`, `TOKEN_INVALID`, `TOKEN_REVOKED`.
            PermissionDeniedError: `PERMISSION_DENIED`, `PASSWORD_CHANGE_REQUIRED`, and what `peers` raises.
        """
        rule = self._rule(method)
        if rule.public:
            yield
        elif rule.peer is rules.Peer.AGENT:
            self._agents.identify(context)
            yield
        elif rule.permission or rule.authenticated:
            async with self._user_call(method, rule, context):
                yield
        else:
            raise _denied(method, "", "nobody may call this here")

    def _rule(self, method: str) -> rules.Rule:
        if method[1:].partition("/")[0] in _OPEN_SERVICES:
            return rules.Rule(public=True)
        return self._rules.get(method, rules.Rule())

    @contextlib.asynccontextmanager
    async def _user_call(self, method: str, rule: rules.Rule, context: interception.Context) -> AsyncIterator[None]:
        shown = self._callers.credentials(_bearer(context))
        call = _Call(shown, await self._admitted(method, rule, shown))
        if rule.permission and not rule.permission.endswith(".read"):
            self._callers.require_writable()
        token = _call.set(call)
        try:
            if not _streams(method):
                yield
            else:
                async with _unless(self._watch(method, rule, call)):
                    yield
        finally:
            _call.reset(token)

    async def _admitted(self, method: str, rule: rules.Rule, shown: callers.Credentials) -> access.Principal:
        principal = await self._callers.principal(shown)
        if principal.must_change_password and method not in _BEFORE_PASSWORD_CHANGE:
            raise errors.PermissionDeniedError(
                "PASSWORD_CHANGE_REQUIRED", "the password has to be changed first (PUT /api/v1/users/self/password)"
            )
        if rule.permission and not access.grants(principal, rule.permission):
            raise _denied(method, principal.username, f"this needs the permission {rule.permission}")
        return principal

    async def _watch(self, method: str, rule: rules.Rule, call: _Call) -> None:
        """Keep the call's principal up to date; raises as soon as the caller may not go on."""
        while True:
            await self._callers.changed(until=call.credentials.expires_at, at_most=RECHECK_SECONDS)
            try:
                call.principal = await self._admitted(method, rule, call.credentials)
            except errors.DomainError as error:
                call.ended = error
                raise


@contextlib.asynccontextmanager
async def _unless(watch: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run the body; where `watch` raises meanwhile, cancel the body and raise that."""
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(watch)
            yield
            watcher.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _streams(method: str) -> bool:
    found = descriptor_pool.Default().FindMethodByName(method[1:].replace("/", "."))
    return bool(found.server_streaming or found.client_streaming)


def _current() -> _Call:
    try:
        return _call.get()
    except LookupError:
        raise errors.UnauthenticatedError("TOKEN_MISSING", "this needs an access token") from None


def _bearer(context: interception.Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip()
    raise errors.UnauthenticatedError("TOKEN_MISSING", "this needs an access token: authorization: Bearer …")


def _denied(method: str, username: str, why: str) -> errors.PermissionDeniedError:
    _log.warning("%s refused to %r: %s", method, username, why)
    return errors.PermissionDeniedError("PERMISSION_DENIED", why)
