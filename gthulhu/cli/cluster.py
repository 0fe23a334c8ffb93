"""Keys and certificates of an installation in Kubernetes: makes what is missing as Secrets, and renews what ends soon.

Names and keys are those that cert-manager gives its Secrets too, so that the manifests are the same with either. Run
again it changes nothing that is good: that is how certificates are renewed. `gthulhu pki cluster` runs it.
"""

import datetime
import pathlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol

from cryptography import exceptions, x509

from gthulhu.common import clock as clocks
from gthulhu.common.identity import pki, tokens

AUTHORITY, TRUST, SIGNING = "gthulhu-ca", "gthulhu-trust", "gthulhu-tokens"
ADMIN, MONGODB = "gthulhu-admin", "gthulhu-mongodb"
RENEW_DAYS = 30
"""A certificate that ends sooner is replaced."""

_TLS = "kubernetes.io/tls"
_PASSWORD_BYTES = 24
_KEYFILE_BYTES = 512
"""MongoDB takes 6 to 1024 characters of base64."""


class Store(Protocol):
    """The Secrets of one namespace."""

    namespace: str

    def get(self, name: str) -> Mapping[str, bytes] | None:
        """Return what a Secret holds; None where there is none."""

    def create(self, name: str, content: Mapping[str, bytes], *, kind: str = ...) -> bool:
        """Make a Secret; False where there is one already."""

    def replace(self, name: str, content: Mapping[str, bytes], *, kind: str = ...) -> None:
        """Replace what a Secret holds."""


def make(
    store: Store, *, trust_domain: str, dns: Iterable[str], certificates: bool, mongodb: bool, clock: clocks.Clock
) -> Iterator[str]:
    """Make what is missing; yields a line for each Secret that was written.

    Args:
        store: Where.
        trust_domain: Of the SPIFFE ids in certificates.
        dns: Further names of the gateway.
        certificates: Whether to make the CA and certificates too; False where cert-manager does.
        mongodb: Whether to make credentials for the MongoDB that comes with the manifests.
        clock: Tells what has expired.

    Raises:
        DomainError: The API server refused, or what is there cannot be used.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        if certificates:
            authority, made = _authority(store, scratch / "ca", trust_domain=trust_domain, clock=clock)
            yield from made
            yield from _certificate(store, "manager", authority, scratch / "manager", dns=())
            yield from _certificate(store, "gateway", authority, scratch / "gateway", dns=tuple(dns))
        yield from _once(store, SIGNING, {"signing.pem": _signing_key(scratch / "jwt")})
    yield from _once(store, ADMIN, {"password": secrets.token_urlsafe(_PASSWORD_BYTES).encode()})
    if mongodb:
        yield from _once(store, MONGODB, _mongodb(store.namespace))


def _authority(
    store: Store, folder: pathlib.Path, *, trust_domain: str, clock: clocks.Clock
) -> tuple[pki.Authority, list[str]]:
    """Return the installation's authority, and what was written for it; whoever was first made it."""
    made = []
    if store.get(AUTHORITY) is None:
        fresh = folder.with_name("new-ca")
        pki.Authority.create(fresh, trust_domain=trust_domain, clock=clock)
        certificate, key = (fresh / "ca.crt").read_bytes(), (fresh / "ca.key").read_bytes()
        made += _once(store, AUTHORITY, {"tls.crt": certificate, "tls.key": key}, kind=_TLS)
    content = store.get(AUTHORITY) or {}
    folder.mkdir(mode=0o700)
    (folder / "ca.crt").write_bytes(content.get("tls.crt", b""))
    (folder / "ca.key").write_bytes(content.get("tls.key", b""))
    authority = pki.Authority.load(folder, clock=clock)
    made += _current(store, TRUST, {"ca.crt": authority.pem})
    return authority, made


def _certificate(
    store: Store,
    role: Literal["manager", "gateway"],
    authority: pki.Authority,
    folder: pathlib.Path,
    *,
    dns: tuple[str, ...],
) -> list[str]:
    name = f"gthulhu-{role}-tls"
    host = f"gthulhu-{role}.{store.namespace}"
    names = (host, f"{host}.svc", f"{host}.svc.cluster.local", *dns)
    present = store.get(name)
    if present is not None and _good(present.get("tls.crt", b""), authority, names=names):
        return []
    authority.issue(role, folder, dns=names)
    content = {
        "tls.crt": (folder / f"{role}.crt").read_bytes(),
        "tls.key": (folder / f"{role}.key").read_bytes(),
        "ca.crt": authority.pem,
    }
    if present is None:
        return _once(store, name, content, kind=_TLS)
    store.replace(name, content, kind=_TLS)
    return [f"{name}: renewed"]


def _good(pem: bytes, authority: pki.Authority, *, names: tuple[str, ...]) -> bool:
    """Tell whether a certificate is the authority's, holds for a while, and names everything."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(authority.certificate)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, exceptions.InvalidSignature, x509.ExtensionNotFound):
        return False
    left = certificate.not_valid_after_utc - authority.clock.now()
    return left > datetime.timedelta(days=RENEW_DAYS) and set(names) <= set(
        alternative.get_values_for_type(x509.DNSName)
    )


def _signing_key(folder: pathlib.Path) -> bytes:
    tokens.KeyRing.load_or_create(folder)
    return (folder / "signing.pem").read_bytes()


def _mongodb(namespace: str) -> Mapping[str, bytes]:
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    host = f"{MONGODB}-0.{MONGODB}.{namespace}.svc:27017"
    return {
        "username": b"gthulhu",
        "password": password.encode(),
        "keyfile": secrets.token_hex(_KEYFILE_BYTES).encode(),
        "uri": f"mongodb://gthulhu:{password}@{host}/gthulhu?replicaSet=rs0&authSource=admin".encode(),
    }


def _once(store: Store, name: str, content: Mapping[str, bytes], *, kind: str = "Opaque") -> list[str]:
    if store.get(name) is not None or not store.create(name, content, kind=kind):
        return []
    return [f"{name}: made"]


def _current(store: Store, name: str, content: Mapping[str, bytes]) -> list[str]:
    present = store.get(name)
    if present is None:
        return _once(store, name, content)
    if present == content:
        return []
    store.replace(name, content)
    return [f"{name}: renewed"]
