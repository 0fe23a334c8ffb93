"""Which agent is calling: what its certificate and its token say, and until when they do."""

import dataclasses
import datetime
from typing import Any

import grpc

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.identity import tls, tokens

AUDIENCE = "gthulhu-manager"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent, as it has proven to be."""

    node: str
    certificate_ends: datetime.datetime
    token_ends: datetime.datetime

    @property
    def expires_at(self) -> datetime.datetime:
        """When the first of both proofs ends."""
        return min(self.certificate_ends, self.token_ends)


class Agents:
    """Checks what agents show."""

    def __init__(
        self,
        *,
        ring: tokens.KeyRing,
        trust_domain: str,
        clock: clocks.Clock,
        refused_nodes: frozenset[str] = frozenset(),
    ) -> None:
        """Accept tokens of a key ring and certificates of a trust domain, but for some nodes."""
        self._refused_nodes = refused_nodes
        self._ring = ring
        self._trust_domain = trust_domain
        self._clock = clock

    def identify(self, context: grpc.aio.ServicerContext[Any, Any]) -> Agent:
        """Return who is calling.

        Raises:
            PermissionDeniedError: No agent's certificate, or certificate and token name different nodes.
            UnauthenticatedError: No valid token, or the node is refused.
        """
        peer = tls.peer(context, trust_domain=self._trust_domain)
        certificate_ends = tls.peer_expires_at(context)
        if peer is None or peer.kind != "agent" or certificate_ends is None:
            raise errors.PermissionDeniedError("AGENT_REQUIRED", "only agents may call this, by their certificate")
        if peer.name in self._refused_nodes:
            raise refused(peer.name)
        return Agent(
            node=peer.name,
            certificate_ends=certificate_ends,
            token_ends=self._token_ends(_bearer(context), node=peer.name),
        )

    def renew(self, agent: Agent, *, token: str) -> Agent:
        """Return the agent with a new token; raises as `identify` does."""
        return dataclasses.replace(agent, token_ends=self._token_ends(token, node=agent.node))

    def _token_ends(self, token: str, *, node: str) -> datetime.datetime:
        claims = self._ring.verify(token, audience=AUDIENCE, kind="node", now=self._clock.now())
        if claims.subject != node:
            raise errors.PermissionDeniedError(
                "NODE_MISMATCH", f"the token is of node {claims.subject!r}, the certificate of {node!r}"
            )
        return claims.expires_at


def refused(node: str) -> errors.UnauthenticatedError:
    """Return the error for a node that is to be kept out whatever it shows."""
    return errors.UnauthenticatedError("NODE_REFUSED", f"node {node!r} is refused by the configuration")


def _bearer(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.lower().startswith("bearer "):
            return value[len("bearer ") :].strip()
    raise errors.UnauthenticatedError("TOKEN_MISSING", "this needs a node's token")
