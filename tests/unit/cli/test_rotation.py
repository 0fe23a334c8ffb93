"""The authority is replaced without a moment at which two parts that are at different steps refuse each other."""

import itertools
import pathlib
import stat

import pytest
from cryptography import x509
from cryptography.x509 import verification

from gthulhu.cli import pki, rotation
from gthulhu.common import clock, errors

Identity = tuple[x509.Certificate, list[x509.Certificate]]
"""What a part shows, and whom it trusts."""


@pytest.fixture
def state(tmp_path: pathlib.Path) -> pathlib.Path:
    pki.initialise(tmp_path, trust_domain="gthulhu.local", dns=["manager.example"], ips=["192.0.2.1"])
    pki.add_agent(tmp_path, "node-1")
    return tmp_path


def parts(state: pathlib.Path) -> dict[str, Identity]:
    folders = {role: state / role / "pki" for role in ("manager", "gateway")}
    folders["agent"] = state / "agents" / "node-1" / "pki"
    return {
        role: (
            x509.load_pem_x509_certificate((folder / f"{role}.crt").read_bytes()),
            x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes()),
        )
        for role, folder in folders.items()
    }


def refusals(some: dict[str, Identity], others: dict[str, Identity]) -> list[str]:
    """Return who does not believe whom, of parts of which some are at one step and the others at another."""
    now = clock.SystemClock().now()
    found = []
    for name, (shown, _) in some.items():
        for other, (_, trusted) in others.items():
            verifier = verification.PolicyBuilder().store(verification.Store(trusted)).time(now).build_client_verifier()
            try:
                verifier.verify(shown, [])
            except verification.VerificationError:
                found.append(f"{other} refuses {name}")
    return found


def test_parts_of_two_neighbouring_steps_believe_each_other(state: pathlib.Path) -> None:
    steps = [parts(state)]
    for step in (rotation.trust, rotation.issue, rotation.retire):
        step(state)
        steps.append(parts(state))
    for before, after in itertools.pairwise(steps):
        assert refusals(before, after) == refusals(after, before) == []
    assert refusals(steps[0], steps[3]) != []


def test_what_is_made_anew_keeps_its_names_and_modes(state: pathlib.Path) -> None:
    before = parts(state)
    for step in ("trust", "issue", "retire"):
        assert "carry" in rotation.take(step, state)
    for role, (certificate, trusted) in parts(state).items():
        names = [
            one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            for one in (before[role][0], certificate)
        ]
        assert names[0] == names[1], role
        assert len(trusted) == 1
    keys = [path for path in state.rglob("*.key") if stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert keys == []
    assert not (state / "ca" / "next").exists()


def test_each_step_can_be_run_again(state: pathlib.Path) -> None:
    rotation.trust(state)
    first = parts(state)
    rotation.trust(state)
    assert parts(state) == first
    rotation.issue(state)
    rotation.retire(state)
    last = parts(state)
    rotation.retire(state)
    assert parts(state) == last


def test_no_step_can_be_left_out(state: pathlib.Path) -> None:
    with pytest.raises(errors.PreconditionError, match="rotate trust"):
        rotation.issue(state)
    rotation.trust(state)
    with pytest.raises(errors.PreconditionError, match="rotate issue"):
        rotation.retire(state)


def test_an_agent_that_is_added_meanwhile_trusts_both(state: pathlib.Path) -> None:
    rotation.trust(state)
    folder = pki.add_agent(state, "node-2")
    assert len(x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())) == 2
