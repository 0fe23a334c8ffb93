"""Signs agents' certificates: for nodes that are proved by a token, or by the certificate that is to be replaced."""

import asyncio
import dataclasses
import datetime
import hashlib
import logging
from collections.abc import Callable
from typing import Any, Protocol

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.grpc import context as contexts
from gthulhu.common.identity import enrollment, pki, spiffe, tokens
from gthulhu.manager.distribution import admission
from gthulhu.manager.services import convert, peers
from gthulhu.manager.store import base
from gthulhu.v1 import enrollment_pb2, enrollment_pb2_grpc

_CLOCKS_DIFFER = datetime.timedelta(days=1)
"""Claims on join tokens outlive the tokens by so much, so that no replica takes a token whose claim is forgotten."""

_log = logging.getLogger(__name__)


class Review(Protocol):
    """See `token_review.TokenReview`."""

    async def node_of(self, token: str) -> str:
        """Return the node that a service-account token proves."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What certificates and tokens are made with."""

    authority: Callable[[], pki.Authority]
    """Reads it anew each time: it may be replaced while the manager runs. Blocks."""
    keys: tokens.KeyRing
    hours: float
    """How long what is issued lives."""
    refused_nodes: frozenset[str]


class EnrollmentService(enrollment_pb2_grpc.EnrollmentServiceServicer):
    """See the schema."""

    def __init__(
        self,
        *,
        issuer: Issuer,
        review: Review | None,
        gate: admission.Admission,
        store: base.Store,
        clock: clocks.Clock,
    ) -> None:
        """Take what proofs are checked with; `review` None: there is no cluster, so that its tokens prove nothing."""
        self._issuer = issuer
        self._review = review
        self._gate = gate
        self._store = store
        self._clock = clock

    async def Enroll(  # noqa: N802 - the schema's name
        self, request: enrollment_pb2.EnrollRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> enrollment_pb2.EnrollResponse:
        """See the schema; a request that is no good is refused before a join token is spent on it."""
        key = enrollment.public_key(request.csr)
        proof = request.WhichOneof("proof")
        node = spiffe.check_node(await self._proved(request, proof, key))
        if node in self._issuer.refused_nodes:
            raise peers.refused(node)
        authority = await self._authority()
        certificate = enrollment.certify(request.csr, node=node, authority=authority, hours=self._issuer.hours)
        await self._store.add_audit(self._entry(node, proof or "certificate"))
        _log.info("node %s has enrolled by %s", node, proof or "certificate")
        now = self._clock.now()
        return enrollment_pb2.EnrollResponse(
            node=node,
            certificate_chain=authority.chain(certificate).decode(),
            node_token=self._issuer.keys.issue(
                subject=node,
                audience=peers.AUDIENCE,
                kind="node",
                lifetime=certificate.not_valid_after_utc - now,
                now=now,
            ),
            expires_at=convert.timestamp(certificate.not_valid_after_utc),
        )

    async def _proved(
        self, request: enrollment_pb2.EnrollRequest, proof: str | None, key: ec.EllipticCurvePublicKey
    ) -> str:
        if proof is None:
            return self._renewing()
        self._gate.admit()
        if proof == "join_token":
            return await self._joining(request.join_token, key)
        if self._review is None:
            raise errors.UnauthenticatedError(
                "PROOF_UNSUPPORTED", "this manager belongs to no cluster that could say whose token it is"
            )
        return await self._review.node_of(request.service_account_token)

    def _renewing(self) -> str:
        """Return the node of the caller's certificate.

        In a cluster that is not enough: there the cluster has a say each time, so that a stolen key ends with its pod.
        """
        peer = contexts.current().peer
        if self._review is not None:
            raise errors.UnauthenticatedError("PROOF_MISSING", "in a cluster this needs a service-account token")
        if peer is None or peer.kind != "agent":
            raise errors.UnauthenticatedError(
                "PROOF_MISSING", "this needs a join token, a service-account token, or an agent's certificate"
            )
        return peer.name

    async def _joining(self, token: str, key: ec.EllipticCurvePublicKey) -> str:
        """Return the node of a join token, for the first key that it is shown with.

        With the same key it may be shown again: the answer may have been lost, and is of no use to anybody else.
        """
        now = self._clock.now()
        try:
            claims = self._issuer.keys.verify(token, audience=enrollment.JOIN_AUDIENCE, kind="join", now=now)
        except errors.UnauthenticatedError:
            raise _join_token_invalid() from None
        holder = hashlib.sha256(
            key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ).hexdigest()
        until = claims.expires_at + _CLOCKS_DIFFER
        if await self._store.claim(f"join/{claims.id}", holder=holder, until=until) != holder:
            _log.warning("a join token of node %s was shown with a second key", claims.subject)
            raise _join_token_invalid()
        return claims.subject

    async def _authority(self) -> pki.Authority:
        try:
            return await asyncio.to_thread(self._issuer.authority)
        except errors.PreconditionError as error:
            _log.error("nobody can enrol: %s", error.message)
            raise errors.UnavailableError(
                "ENROLLMENT_UNAVAILABLE", "this manager cannot sign certificates now"
            ) from None

    def _entry(self, node: str, proof: str) -> base.AuditEntry:
        request = contexts.current()
        return base.AuditEntry(
            time=self._clock.now(),
            actor=f"agent/{node}",
            address=request.address,
            action="agent.enroll",
            target=f"node/{node}",
            request_id=request.id,
            after={"proof": proof},
        )


def _join_token_invalid() -> errors.UnauthenticatedError:
    return errors.UnauthenticatedError("JOIN_TOKEN_INVALID", "the join token is not valid, or has been used")
