"""mTLS over real connections: who gets in, and what happens when certificates change."""

import os
import pathlib
import shutil
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gthulhu.common import errors
from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import files, pki, tls
from tests.unit.common.grpc import servers

DOMAIN = servers.TRUST_DOMAIN


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> servers.Pki:
    return servers.Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> servers.Pki:
    return servers.Pki(tmp_path_factory.mktemp("stranger"))


async def whoami(_: Any, context: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
    expires_at = tls.peer_expires_at(context)
    return servers.Response(
        name=str(tls.peer(context, trust_domain=DOMAIN)),
        description=expires_at.isoformat() if expires_at else "",
    )


async def ask(
    address: str, credentials: grpc.ChannelCredentials, *, server_name: str = "gthulhu-manager"
) -> servers.Response:
    async with channels.open_channel(address, credentials, server_name=server_name) as channel:
        answer: servers.Response = await servers.method(channel, "Unary")(servers.Request(), timeout=5)
        return answer


def credentials(identity: servers.Pki, role: str = "agent") -> grpc.ChannelCredentials:
    return tls.channel_credentials(*identity.files(role))


async def refused(address: str, offered: grpc.ChannelCredentials, *, server_name: str = "gthulhu-manager") -> bool:
    try:
        await ask(address, offered, server_name=server_name)
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def expiry(path: pathlib.Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.isoformat()


async def test_the_caller_and_the_end_of_its_certificate_are_known(identity: servers.Pki) -> None:
    async with servers.serving(identity, unary=whoami, chain=[]) as address:
        answer = await ask(address, credentials(identity))
    assert answer.name == str(tls.Peer("agent", "node-1"))
    assert answer.description == expiry(identity.files("agent")[0])


async def test_a_certificate_of_another_authority_does_not_get_in(
    identity: servers.Pki, stranger: servers.Pki, tmp_path: pathlib.Path
) -> None:
    certificate, key, _ = stranger.files("manager")
    ours = shutil.copy(identity.files("manager")[2], tmp_path / "ca.crt")
    async with servers.serving(identity, unary=whoami, chain=[]) as address:
        assert await refused(address, tls.channel_credentials(certificate, key, ours))


async def test_no_certificate_does_not_get_in(identity: servers.Pki) -> None:
    anonymous = tls.anonymous_channel_credentials(identity.files("manager")[2])
    async with servers.serving(identity, unary=whoami, chain=[]) as address:
        assert await refused(address, anonymous)


async def test_where_none_is_required_the_caller_is_nobody(identity: servers.Pki) -> None:
    anonymous = tls.anonymous_channel_credentials(identity.files("manager")[2])
    async with servers.serving(identity, unary=whoami, chain=[], require_client=False) as address:
        answer = await ask(address, anonymous)
        assert (answer.name, answer.description) == ("None", "")
        assert (await ask(address, credentials(identity))).name == "None"


async def test_a_certificate_of_another_trust_domain_names_nobody(tmp_path: pathlib.Path) -> None:
    other = servers.Pki(tmp_path, trust_domain="other.local")
    async with servers.serving(other, unary=whoami, chain=[]) as address:
        assert (await ask(address, credentials(other, "manager"))).name == "None"


async def test_a_certificate_with_two_ids_names_nobody(identity: servers.Pki, tmp_path: pathlib.Path) -> None:
    folder = shutil.copytree(identity.folder / "agent", tmp_path / "agent")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/{name}") for name in ("manager", "agent/node-1")]
    single = identity.authority.sign(key.public_key(), spiffe_id=names[0].value, hours=1)
    builder = x509.CertificateBuilder(
        issuer_name=single.issuer,
        subject_name=single.subject,
        public_key=single.public_key(),
        serial_number=single.serial_number,
        not_valid_before=single.not_valid_before_utc,
        not_valid_after=single.not_valid_after_utc,
    ).add_extension(x509.SubjectAlternativeName(names), critical=False)
    double = builder.sign(identity.authority.key, pki.HASH)
    (folder / "agent.key").write_bytes(pki.key_pem(key))
    (folder / "agent.crt").write_bytes(identity.authority.chain(double))
    offered = tls.channel_credentials(folder / "agent.crt", folder / "agent.key", folder / "ca.crt")
    async with servers.serving(identity, unary=whoami, chain=[]) as address:
        assert (await ask(address, offered)).name == "None"


async def test_a_node_cannot_stand_in_for_a_manager(identity: servers.Pki) -> None:
    """Its certificate is of the right authority, but carries another name."""
    server = channels.create_server([])
    server.add_generic_rpc_handlers((servers.generic(unary=whoami),))
    port = server.add_secure_port("127.0.0.1:0", tls.server_credentials(*identity.files("agent"), require_client=True))
    await server.start()
    try:
        address = f"127.0.0.1:{port}"
        assert await refused(address, credentials(identity))
        answer = await ask(address, credentials(identity, "manager"), server_name=pki.agent_server_name("node-1"))
        assert answer.name == str(tls.Peer("manager"))
    finally:
        await server.stop(0)


async def test_new_certificates_are_in_force_at_the_next_handshake(tmp_path: pathlib.Path) -> None:
    """Even those of another authority; connections that are open stay so."""
    old, new = servers.Pki(tmp_path / "old"), servers.Pki(tmp_path / "new")
    async with (
        servers.serving(old, unary=whoami, chain=[]) as address,
        channels.open_channel(address, credentials(old), server_name="gthulhu-manager") as channel,
    ):
        call = servers.method(channel, "Unary")
        await call(servers.Request(), timeout=5)
        for source, target in zip(new.files("manager"), old.files("manager"), strict=True):
            files.write(target, source.read_bytes())
        assert (await ask(address, credentials(new))).name == str(tls.Peer("agent", "node-1"))
        assert await refused(address, credentials(old))
        await call(servers.Request(), timeout=5)


def test_a_change_is_told_once(tmp_path: pathlib.Path) -> None:
    identity = servers.Pki(tmp_path)
    watched = tls.Watched(*identity.files("agent"))
    before = watched.current
    assert not watched.refresh()
    identity.authority.issue_agent("node-1", tmp_path / "agent")
    assert watched.refresh()
    assert watched.current != before
    assert not watched.refresh()


def test_a_touched_file_is_no_change(tmp_path: pathlib.Path) -> None:
    identity = servers.Pki(tmp_path)
    watched = tls.Watched(*identity.files("agent"))
    os.utime(identity.files("agent")[0], (1, 1))
    assert not watched.refresh()


def test_what_is_half_written_is_not_taken_until_it_is_whole(tmp_path: pathlib.Path) -> None:
    identity = servers.Pki(tmp_path / "ours")
    renewed = servers.Pki(tmp_path / "renewed")
    certificate, key, ca = identity.files("agent")
    watched = tls.Watched(certificate, key, ca)
    before = watched.current
    certificate.write_bytes(renewed.files("agent")[0].read_bytes())
    assert not watched.refresh()  # the key is still the old one
    key.unlink()
    assert not watched.refresh()
    key.write_text("-----BEGIN")
    assert not watched.refresh()
    assert watched.current == before
    key.write_bytes(renewed.files("agent")[1].read_bytes())
    assert watched.refresh()


def test_what_cannot_be_used_at_the_start_is_named(tmp_path: pathlib.Path) -> None:
    certificate, key, ca = servers.Pki(tmp_path).files("agent")
    key.unlink()
    with pytest.raises(errors.PreconditionError, match=r"agent\.key cannot be read: No such file") as caught:
        tls.Watched(certificate, key, ca)
    assert caught.value.reason == "IDENTITY_UNUSABLE"
    shutil.copy(tmp_path / "manager" / "manager.key", key)
    with pytest.raises(errors.PreconditionError, match="do not belong together"):
        tls.channel_credentials(certificate, key, ca)
