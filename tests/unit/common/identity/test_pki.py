"""What the certificate authority makes, and how it keeps it."""

import datetime
import ipaddress
import pathlib
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

from gthulhu.common import errors
from gthulhu.common.identity import pki
from tests.unit.common.clocks import START, ManualClock


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> pki.Authority:
    return pki.Authority.create(tmp_path / "ca", trust_domain="gthulhu.local", clock=ManualClock())


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def certificate(path: pathlib.Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(value: x509.Certificate) -> x509.SubjectAlternativeName:
    return value.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_only_the_owner_reads_keys_and_enters_folders(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    authority.issue("manager", tmp_path / "manager" / "pki")
    for folder, key in (("ca", "ca.key"), ("manager/pki", "manager.key")):
        assert mode(tmp_path / folder) == 0o700
        assert mode(tmp_path / folder / key) == 0o600
    assert mode(tmp_path / "ca" / "ca.crt") == 0o644
    assert sorted(path.name for path in (tmp_path / "manager" / "pki").iterdir()) == [
        "ca.crt",
        "manager.crt",
        "manager.key",
    ]


def test_an_authority_is_never_overwritten(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.ConflictError, match="already") as caught:
        pki.Authority.create(tmp_path / "ca", trust_domain="gthulhu.local")
    assert caught.value.reason == "CA_EXISTS"
    assert pki.Authority.load(tmp_path / "ca").certificate == authority.certificate


def test_it_is_the_same_after_loading(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    loaded = pki.Authority.load(tmp_path / "ca")
    assert (loaded.trust_domain, loaded.certificate) == ("gthulhu.local", authority.certificate)


def test_its_key_may_be_kept_apart(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    apart = (tmp_path / "ca" / "ca.key").rename(tmp_path / "elsewhere.key")
    assert pki.Authority.load(tmp_path / "ca", key=apart).certificate == authority.certificate
    with pytest.raises(errors.PreconditionError) as caught:
        pki.Authority.load(tmp_path / "ca")
    assert caught.value.reason == "CA_UNUSABLE"


def test_a_key_of_another_authority_is_refused(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    assert authority
    pki.Authority.create(tmp_path / "other", trust_domain="gthulhu.local")
    with pytest.raises(errors.PreconditionError, match="do not belong together"):
        pki.Authority.load(tmp_path / "ca", key=tmp_path / "other" / "ca.key")


def test_a_manager_has_its_id_and_the_names_under_which_it_is_reached(
    authority: pki.Authority, tmp_path: pathlib.Path
) -> None:
    authority.issue("manager", tmp_path, dns=["manager.example"], ips=["192.0.2.1"])
    found = names(certificate(tmp_path / "manager.crt"))
    assert found.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://gthulhu.local/manager"]
    assert found.get_values_for_type(x509.DNSName) == ["gthulhu-manager", "localhost", "manager.example"]
    assert ipaddress.ip_address("192.0.2.1") in found.get_values_for_type(x509.IPAddress)


def test_no_node_can_be_called_like_a_manager(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    authority.issue_agent("gthulhu-manager", tmp_path)
    found = names(certificate(tmp_path / "agent.crt"))
    assert found.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://gthulhu.local/agent/gthulhu-manager"]
    assert found.get_values_for_type(x509.DNSName) == ["gthulhu-manager.agent.gthulhu"]


def test_what_it_signs_is_valid_for_clients_and_servers(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    authority.issue_agent("node-1", tmp_path)
    builder = verification.PolicyBuilder().store(verification.Store([authority.certificate])).time(START)
    leaf = certificate(tmp_path / "agent.crt")
    builder.build_server_verifier(x509.DNSName("node-1.agent.gthulhu")).verify(leaf, [])
    builder.build_client_verifier().verify(leaf, [])
    with pytest.raises(verification.VerificationError):
        builder.build_server_verifier(x509.DNSName("gthulhu-manager")).verify(leaf, [])


def test_key_and_certificate_belong_together(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    authority.issue("gateway", tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "gateway.key").read_bytes(), password=None)
    assert key.public_key() == certificate(tmp_path / "gateway.crt").public_key()


def test_a_certificate_lives_as_long_as_asked_but_not_beyond_the_authority(authority: pki.Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    day = authority.sign(key, spiffe_id="spiffe://gthulhu.local/manager", hours=24)
    assert day.not_valid_after_utc == START + datetime.timedelta(hours=24)
    assert day.not_valid_before_utc == START - datetime.timedelta(minutes=5)
    century = authority.sign(key, spiffe_id="spiffe://gthulhu.local/manager", hours=24 * 36500)
    assert century.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_issuing_again_replaces_the_files_whole(authority: pki.Authority, tmp_path: pathlib.Path) -> None:
    authority.issue_agent("node-1", tmp_path / "agent")
    first = certificate(tmp_path / "agent" / "agent.crt")
    authority.issue_agent("node-1", tmp_path / "agent")
    assert certificate(tmp_path / "agent" / "agent.crt") != first
    assert sorted(path.name for path in (tmp_path / "agent").iterdir()) == ["agent.crt", "agent.key", "ca.crt"]
