"""Keys and certificates of an installation, in one state folder; what `gthulhu pki` and the local system use.

DIR/ca/{ca.crt,ca.key} · DIR/manager/pki/{ca.crt,manager.crt,manager.key,jwt/} · DIR/gateway/pki/{ca.crt,gateway.crt,
gateway.key} · DIR/agents/NODE/pki/{ca.crt,agent.crt,agent.key,node.token}. Each part gets its own folder, so that each
can be carried to where the part runs, without the keys of the others.
"""

import datetime
import pathlib
from collections.abc import Iterable

from cryptography import x509

from gthulhu.common import clock, errors
from gthulhu.common.identity import enrollment, files, pki, tokens

NODE_AUDIENCE = "gthulhu-manager"


def agent_folder(state: pathlib.Path, node: str) -> pathlib.Path:
    """Return an agent's state folder."""
    return state / "agents" / node


def initialise(state: pathlib.Path, *, trust_domain: str, dns: Iterable[str] = (), ips: Iterable[str] = ()) -> None:
    """Make the authority, the manager's and the gateway's certificates, and the key that signs tokens."""
    authority = pki.Authority.create(state / "ca", trust_domain=trust_domain)
    dns, ips = tuple(dns), tuple(ips)
    authority.issue("manager", state / "manager" / "pki", dns=dns, ips=ips)
    authority.issue("gateway", state / "gateway" / "pki", dns=dns, ips=ips)
    tokens.KeyRing.load_or_create(state / "manager" / "pki" / "jwt")


def initialised(state: pathlib.Path) -> bool:
    """Tell whether there is an authority."""
    return (state / "ca" / "ca.key").exists()


def add_agent(state: pathlib.Path, node: str) -> pathlib.Path:
    """Make a node's certificate and token; returns the folder that holds them."""
    authority = pki.Authority.load(state / "ca")
    folder = agent_folder(state, node) / "pki"
    authority.issue_agent(node, folder)
    ring = tokens.KeyRing.load_or_create(state / "manager" / "pki" / "jwt")
    token = ring.issue(
        subject=node,
        audience=NODE_AUDIENCE,
        kind="node",
        lifetime=datetime.timedelta(hours=pki.ISSUED_HOURS),
        now=clock.SystemClock().now(),
    )
    files.write(folder / "node.token", token.encode())
    return folder


def join_token(state: pathlib.Path, node: str, *, hours: float) -> str:
    """Return a one-time token by which a node's agent may ask a manager for its certificate."""
    if not initialised(state):
        raise _no_authority(state)
    return enrollment.issue_join_token(
        tokens.KeyRing.load_or_create(state / "manager" / "pki" / "jwt"),
        node=node,
        lifetime=datetime.timedelta(hours=hours),
        now=clock.SystemClock().now(),
    )


def certificates(state: pathlib.Path) -> list[dict[str, str]]:
    """Return every certificate below a state folder: file, SPIFFE id, names, and when it ends."""
    if not initialised(state):
        raise _no_authority(state)
    rows = []
    for path in sorted(state.rglob("*.crt")):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        rows.append(
            {
                "FILE": str(path.relative_to(state)),
                "IDENTITY": ", ".join(names.get_values_for_type(x509.UniformResourceIdentifier)),
                "NAMES": ", ".join(names.get_values_for_type(x509.DNSName)),
                "UNTIL": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            }
        )
    return rows


def _no_authority(state: pathlib.Path) -> errors.PreconditionError:
    return errors.PreconditionError("CA_UNUSABLE", f"{state} holds no authority: run `gthulhu pki init` first")
