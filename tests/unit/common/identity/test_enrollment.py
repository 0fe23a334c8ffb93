"""How an agent comes by a certificate, and what it cannot come by."""

import datetime
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gthulhu.common import errors
from gthulhu.common.identity import enrollment, pki, tokens
from tests.unit.common.clocks import START, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_only_the_key_of_a_request_is_used(tmp_path: pathlib.Path, clock: ManualClock) -> None:
    authority = pki.Authority.create(tmp_path, trust_domain="gthulhu.local", clock=clock)
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("gthulhu-manager"), x509.UniformResourceIdentifier("spiffe://gthulhu.local/manager")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    certificate = enrollment.certify(greedy, node="node-1", authority=authority, hours=24)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [
        x509.UniformResourceIdentifier("spiffe://gthulhu.local/agent/node-1"),
        x509.DNSName("node-1.agent.gthulhu"),
    ]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_after_utc == START + datetime.timedelta(hours=24)


def test_a_request_of_ours_is_taken() -> None:
    request = enrollment.new_request(node="node-1")
    key = serialization.load_pem_private_key(request.key, password=None)
    assert enrollment.public_key(request.csr) == key.public_key()


def test_what_is_no_request_or_shows_no_possession_is_refused() -> None:
    csr = enrollment.new_request(node="node-1").csr
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    cases = {
        "is no PKCS #10 request": b"no request",
        "is not signed by its own key": csr[:-1] + bytes([csr[-1] ^ 1]),
        "must be on the curve P-256": builder.sign(rsa_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER),
        "at most 16384": b"\x30" * 16385,
    }
    p384 = builder.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())
    for message, content in [*cases.items(), ("P-256", p384.public_bytes(serialization.Encoding.DER))]:
        with pytest.raises(errors.InvalidInputError, match=r"^csr: ") as caught:
            enrollment.public_key(content)
        assert message in caught.value.message


def test_a_join_token_names_its_node_and_nothing_else_takes_it(tmp_path: pathlib.Path) -> None:
    keys = tokens.KeyRing.load_or_create(tmp_path)
    token = enrollment.issue_join_token(keys, node="node-1", lifetime=datetime.timedelta(hours=1), now=START)
    assert keys.verify(token, audience=enrollment.JOIN_AUDIENCE, kind="join", now=START).subject == "node-1"
    for audience, kind in (("gthulhu-manager", "node"), ("gthulhu-api", "access")):
        with pytest.raises(errors.UnauthenticatedError):
            keys.verify(token, audience=audience, kind=kind, now=START)


def test_a_join_token_is_made_for_a_node_only(tmp_path: pathlib.Path) -> None:
    keys = tokens.KeyRing.load_or_create(tmp_path)
    with pytest.raises(errors.InvalidInputError, match=r"^node: "):
        enrollment.issue_join_token(keys, node="../manager", lifetime=datetime.timedelta(hours=1), now=START)
