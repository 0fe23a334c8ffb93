"""The certificate authority, and the certificates of managers, gateways and agents: EC P-256, X.509.

A certificate carries one SPIFFE id, by which servers know their clients, and DNS names and addresses, by which clients
know their servers. Agents' DNS names lie below a name of their own, so that no node can be called like a manager.
"""

import dataclasses
import datetime
import ipaddress
import pathlib
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.identity import files, spiffe

CA_YEARS = 10
HASH = hashes.SHA256()
ISSUED_HOURS = 365 * 24
"""Of certificates issued by hand; those that agents enrol for live a day."""
_BACKDATED = datetime.timedelta(minutes=5)
"""Clocks of nodes differ."""


def agent_server_name(node: str) -> str:
    """Return the DNS name in an agent's certificate: what a manager expects when it calls that node."""
    return f"{node}.agent.gthulhu"


def server_names(role: spiffe.Role) -> tuple[str, ...]:
    """Return the DNS names that every certificate of a role carries, besides those asked for."""
    return (f"gthulhu-{role}", "localhost")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Signs certificates for one trust domain."""

    trust_domain: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    also_trusted: tuple[x509.Certificate, ...] = ()
    """Of the authority that this one replaces, or that replaces it, while that goes on."""
    clock: clocks.Clock = dataclasses.field(default_factory=clocks.SystemClock)

    @classmethod
    def create(cls, folder: pathlib.Path, *, trust_domain: str, clock: clocks.Clock | None = None) -> "Authority":
        """Make a new authority: writes `ca.crt` and `ca.key`.

        Raises:
            ConflictError: `CA_EXISTS`: the folder holds one already; it is never overwritten.
        """
        clock = clock or clocks.SystemClock()
        now = clock.now()
        spiffe.check_trust_domain(trust_domain)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gthulhu CA")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=365 * CA_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]),
                critical=False,
            )
            .sign(key, HASH)
        )
        files.folder(folder)
        if not files.create(folder / "ca.key", key_pem(key)):
            raise errors.ConflictError("CA_EXISTS", f"{folder} holds a certificate authority already")
        files.write(folder / "ca.crt", pem(certificate), mode=files.PUBLIC)
        return cls(trust_domain=trust_domain, certificate=certificate, key=key, clock=clock)

    @classmethod
    def load(
        cls, folder: pathlib.Path, *, key: pathlib.Path | None = None, clock: clocks.Clock | None = None
    ) -> "Authority":
        """Read an authority.

        Args:
            folder: Holds `ca.crt`, and `ca.key` unless that is kept apart. Of several certificates the one that fits
                the key is the authority's; the others are trusted too.
            key: Where the key is kept instead.
            clock: The machine's where none is given.

        Raises:
            PreconditionError: `CA_UNUSABLE`: a file is missing, or certificate and key do not belong together.
        """
        try:
            trusted = x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
            private = serialization.load_pem_private_key((key or folder / "ca.key").read_bytes(), password=None)
            fitting = [one for one in trusted if one.public_key() == private.public_key()]
            certificate = (fitting or trusted)[0]
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        except (OSError, ValueError, TypeError, x509.ExtensionNotFound) as error:
            raise errors.PreconditionError("CA_UNUSABLE", f"{folder} holds no usable authority: {error}") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not fitting:
            raise errors.PreconditionError("CA_UNUSABLE", f"{folder}: certificate and key do not belong together")
        return cls(
            trust_domain=uri.removeprefix("spiffe://"),
            certificate=certificate,
            key=private,
            also_trusted=tuple(one for one in trusted if one != certificate),
            clock=clock or clocks.SystemClock(),
        )

    @property
    def pem(self) -> bytes:
        """What everybody trusts: the CA's certificate, and of another CA's while one replaces the other."""
        return b"".join(map(pem, (self.certificate, *self.also_trusted)))

    def issue(
        self,
        role: spiffe.Role,
        folder: pathlib.Path,
        *,
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
        hours: float = ISSUED_HOURS,
    ) -> None:
        """Write `<role>.key`, `<role>.crt` and `ca.crt`, for the usual names, loopback, and what is given."""
        self._write(
            role,
            folder,
            peer=spiffe.Peer(role),
            dns=(*server_names(role), *dns),
            ips=("127.0.0.1", "::1", *ips),
            hours=hours,
        )

    def issue_agent(self, node: str, folder: pathlib.Path, *, hours: float = ISSUED_HOURS) -> None:
        """Write `agent.key`, `agent.crt` and `ca.crt` for a node; `InvalidInputError` where its name is none."""
        self._write(
            "agent", folder, peer=spiffe.Peer("agent", node), dns=[agent_server_name(node)], ips=(), hours=hours
        )

    def sign(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        spiffe_id: str,
        hours: float,
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
    ) -> x509.Certificate:
        """Return a certificate for client and server use; it never outlives the CA's own."""
        now = self.clock.now()
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_id)]
        names += [x509.DNSName(name) for name in dict.fromkeys(dns)]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(ips)]
        ends = min(now + datetime.timedelta(hours=hours), self.certificate.not_valid_after_utc)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "gthulhu")]))
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, HASH)
        )

    def chain(self, certificate: x509.Certificate) -> bytes:
        """Return PEM: a certificate, then what everybody trusts."""
        return pem(certificate) + self.pem

    def _write(
        self,
        name: str,
        folder: pathlib.Path,
        *,
        peer: spiffe.Peer,
        dns: Iterable[str],
        ips: Iterable[str],
        hours: float,
    ) -> None:
        spiffe_id = spiffe.identifier(peer, trust_domain=self.trust_domain)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.sign(key.public_key(), spiffe_id=spiffe_id, hours=hours, dns=dns, ips=ips)
        files.folder(folder)
        files.write(folder / f"{name}.key", key_pem(key))
        files.write(folder / f"{name}.crt", pem(certificate), mode=files.PUBLIC)
        files.write(folder / "ca.crt", self.pem, mode=files.PUBLIC)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8 PEM, not encrypted: its file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
