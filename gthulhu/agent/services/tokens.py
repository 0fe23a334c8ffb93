"""Tokens for the clients of the agent's own routes: who presents a configured public key gets one."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Literal

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.identity import tokens

AUDIENCE = "gthulhu-agent"

_REMEMBERED = 64
"""Tokens whose signatures have been checked: there are a few clients on a node."""

Scope = Literal["SCHEDULER", "MANAGER_CLIENT"]

_OPENS: Mapping[str, frozenset[str]] = {
    "SCHEDULER": frozenset({"SCHEDULER"}),
    "MANAGER_CLIENT": frozenset({"SCHEDULER", "MANAGER_CLIENT"}),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token."""

    token: str
    expires_at: datetime.datetime


class ClientTokens:
    """Issues and checks them; with the signing key kept in the state folder they outlive the agent's process."""

    def __init__(
        self,
        *,
        ring: tokens.KeyRing,
        clients: Mapping[Scope, bytes],
        lifetime: datetime.timedelta,
        clock: clocks.Clock,
        count: Callable[[str], None],
    ) -> None:
        """Take the signing key and the clients' public keys (PEM); `count` is told `issued` or `refused`.

        Raises:
            PreconditionError: `KEY_UNUSABLE`: one of them is no public key.
        """
        self._ring = ring
        self._scopes: dict[bytes, Scope] = {}
        for scope, pem in clients.items():
            key = _canonical(pem)
            if key is None:
                raise errors.PreconditionError("KEY_UNUSABLE", f"the public key for {scope} is no public key in PEM")
            self._scopes[key] = scope
        self._lifetime = lifetime
        self._clock = clock
        self._count = count
        self._verified: dict[str, tokens.Claims] = {}

    def issue(self, public_key: str) -> Issued:
        """Return a token for the client whose public key this is.

        Raises:
            UnauthenticatedError: It is no configured client's.
        """
        key = _canonical(public_key.encode())
        scope = self._scopes.get(key) if key else None
        self._count("issued" if scope else "refused")
        if scope is None:
            raise errors.UnauthenticatedError("PUBLIC_KEY_UNKNOWN", "Public key verification failed")
        now = self._clock.now().replace(microsecond=0)
        token = self._ring.issue(
            subject=scope.lower(),
            audience=AUDIENCE,
            kind="scheduler",
            lifetime=self._lifetime,
            claims={"scope": scope},
            now=now,
        )
        return Issued(token=token, expires_at=now + self._lifetime)

    def check(self, token: str, *, scope: str) -> None:
        """Return where a token opens what needs that scope.

        Raises:
            UnauthenticatedError: It is no valid token.
            PermissionDeniedError: It opens less.
        """
        claims = self._claims(token)
        if scope not in _OPENS.get(str(claims.claims.get("scope")), frozenset()):
            raise errors.PermissionDeniedError("SCOPE_TOO_NARROW", "this client's token does not open this route")

    def _claims(self, token: str) -> tokens.Claims:
        """Return what a token says; its signature is checked once, as schedulers show the same one every second."""
        now = self._clock.now()
        known = self._verified.get(token)
        if known and known.expires_at > now:
            return known
        claims = self._ring.verify(token, audience=AUDIENCE, kind="scheduler", now=now)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims


def _canonical(pem: bytes) -> bytes | None:
    """Return a public key in the one form that keys can be compared in; None where it is none.

    How it was written (line ends, PKCS #1 or SubjectPublicKeyInfo) makes no difference.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, exceptions.UnsupportedAlgorithm):
        return None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
