"""Which tokens are taken, and which are not."""

import base64
import datetime
import json
import pathlib
import stat
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gthulhu.common import errors
from gthulhu.common.identity import tokens
from tests.unit.common.clocks import START

HOUR = datetime.timedelta(hours=1)
MANAGER = "gthulhu-manager"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("state") / "jwt"


@pytest.fixture(scope="module")
def ring(folder: pathlib.Path) -> tokens.KeyRing:
    return tokens.KeyRing.load_or_create(folder)


@pytest.fixture(scope="module")
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def issue(ring: tokens.KeyRing, **changes: object) -> str:
    arguments: dict[str, object] = {
        "subject": "node-1",
        "audience": MANAGER,
        "kind": "node",
        "lifetime": HOUR,
        "now": START,
    }
    return ring.issue(**(arguments | changes))  # type: ignore[arg-type] # each test changes what it is about


def refusal(ring: tokens.KeyRing, token: str, *, audience: str = MANAGER, now: datetime.datetime = START) -> str:
    with pytest.raises(errors.UnauthenticatedError) as caught:
        ring.verify(token, audience=audience, kind="node", now=now)
    return caught.value.reason


def test_a_token_says_what_was_put_in(ring: tokens.KeyRing) -> None:
    claims = ring.verify(issue(ring, claims={"generation": 3}), audience=MANAGER, kind="node", now=START)
    assert (claims.subject, claims.kind, claims.audience) == ("node-1", "node", MANAGER)
    assert (claims.issued_at, claims.expires_at) == (START, START + HOUR)
    assert claims.claims == {"generation": 3}


def test_it_ends_by_the_clock_that_is_given(ring: tokens.KeyRing) -> None:
    token = issue(ring)
    ring.verify(token, audience=MANAGER, kind="node", now=START + HOUR - datetime.timedelta(seconds=1))
    assert refusal(ring, token, now=START + HOUR) == "TOKEN_EXPIRED"


def test_no_two_tokens_are_alike(ring: tokens.KeyRing) -> None:
    assert issue(ring) != issue(ring)


def test_what_identifies_a_token_cannot_be_put_in_as_a_claim(ring: tokens.KeyRing) -> None:
    token = issue(ring, claims={"sub": "root", "aud": "x", "exp": 0, "kind": "access"})
    assert ring.verify(token, audience=MANAGER, kind="node", now=START).subject == "node-1"


@pytest.mark.parametrize(
    "changes",
    [{"audience": "gthulhu-api"}, {"kind": "access"}, {"kind": "scheduler"}],
    ids=["aud", "access", "scheduler"],
)
def test_a_token_for_something_else_is_refused(ring: tokens.KeyRing, changes: dict[str, object]) -> None:
    assert refusal(ring, issue(ring, **changes)) == "TOKEN_INVALID"


def forged(ring: tokens.KeyRing, key: object, algorithm: str, **header: str) -> str:
    token = issue(ring)
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, **header})  # type: ignore[arg-type] # any


def test_another_key_under_our_kid_is_refused(ring: tokens.KeyRing, other_key: rsa.RSAPrivateKey) -> None:
    assert refusal(ring, forged(ring, other_key, "RS256")) == "TOKEN_INVALID"


def test_a_kid_that_is_not_ours_is_refused(ring: tokens.KeyRing, other_key: rsa.RSAPrivateKey) -> None:
    assert refusal(ring, forged(ring, other_key, "RS256", kid="../other")) == "TOKEN_INVALID"


def test_other_algorithms_are_refused(ring: tokens.KeyRing, folder: pathlib.Path) -> None:
    own = serialization.load_pem_private_key((folder / "signing.pem").read_bytes(), password=None)
    assert refusal(ring, forged(ring, own, "RS512")) == "TOKEN_INVALID"
    assert refusal(ring, forged(ring, own, "PS256")) == "TOKEN_INVALID"
    assert refusal(ring, forged(ring, None, "none")) == "TOKEN_INVALID"


def test_the_public_key_is_no_password(ring: tokens.KeyRing) -> None:
    """HS256 with the public key's text as the secret: the classic confusion of algorithms."""
    header, payload, _ = issue(ring).split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        head + b"." + payload.encode(), ring.public_pem().encode()
    )
    token = f"{head.decode()}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert refusal(ring, token) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "a.b.c",
        lambda token: token[:-8] + "AAAAAAAA",
        lambda token: token + "." + token,
        lambda token: "é" + token,
        lambda token: token.partition(".")[0] + "." + "A" * 10_000,
    ],
)
def test_a_damaged_token_is_refused(ring: tokens.KeyRing, damage: Callable[[str], str]) -> None:
    assert refusal(ring, damage(issue(ring))) == "TOKEN_INVALID"


@pytest.mark.parametrize("missing", ["sub", "aud", "iss", "exp", "iat", "kind", "jti"])
def test_every_claim_must_be_there(ring: tokens.KeyRing, folder: pathlib.Path, missing: str) -> None:
    token = issue(ring)
    claims = jwt.decode(token, options={"verify_signature": False})
    del claims[missing]
    own = serialization.load_pem_private_key((folder / "signing.pem").read_bytes(), password=None)
    assert isinstance(own, rsa.RSAPrivateKey)
    again = jwt.encode(claims, own, algorithm="RS256", headers={"kid": jwt.get_unverified_header(token)["kid"]})
    assert refusal(ring, again) == "TOKEN_INVALID"


def test_tokens_survive_a_restart(ring: tokens.KeyRing, folder: pathlib.Path) -> None:
    tokens.KeyRing.load_or_create(folder).verify(issue(ring), audience=MANAGER, kind="node", now=START)


def test_the_key_is_readable_by_its_owner_only(ring: tokens.KeyRing, folder: pathlib.Path) -> None:
    assert ring
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "signing.pem").stat().st_mode) == 0o600


def test_a_retired_key_is_accepted_and_signs_no_more(tmp_path: pathlib.Path, ring: tokens.KeyRing) -> None:
    (tmp_path / "retired.pem").write_text(ring.public_pem())
    successor = tokens.KeyRing.load_or_create(tmp_path)
    successor.verify(issue(ring), audience=MANAGER, kind="node", now=START)
    assert refusal(ring, issue(successor)) == "TOKEN_INVALID"
    keys = successor.jwks()["keys"]
    assert isinstance(keys, list)
    assert len({key["kid"] for key in keys}) == 2


def test_the_key_set_is_enough_to_check_a_token(ring: tokens.KeyRing) -> None:
    token = issue(ring)
    key = jwt.PyJWKSet.from_dict(ring.jwks())[jwt.get_unverified_header(token)["kid"]]
    options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, key, audience=MANAGER, algorithms=["RS256"], options=options)["sub"] == "node-1"  # type: ignore[arg-type] # a TypedDict in the stubs


def test_the_kid_is_the_thumbprint_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
        "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    number = int.from_bytes(base64.urlsafe_b64decode(modulus + "=="), "big")
    key = rsa.RSAPublicNumbers(e=65537, n=number).public_key()
    assert tokens.key_id(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_what_is_no_key_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "signing.pem").write_text("no key")
    with pytest.raises(errors.PreconditionError, match=r"signing\.pem is no private key"):
        tokens.KeyRing.load_or_create(tmp_path)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    pem = short.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(errors.PreconditionError, match=r"token\.key is no RSA key of 2048 bits"):
        tokens.KeyRing.from_pem(pem, source="token.key")
