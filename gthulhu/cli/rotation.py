"""Replaces the certificate authority of an installation while everything runs, in three steps.

`trust`: a new authority is made, and everybody is to trust both. `issue`: the new one signs; every certificate is made
anew. `retire`: the old one is trusted no more. Between the steps the folders are carried to where the parts run. Each
step can be run again where it was interrupted.
"""

import pathlib
import shutil
from collections.abc import Iterator
from typing import Literal

from cryptography import x509

from gthulhu.cli import pki as installation
from gthulhu.common import errors
from gthulhu.common.identity import files, pki, spiffe

_NEXT = "next"
"""Folder, within the authority's, of the one that is to replace it."""


Step = Literal["trust", "issue", "retire"]


def take(step: Step, state: pathlib.Path) -> str:
    """Take a step; returns what to do next."""
    done = f"carry the folders below {state} to where the parts run"
    renewed = "when every agent that enrols has renewed its certificate (half of identity.certificate_hours)"
    match step:
        case "trust":
            trust(state)
            return f"there is a new authority beside the old one; {done}, and {renewed}: gthulhu pki rotate issue"
        case "issue":
            issue(state)
            return f"all certificates are of the new authority; {done}, and {renewed}: gthulhu pki rotate retire"
        case "retire":
            retire(state)
            return f"the old authority is trusted no more; {done}"


def trust(state: pathlib.Path) -> None:
    """Make the next authority, unless it is there already, and let everybody trust both."""
    present = pki.Authority.load(state / "ca")
    folder = state / "ca" / _NEXT
    if not (folder / "ca.crt").exists():
        shutil.rmtree(folder, ignore_errors=True)
        pki.Authority.create(folder, trust_domain=present.trust_domain)
    following = pki.Authority.load(folder)
    if following.certificate in present.also_trusted:
        _trust(state, present.pem)
    else:
        _trust(state, present.pem + following.pem)


def issue(state: pathlib.Path) -> None:
    """Let the next authority take over, and make every certificate anew, for the names that it has.

    Raises:
        PreconditionError: `ROTATION_ORDER`: there is no next authority, or not everybody trusts it.
    """
    folder = state / "ca" / _NEXT
    trusted = (state / "ca" / "ca.crt").read_bytes()
    if not (folder / "ca.crt").exists() or pki.pem(pki.Authority.load(folder).certificate) not in trusted:
        raise errors.PreconditionError("ROTATION_ORDER", "there is no next authority: `gthulhu pki rotate trust` first")
    files.write(state / "ca" / "ca.key", (folder / "ca.key").read_bytes())
    authority = pki.Authority.load(state / "ca")
    for path in _certificates(state):
        _reissue(authority, path)
    shutil.rmtree(folder)


def retire(state: pathlib.Path) -> None:
    """Let nobody trust any authority but the one that signs.

    Raises:
        PreconditionError: `ROTATION_ORDER`: the next authority does not sign yet.
    """
    if (state / "ca" / _NEXT).exists():
        raise errors.PreconditionError("ROTATION_ORDER", "the old authority signs: `gthulhu pki rotate issue` first")
    authority = pki.Authority.load(state / "ca")
    _trust(state, pki.pem(authority.certificate))


def _trust(state: pathlib.Path, pem: bytes) -> None:
    for path in (state / "ca" / "ca.crt", *(path.with_name("ca.crt") for path in _certificates(state))):
        files.write(path, pem, mode=files.PUBLIC)


def _certificates(state: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the certificates of managers, gateways and agents."""
    for role in ("manager", "gateway"):
        yield from state.glob(f"{role}/pki/{role}.crt")
    yield from sorted(installation.agent_folder(state, "*").parent.glob("*/pki/agent.crt"))


def _reissue(authority: pki.Authority, path: pathlib.Path) -> None:
    names = x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    (uri,) = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    peer = spiffe.parse(uri, trust_domain=authority.trust_domain)
    match peer:
        case spiffe.Peer("agent", node):
            authority.issue_agent(node, path.parent)
        case spiffe.Peer("manager" | "gateway" as role):
            authority.issue(
                role,
                path.parent,
                dns=names.value.get_values_for_type(x509.DNSName),
                ips=map(str, names.value.get_values_for_type(x509.IPAddress)),
            )
        case _:
            raise errors.PreconditionError("CA_UNUSABLE", f"{path} is of {uri}, which this authority cannot certify")
