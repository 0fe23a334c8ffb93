"""JSON Web Tokens (RFC 7519), RS256 only, signed and checked with this installation's own keys.

Each says what it is for, twice: `aud` names who may accept it, `kind` what sort of holder it was made for. A token of
one kind is never taken for another.
"""

import base64
import dataclasses
import datetime
import hashlib
import json
import pathlib
import secrets
from collections.abc import Mapping
from typing import Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gthulhu.common import errors
from gthulhu.common.identity import files

ISSUER = "gthulhu"
Kind = Literal["access", "node", "scheduler", "join"]

_ALGORITHM = "RS256"
_KEY_BITS = 2048
_LONGEST = 8192
"""Bytes; longer ones are refused before they are parsed."""
_SIGNING = "signing.pem"
_REGISTERED = ("iss", "sub", "aud", "kind", "iat", "exp", "jti")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a valid token says."""

    id: str
    """Unique to the token: its text is not, because Base64 can be written in more than one way."""
    subject: str
    """A user's id, a node's name, or a client's."""
    kind: Kind
    audience: str
    issued_at: datetime.datetime
    expires_at: datetime.datetime
    claims: Mapping[str, object]
    """Whatever else was put in when it was issued."""


class KeyRing:
    """One key that signs, and every key that is accepted."""

    def __init__(self, *, signing: rsa.RSAPrivateKey, accepted: tuple[rsa.RSAPublicKey, ...] = ()) -> None:
        """Take the signing key, and those accepted besides it: of other replicas, or retired lately."""
        self._signing = signing
        self._kid = key_id(signing.public_key())
        self._keys = {key_id(key): key for key in (signing.public_key(), *accepted)}

    @classmethod
    def load_or_create(cls, folder: pathlib.Path) -> "KeyRing":
        """Read `signing.pem` of a folder, or make it; every other `*.pem` there is accepted too, and never signs.

        Takes some 40 ms: load once.

        Raises:
            PreconditionError: `KEY_UNUSABLE`: a file is no RSA key, or too short a one.
        """
        path = folder / _SIGNING
        if not path.exists():
            files.folder(folder)
            files.create(path, _private_pem(rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)))
        others = sorted(other for other in folder.glob("*.pem") if other.name != _SIGNING)
        return cls(
            signing=_private(path.read_bytes(), source=str(path)),
            accepted=tuple(_public(other.read_bytes(), source=str(other)) for other in others),
        )

    @classmethod
    def from_pem(cls, pem: bytes, *, source: str) -> "KeyRing":
        """Return a ring of one private key; `source` names it in `PreconditionError` (`KEY_UNUSABLE`)."""
        return cls(signing=_private(pem, source=source))

    def issue(
        self,
        *,
        subject: str,
        audience: str,
        kind: Kind,
        lifetime: datetime.timedelta,
        now: datetime.datetime,
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """Return a signed token."""
        content: dict[str, object] = {key: value for key, value in (claims or {}).items() if key not in _REGISTERED}
        content |= {
            "iss": ISSUER,
            "sub": subject,
            "aud": audience,
            "kind": kind,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(content, self._signing, algorithm=_ALGORITHM, headers={"kid": self._kid})

    def verify(self, token: str, *, audience: str, kind: Kind, now: datetime.datetime) -> Claims:
        """Return what a token says.

        Raises:
            UnauthenticatedError: `TOKEN_EXPIRED`, or `TOKEN_INVALID` for everything else; the message does not say
                what, because only forgers need to know.
        """
        try:
            content = self._decode(token, audience=audience)
            issued_at, expires_at = _time(content["iat"]), _time(content["exp"])
            subject, number = content["sub"], content["jti"]
        except (jwt.PyJWTError, ValueError, KeyError, OverflowError, TypeError):
            raise _invalid() from None
        if (
            content["iss"] != ISSUER
            or content.get("kind") != kind
            or not isinstance(subject, str)
            or not isinstance(number, str)
        ):
            raise _invalid()
        if expires_at <= now:
            raise errors.UnauthenticatedError("TOKEN_EXPIRED", "the token has expired")
        return Claims(
            id=number,
            subject=subject,
            kind=kind,
            audience=audience,
            issued_at=issued_at,
            expires_at=expires_at,
            claims={key: value for key, value in content.items() if key not in _REGISTERED},
        )

    def public_pem(self) -> str:
        """Return the signing key's public half."""
        return public_pem(self._signing.public_key())

    def jwks(self) -> dict[str, object]:
        """Return all accepted keys as a JSON Web Key Set (RFC 7517)."""
        return {
            "keys": [
                {**_thumbprint_members(key), "kid": kid, "use": "sig", "alg": _ALGORITHM}
                for kid, key in self._keys.items()
            ]
        }

    def _decode(self, token: str, *, audience: str) -> dict[str, object]:
        if len(token) > _LONGEST:
            raise ValueError("too long")
        header = jwt.get_unverified_header(token)
        return dict(
            jwt.decode(
                token,
                self._keys[header["kid"]],
                algorithms=[_ALGORITHM],
                audience=audience,
                options={
                    "require": list(_REGISTERED),
                    "strict_aud": True,
                    # Times are compared with the caller's clock, not with the machine's.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        )


def key_id(key: rsa.RSAPublicKey) -> str:
    """Return a key's thumbprint (RFC 7638)."""
    canonical = json.dumps(_thumbprint_members(key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def public_pem(key: rsa.RSAPublicKey) -> str:
    """Return a public key as PEM (SubjectPublicKeyInfo)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def load_public(pem: bytes, *, source: str) -> rsa.RSAPublicKey:
    """Return the public key of a PEM file (or the public half of a private one); `PreconditionError` KEY_UNUSABLE."""
    return _public(pem, source=source)


def _thumbprint_members(key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"e": _base64url(_bytes(numbers.e)), "kty": "RSA", "n": _base64url(_bytes(numbers.n))}


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _time(value: object) -> datetime.datetime:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not in whole seconds")
    return datetime.datetime.fromtimestamp(value, datetime.UTC)


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private(pem: bytes, *, source: str) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise _unusable(source, "is no private key in PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _KEY_BITS:
        raise _unusable(source, f"is no RSA key of {_KEY_BITS} bits or more")
    return key


def _public(pem: bytes, *, source: str) -> rsa.RSAPublicKey:
    if b"PRIVATE KEY" in pem:
        return _private(pem, source=source).public_key()
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        raise _unusable(source, "is no public key in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _KEY_BITS:
        raise _unusable(source, f"is no RSA key of {_KEY_BITS} bits or more")
    return key


def _unusable(source: str, what: str) -> errors.PreconditionError:
    return errors.PreconditionError("KEY_UNUSABLE", f"{source} {what}")


def _invalid() -> errors.UnauthenticatedError:
    return errors.UnauthenticatedError("TOKEN_INVALID", "the token is not valid")
