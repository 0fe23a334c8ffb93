"""mTLS for gRPC, from files that may be replaced while the process runs, and who the other side is."""

import dataclasses
import datetime
import logging
import pathlib
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gthulhu.common import errors
from gthulhu.common.identity import spiffe

Peer = spiffe.Peer

Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """PEM of one identity, and of whom it trusts."""

    certificate: bytes
    key: bytes
    ca: bytes

    @property
    def starts_at(self) -> datetime.datetime:
        """Since when the certificate is valid."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_before_utc

    @property
    def expires_at(self) -> datetime.datetime:
        """Until when the certificate is valid."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc


class Watched:
    """Three files of an identity, reread when they change; a half-written set is not taken."""

    def __init__(self, certificate: pathlib.Path, key: pathlib.Path, ca: pathlib.Path) -> None:
        """Read them; `PreconditionError` (`IDENTITY_UNUSABLE`) where that fails."""
        self._paths = (certificate, key, ca)
        self._seen = self._stamp()
        self.current = _read(certificate, key, ca)

    def refresh(self) -> bool:
        """Reread if a file has changed; True where `current` is new.

        What cannot be used is logged, and the old material stays in force.
        """
        if (stamp := self._stamp()) == self._seen:
            return False
        self._seen = stamp
        try:
            material = _read(*self._paths)
        except errors.PreconditionError as error:
            _log.warning("keeping the old certificate: %s", error.message)
            return False
        changed = material != self.current
        self.current = material
        return changed

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._paths)


def server_credentials(
    certificate: pathlib.Path, key: pathlib.Path, ca: pathlib.Path, *, require_client: bool
) -> grpc.ServerCredentials:
    """Return credentials that look for new files at every handshake.

    Args:
        certificate: PEM.
        key: PEM.
        ca: PEM: whom clients' certificates must come from.
        require_client: False: clients are not even asked for a certificate, so `peer` is None for all.

    Raises:
        PreconditionError: `IDENTITY_UNUSABLE`.
    """
    watched = Watched(certificate, key, ca)

    def configuration() -> grpc.ServerCertificateConfiguration:
        material = watched.current
        return grpc.ssl_server_certificate_configuration(
            [(material.key, material.certificate)], root_certificates=material.ca
        )

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        return configuration() if watched.refresh() else None

    return grpc.dynamic_ssl_server_credentials(
        configuration(),
        fetch,  # type: ignore[arg-type] # None, for no change, is documented but not in the stubs
        require_client_authentication=require_client,
    )


def channel_credentials(certificate: pathlib.Path, key: pathlib.Path, ca: pathlib.Path) -> grpc.ChannelCredentials:
    """Return credentials of the files as they are now: open a new channel when `Watched.refresh` says so.

    Raises:
        PreconditionError: `IDENTITY_UNUSABLE`.
    """
    material = _read(certificate, key, ca)
    return grpc.ssl_channel_credentials(
        root_certificates=material.ca, private_key=material.key, certificate_chain=material.certificate
    )


def anonymous_channel_credentials(*ca: pathlib.Path) -> grpc.ChannelCredentials:
    """Return credentials that check the server by what the files hold together, and show nothing: for enrolment.

    Raises:
        PreconditionError: `IDENTITY_UNUSABLE`: none of the files is there.
    """
    found = [path for path in ca if path.exists()] or ca[:1]
    return grpc.ssl_channel_credentials(root_certificates=b"\n".join(map(_bytes, found)))


def peer(context: Context, *, trust_domain: str) -> Peer | None:
    """Return who is calling, by a certificate that TLS has verified; None without one of this trust domain.

    A certificate with more than one SPIFFE id says nothing (SPIFFE X.509-SVID, section 2).
    """
    ids = [bytes(name) for name in context.auth_context().get("peer_spiffe_id", ())]
    return spiffe.parse(ids[0].decode("ascii", "replace"), trust_domain=trust_domain) if len(ids) == 1 else None


def peer_expires_at(context: Context) -> datetime.datetime | None:
    """Return when the caller's certificate ends: a stream must not outlive it. None without a certificate."""
    for pem in context.auth_context().get("x509_pem_cert", ()):
        return x509.load_pem_x509_certificate(bytes(pem)).not_valid_after_utc
    return None


def _read(certificate: pathlib.Path, key: pathlib.Path, ca: pathlib.Path) -> Material:
    material = Material(certificate=_bytes(certificate), key=_bytes(key), ca=_bytes(ca))
    try:
        public = x509.load_pem_x509_certificate(material.certificate).public_key()
        private = serialization.load_pem_private_key(material.key, password=None)
        x509.load_pem_x509_certificates(material.ca)
    except (ValueError, TypeError) as error:
        raise errors.PreconditionError(
            "IDENTITY_UNUSABLE", f"{certificate}, {key} or {ca} is no usable PEM: {error}"
        ) from None
    if private.public_key() != public:
        raise errors.PreconditionError("IDENTITY_UNUSABLE", f"{certificate} and {key} do not belong together")
    return material


def _bytes(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.PreconditionError("IDENTITY_UNUSABLE", f"{path} cannot be read: {error.strerror}") from None


def _stamp(path: pathlib.Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
