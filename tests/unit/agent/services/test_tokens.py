"""Tokens of the agent's own routes."""

import datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gthulhu.agent.services import tokens
from gthulhu.common import errors
from gthulhu.common.identity import tokens as identity_tokens
from tests.unit.common.clocks import ManualClock

DAY = datetime.timedelta(hours=24)


@pytest.fixture(scope="module")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The agent's own, and a client's."""
    first, second = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    return first, second


def pem(key: rsa.RSAPrivateKey, form: serialization.PublicFormat) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


class Rig:
    """An agent's tokens, for one client."""

    def __init__(self, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey], scope: tokens.Scope = "SCHEDULER") -> None:
        self.clock = ManualClock()
        self.counted: list[str] = []
        self.tokens = tokens.ClientTokens(
            ring=identity_tokens.KeyRing(signing=keys[0]),
            clients={scope: pem(keys[1], serialization.PublicFormat.SubjectPublicKeyInfo)},
            lifetime=DAY,
            clock=self.clock,
            count=self.counted.append,
        )


@pytest.mark.parametrize("form", [serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1])
def test_how_a_key_is_written_makes_no_difference(
    keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey], form: serialization.PublicFormat
) -> None:
    rig = Rig(keys)
    issued = rig.tokens.issue(pem(keys[1], form).decode().replace("\n", "\r\n"))
    assert issued.expires_at == rig.clock.now() + DAY
    rig.tokens.check(issued.token, scope="SCHEDULER")
    assert rig.counted == ["issued"]


def test_another_key_gets_nothing(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> None:
    rig = Rig(keys)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for given in (text, private.decode(), "", "x"):
        with pytest.raises(errors.UnauthenticatedError, match=r"^Public key verification failed$"):
            rig.tokens.issue(given)
    assert set(rig.counted) == {"refused"}


def test_a_token_ends_even_where_its_signature_is_remembered(
    keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey],
) -> None:
    rig = Rig(keys)
    token = rig.tokens.issue(pem(keys[1], serialization.PublicFormat.PKCS1).decode()).token
    rig.tokens.check(token, scope="SCHEDULER")
    rig.clock.advance(DAY.total_seconds() - 1)
    rig.tokens.check(token, scope="SCHEDULER")
    rig.clock.advance(1)
    with pytest.raises(errors.UnauthenticatedError) as raised:
        rig.tokens.check(token, scope="SCHEDULER")
    assert raised.value.reason == "TOKEN_EXPIRED"


def test_a_schedulers_token_opens_less_than_a_managers(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> None:
    presented = pem(keys[1], serialization.PublicFormat.PKCS1).decode()
    scheduler, manager = Rig(keys), Rig(keys, "MANAGER_CLIENT")
    token = manager.tokens.issue(presented).token
    manager.tokens.check(token, scope="SCHEDULER")
    manager.tokens.check(token, scope="MANAGER_CLIENT")
    with pytest.raises(errors.PermissionDeniedError):
        scheduler.tokens.check(scheduler.tokens.issue(presented).token, scope="MANAGER_CLIENT")


def test_the_remembered_are_few(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> None:
    rig = Rig(keys)
    presented = pem(keys[1], serialization.PublicFormat.PKCS1).decode()
    for _ in range(tokens._REMEMBERED + 5):
        rig.tokens.check(rig.tokens.issue(presented).token, scope="SCHEDULER")
    assert len(rig.tokens._verified) <= tokens._REMEMBERED
