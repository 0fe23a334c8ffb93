"""Gets the agent its certificate and its token from a manager, and new ones at half their life.

The key is made here and never leaves the node. It is kept as `agent.key.next` until its certificate is in place, so
that an attempt whose answer was lost is repeated with the same key (a join token works for no other), and a crash
between both files is mended at the next start.
"""

import asyncio
import dataclasses
import logging
import pathlib
import random
from collections.abc import Callable

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gthulhu.agent import config as configs
from gthulhu.common import backoff as backoffs
from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.grpc import channel
from gthulhu.common.identity import enrollment, files, spiffe, tls
from gthulhu.v1 import enrollment_pb2, enrollment_pb2_grpc

RENEW_AT = 0.5
"""Part of a certificate's life after which it is renewed."""
SPREAD = 0.1
"""Part of the life by which agents differ, so that a thousand of them do not come at once."""
LEAST_SECONDS = 60.0
"""Between renewals, where a clock that is far ahead has it that each certificate is over at once."""
CALL_SECONDS = 15.0

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the identity is kept, and whom it has to name."""

    folder: pathlib.Path
    node: str
    trust_domain: str

    @property
    def certificate(self) -> pathlib.Path:
        """The agent's certificate."""
        return self.folder / "agent.crt"

    @property
    def key(self) -> pathlib.Path:
        """Its key."""
        return self.folder / "agent.key"

    @property
    def next_key(self) -> pathlib.Path:
        """The key that a certificate is asked for."""
        return self.folder / "agent.key.next"

    @property
    def ca(self) -> pathlib.Path:
        """Whom the agent trusts."""
        return self.folder / "ca.crt"

    @property
    def token(self) -> pathlib.Path:
        """The node's token."""
        return self.folder / "node.token"

    def found(self) -> tls.Material | None:
        """Return the identity if it is whole and names this node."""
        try:
            material = tls.Watched(self.certificate, self.key, self.ca).current
        except errors.PreconditionError:
            return None
        return material if self.token.exists() and self._names_us(material) else None

    def _names_us(self, material: tls.Material) -> bool:
        try:
            names = x509.load_pem_x509_certificate(material.certificate).extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
        except x509.ExtensionNotFound:
            return False
        mine = spiffe.identifier(spiffe.Peer("agent", self.node), trust_domain=self.trust_domain)
        return names.value.get_values_for_type(x509.UniformResourceIdentifier) == [mine]


