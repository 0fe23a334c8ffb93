"""Whether a caller may make a call on the agent: by the access rules that the schema declares."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from gthulhu.agent.services import tokens
from gthulhu.common import errors
from gthulhu.common.grpc import access, interception
from gthulhu.common.grpc import context as contexts

_HEALTH = "/grpc.health.v1.Health/"


class AuthorizationInterceptor(interception.Interceptor):
    """Decides about every RPC before its handler runs; what has no rule is refused to everybody."""

    def __init__(self, *, rules: Mapping[str, access.Rule], client_tokens: tokens.ClientTokens) -> None:
        """Take the rules, and what checks tokens."""
        self._rules = rules
        self._tokens = client_tokens

    @contextlib.asynccontextmanager
    async def around(self, method: str, context: interception.Context) -> AsyncIterator[None]:
        """Let the RPC run where its rule allows it."""
        self._decide(method, context)
        yield

    def _decide(self, method: str, context: interception.Context) -> None:
        rule = self._rules.get(method)
        if method.startswith(_HEALTH) or (rule and rule.public):
            return
        if rule and rule.scope:
            self._tokens.check(_bearer(context), scope=rule.scope)
            return
        peer = contexts.current().peer
        if not (rule and rule.peer == "MANAGER" and peer and peer.kind == "manager"):
            raise errors.PermissionDeniedError("NOT_ALLOWED", "this call is not for this caller")


def _bearer(context: interception.Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip()
    raise errors.UnauthenticatedError("TOKEN_MISSING", "this needs a token of /api/v1/auth/token")
