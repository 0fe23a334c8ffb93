"""How an agent gets a certificate: what is checked of its request, and the one-time tokens that prove a node's name.

A join token is kept as its digest only, one file a token in the folder `join` of the CA; who removes the file has
redeemed it, so that it works once however many try at the same moment.
"""

import dataclasses
import datetime
import hashlib
import json
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.identity import files, pki, spiffe

_BYTES = 32
_LONGEST_REQUEST = 16384


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A new key, and a request to have it certified."""

    key: bytes
    """PEM; never leaves the node."""
    csr: bytes
    """DER, PKCS #10."""


def new_request(*, node: str) -> Request:
    """Return a new P-256 key with its request; the name in it is for people who look at it, and proves nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spiffe.check_node(node)[:64])])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, pki.HASH)
    return Request(key=pki.key_pem(key), csr=csr.public_bytes(serialization.Encoding.DER))


def public_key(csr: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of a request (DER) whose sender holds the private half; all else in it is ignored.

    Raises:
        InvalidInputError: It is no request, not signed by its own key, or the key is not on P-256.
    """
    if len(csr) > _LONGEST_REQUEST:
        raise errors.InvalidInputError.of_field("csr", f"{len(csr)} bytes: at most {_LONGEST_REQUEST} are allowed")
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, x509.InvalidVersion):  # of cryptography, for whatever is malformed
        raise errors.InvalidInputError.of_field("csr", "is no PKCS #10 request in DER") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise errors.InvalidInputError.of_field("csr", "its key must be on the curve P-256")
    if not signed:
        raise errors.InvalidInputError.of_field("csr", "is not signed by its own key")
    return key


def certify(csr: bytes, *, node: str, authority: pki.Authority, hours: float) -> x509.Certificate:
    """Return a certificate for the node that the caller has proved to be; `InvalidInputError` as `public_key`."""
    return authority.sign(
        public_key(csr),
        spiffe_id=spiffe.identifier(spiffe.Peer("agent", node), trust_domain=authority.trust_domain),
        hours=hours,
        dns=[pki.agent_server_name(node)],
    )


class JoinTokens:
    """One-time tokens, in a folder that everybody who redeems them shares."""

    def __init__(self, authority: pathlib.Path, *, clock: clocks.Clock) -> None:
        """Take the CA's folder."""
        self._folder = authority / "join"
        self._clock = clock

    def create(self, node: str, *, lifetime: datetime.timedelta) -> str:
        """Return a new token for a node; what is kept of it does not give it away."""
        spiffe.check_node(node)
        token = secrets.token_urlsafe(_BYTES)
        content = {"node": node, "expires_at": (self._clock.now() + lifetime).isoformat()}
        files.folder(self._folder)
        self._drop_expired()
        files.write(self._path(token), json.dumps(content).encode())
        return token

    def redeem(self, token: str) -> str:
        """Return the node that a token was made for, once.

        Raises:
            UnauthenticatedError: `JOIN_TOKEN_INVALID`: never made, used already, or expired.
        """
        path = self._path(token)
        try:
            content = json.loads(path.read_bytes())
            path.unlink()
        except FileNotFoundError:
            raise _invalid() from None
        if datetime.datetime.fromisoformat(content["expires_at"]) <= self._clock.now():
            raise _invalid()
        return str(content["node"])

    def _path(self, token: str) -> pathlib.Path:
        return self._folder / f"{hashlib.sha256(token.encode(errors='replace')).hexdigest()}.json"

    def _drop_expired(self) -> None:
        now = self._clock.now()
        for path in self._folder.glob("*.json"):
            try:
                over = datetime.datetime.fromisoformat(json.loads(path.read_bytes())["expires_at"]) <= now
            except FileNotFoundError:  # redeemed this moment
                continue
            if over:
                path.unlink(missing_ok=True)


def _invalid() -> errors.UnauthenticatedError:
    return errors.UnauthenticatedError("JOIN_TOKEN_INVALID", "the join token is not valid, or has been used")
