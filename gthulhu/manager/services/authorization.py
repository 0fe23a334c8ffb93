"""Who is calling, and whether that caller may make the call.

`AuthorizationInterceptor` decides about every RPC from the access rule that the schema declares for it; services ask
`current()` for the principal, and look with `gthulhu.manager.domain.access.allows` at what the call is about.
"""

import contextvars

from gthulhu.common import errors
from gthulhu.manager.domain import access

_principal: contextvars.ContextVar[access.Principal] = contextvars.ContextVar("principal")


def current() -> access.Principal:
    """Return who is calling; only within an RPC that users make."""
    try:
        return _principal.get()
    except LookupError:
        raise errors.UnauthenticatedError("TOKEN_MISSING", "this needs an access token") from None