class Enrollment:
    """Keeps an identity fresh."""

    def __init__(
        self,
        *,
        place: Place,
        join_token_file: pathlib.Path | None,
        service_account_token_file: pathlib.Path | None,
        open_anonymous: Callable[[], grpc.aio.Channel],
        open_own: Callable[[], grpc.aio.Channel],
        clock: clocks.Clock,
        spread: backoffs.Random,
    ) -> None:
        """Take what proves the node, and how to reach managers.

        Args:
            place: Where the identity is kept.
            join_token_file: Shown where there is no certificate that is still valid.
            service_account_token_file: Shown always, where there is one: each renewal proves the node anew.
            open_anonymous: Makes a channel to where no certificate is asked for.
            open_own: Makes a channel with the certificate as it is in the files now.
            clock: Tells when it is time.
            spread: Draws, so that agents differ.
        """
        self._place = place
        self._join_token_file = join_token_file
        self._service_account_token_file = service_account_token_file
        self._open_anonymous = open_anonymous
        self._open_own = open_own
        self._clock = clock
        self._spread = spread

    async def obtain(self) -> None:
        """Return when there is an identity; one whose time is over counts too: what is in force needs no manager."""
        await asyncio.to_thread(self._mend)
        if self._place.found() is None:
            await self._enroll()

    async def run(self) -> None:
        """Renew the identity whenever half of its life is over, until cancelled."""
        delay = self._due_in()
        while True:
            await self._clock.sleep(delay)
            await self._enroll()
            delay = max(LEAST_SECONDS, self._due_in())

    def _due_in(self) -> float:
        found = self._place.found()
        if found is None:
            return 0.0
        life = found.expires_at - found.starts_at
        at = found.starts_at + life * (RENEW_AT + self._spread.uniform(-SPREAD, SPREAD))
        return max(0.0, (at - self._clock.now()).total_seconds())

    async def _enroll(self) -> None:
        """Ask until it has worked."""
        backoff = backoffs.FullJitter(clock=self._clock, random=self._spread)
        while True:
            try:
                await self._ask()
            except grpc.aio.AioRpcError as error:
                why = f"{error.code().name} {error.details()}"
            except (errors.DomainError, OSError, ValueError) as error:
                why = str(error)
            else:
                return
            delay = backoff.next()
            _log.warning("no certificate yet (%s); asking again in %.1f s", why, delay)
            await self._clock.sleep(delay)

    async def _ask(self) -> None:
        key = await asyncio.to_thread(self._pending_key)
        request = enrollment_pb2.EnrollRequest(csr=enrollment.new_request(node=self._place.node, key=key).csr)
        async with self._prove(request) as opened:
            answer = await enrollment_pb2_grpc.EnrollmentServiceStub(opened).Enroll(request, timeout=CALL_SECONDS)
        await asyncio.to_thread(self._keep, answer, key)
        _log.info("node %s has a certificate until %s", answer.node, answer.expires_at.ToJsonString())

    def _prove(self, request: enrollment_pb2.EnrollRequest) -> grpc.aio.Channel:
        """Put a proof into the request, unless the channel that is returned is one."""
        if self._service_account_token_file is not None:
            request.service_account_token = self._service_account_token_file.read_text().strip()
            return self._open_anonymous()
        found = self._place.found()
        if found is not None and self._clock.now() < found.expires_at:
            return self._open_own()
        if self._join_token_file is None:
            raise errors.PreconditionError("JOIN_TOKEN_MISSING", "the certificate is over, and no join token is given")
        request.join_token = self._join_token_file.read_text().strip()
        return self._open_anonymous()

    def _pending_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key that is asked for already, or a new one."""
        files.folder(self._place.folder)
        if not self._place.next_key.exists():
            files.create(self._place.next_key, enrollment.new_request(node=self._place.node).key)
        key = serialization.load_pem_private_key(self._place.next_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise errors.PreconditionError("IDENTITY_UNUSABLE", f"{self._place.next_key} is no key of this agent")
        return key

    def _keep(self, answer: enrollment_pb2.EnrollResponse, key: ec.EllipticCurvePrivateKey) -> None:
        place = self._place
        if answer.node != place.node:
            raise errors.PreconditionError(
                "NODE_MISMATCH", f"the proof is for node {answer.node!r}, but node.name is {place.node!r}"
            )
        own, *trusted = x509.load_pem_x509_certificates(answer.certificate_chain.encode())
        if own.public_key() != key.public_key() or not trusted:
            raise errors.PreconditionError("IDENTITY_UNUSABLE", "the manager's answer is for another key")
        pem = serialization.Encoding.PEM
        files.write(place.ca, b"".join(one.public_bytes(pem) for one in trusted), mode=files.PUBLIC)
        files.write(place.token, answer.node_token.encode())
        files.write(place.certificate, own.public_bytes(pem), mode=files.PUBLIC)
        place.next_key.replace(place.key)

    def _mend(self) -> None:
        """Finish what a crash between certificate and key has left undone."""
        place = self._place
        try:
            public = x509.load_pem_x509_certificate(place.certificate.read_bytes()).public_key()
            if self._next_public() == public:
                place.next_key.replace(place.key)
        except (OSError, ValueError):  # there is nothing, or nothing usable: then a new one is asked for
            return

    def _next_public(self) -> object:
        return serialization.load_pem_private_key(self._place.next_key.read_bytes(), password=None).public_key()


def of_config(config: configs.AgentConfig, *, clock: clocks.Clock) -> Enrollment | None:
    """Return what keeps the agent's identity fresh; None where somebody else does."""
    join_token, service_account_token, ca = (
        config.path(path) if path else None
        for path in (
            config.identity.join_token_file,
            config.identity.service_account_token_file,
            config.identity.ca_file,
        )
    )
    if join_token is None and service_account_token is None:
        return None
    place = Place(
        folder=config.path(config.identity.folder), node=config.node.name, trust_domain=config.identity.trust_domain
    )
    trusted = (place.ca, ca) if ca else (place.ca,)
    return Enrollment(
        place=place,
        join_token_file=join_token,
        service_account_token_file=service_account_token,
        open_anonymous=lambda: channel.open_channel(
            config.manager.enrollment_address,
            tls.anonymous_channel_credentials(*trusted),
            server_name=config.manager.server_name,
        ),
        open_own=lambda: channel.open_channel(
            config.manager.address,
            tls.channel_credentials(place.certificate, place.key, place.ca),
            server_name=config.manager.server_name,
        ),
        clock=clock,
        spread=random.SystemRandom(),
    )
