"""What is known of the request that is being served: who calls, from where, under which id."""

import contextlib
import contextvars
import dataclasses
import ipaddress
import re
import secrets
import urllib.parse
from collections.abc import AsyncIterator

from gthulhu.common import logs
from gthulhu.common.grpc import interception
from gthulhu.common.identity import tls

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """One request."""

    method: str
    """`/package.Service/Method`."""
    id: str
    """The caller's `x-request-id`, or a new one; in every log record of the request."""
    address: str
    """The client's IP address as text; empty where it has none (a unix socket)."""
    peer: tls.Peer | None
    """The part of the system at the other end of the connection; None without a certificate."""


_current: contextvars.ContextVar[RequestContext] = contextvars.ContextVar("request_context")


def current() -> RequestContext:
    """Return the request that the running task serves; `LookupError` outside of requests."""
    return _current.get()


class ContextInterceptor(interception.Interceptor):
    """Makes `current` known; goes first."""

    def __init__(self, *, trust_domain: str) -> None:
        """Take the trust domain whose certificates name peers."""
        self._trust_domain = trust_domain

    @contextlib.asynccontextmanager
    async def around(self, method: str, context: interception.Context) -> AsyncIterator[None]:
        """Set the context variables for the time of the RPC."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        peer = tls.peer(context, trust_domain=self._trust_domain)
        request = RequestContext(
            method=method,
            id=_request_id(metadata.get("x-request-id", "")),
            address=_address(context.peer(), peer=peer, forwarded=metadata.get("x-forwarded-for", "")),
            peer=peer,
        )
        token, log_token = _current.set(request), logs.request_id.set(request.id)
        try:
            yield
        finally:
            _current.reset(token)
            logs.request_id.reset(log_token)


def _request_id(given: str) -> str:
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _address(target: str, *, peer: tls.Peer | None, forwarded: str) -> str:
    """Return the client's address.

    `x-forwarded-for` is believed only from a gateway: known by its certificate, or on a unix socket, whose file lets
    nobody else in. Its last entry is the one that the gateway itself has added.
    """
    scheme, _, rest = target.partition(":")
    own = urllib.parse.unquote(rest).rpartition(":")[0].strip("[]") if scheme in ("ipv4", "ipv6") else ""
    if scheme != "unix" and not (peer and peer.kind == "gateway"):
        return own
    claimed = forwarded.rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(claimed))
    except ValueError:
        return own
