"""How an agent gets a certificate: what is checked of its request, and the tokens that prove a node's name once."""

import dataclasses
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gthulhu.common import errors
from gthulhu.common.identity import pki, spiffe, tokens

JOIN_AUDIENCE = "gthulhu-enrollment"
"""Of join tokens: managers, where agents enrol."""
_LONGEST_REQUEST = 16384


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A new key, and a request to have it certified."""

    key: bytes
    """PEM; never leaves the node."""
    csr: bytes
    """DER, PKCS #10."""


def new_request(*, node: str, key: ec.EllipticCurvePrivateKey | None = None) -> Request:
    """Return a key (P-256, a new one where none is given) with its request.

    The name in the request is for people who look at it, and proves nothing.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
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


def issue_join_token(keys: tokens.KeyRing, *, node: str, lifetime: datetime.timedelta, now: datetime.datetime) -> str:
    """Return a token by which whoever holds it gets a certificate for a node; `InvalidInputError` for a bad name."""
    return keys.issue(subject=spiffe.check_node(node), audience=JOIN_AUDIENCE, kind="join", lifetime=lifetime, now=now)
