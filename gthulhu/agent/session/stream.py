"""One session, from hello to its end."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import grpc

from gthulhu.agent import held as helds
from gthulhu.agent import reconciler as reconcilers
from gthulhu.agent import wanted as wanteds
from gthulhu.agent.domain import acceptance
from gthulhu.agent.enforcement import base as enforcement
from gthulhu.agent.session import assembly as assemblies
from gthulhu.agent.session import calls, convert, credentials, failure
from gthulhu.common import clock as clocks
from gthulhu.common import digest as digests
from gthulhu.v1 import session_pb2, session_pb2_grpc

_log = logging.getLogger(__name__)

Call = grpc.aio.StreamStreamCall[session_pb2.StreamIntentsRequest, session_pb2.StreamIntentsResponse]

SETTLED_SECONDS = 3.0
"""A manager that has to catch up first takes 2 s at most."""
COALESCE_SECONDS = 0.2
"""Outcomes that change within this time are reported together."""
REPORT_AT_ONCE = 256
"""Intents in one report: keeps a message near 64 KiB."""


class Reconciler(Protocol):
    """The part of `gthulhu.agent.reconciler.Reconciler` that a session needs."""

    def capabilities(self) -> enforcement.Capabilities:
        """Return what the enforcer is and can."""

    def outcomes(self) -> Mapping[str, reconcilers.Outcome]:
        """Return what has become of each intent, by id."""

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Have `callback` called with the ids of intents whose outcomes have changed; returns what ends it."""


class Observer(Protocol):
    """Hears what happens on sessions, for metrics and health."""

    def heard(self) -> None:
        """Note that a manager has said something."""

    def applied(self, *, seconds: float, rejected: int) -> None:
        """Note that a delta is in force."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the agent says of itself in the hello."""

    name: str
    agent_version: str
    agent_address: str
    """Where managers reach its NodeService, host:port; empty where they do not."""
    boot_id: str
    """The kernel's; empty where it has none."""


class Session:
    """One stream of intents. `run` it once."""

    def __init__(
        self,
        *,
        node: Node,
        wanted: wanteds.Wanted,
        reconciler: Reconciler,
        tokens: credentials.TokenFile,
        clock: clocks.Clock,
        observer: Observer,
    ) -> None:
        """Take what the session is about."""
        self._node = node
        self._wanted = wanted
        self._reconciler = reconciler
        self._tokens = tokens
        self._clock = clock
        self._observer = observer
        self._assembly = assemblies.Assembly()
        self._writing = asyncio.Lock()
        self._unreported: set[str] = set()
        self._to_report = asyncio.Event()

    async def run(self, channel: grpc.aio.Channel) -> failure.Ending:
        """Speak with a manager until one side ends it; returns what the end means."""
        try:
            token = await self._tokens.read()
        except credentials.TokenError as error:
            return failure.Ending(meaning=failure.Meaning.RENEW, code="NO_TOKEN", text=str(error))
        call: Call = session_pb2_grpc.SessionServiceStub(channel).StreamIntents(
            metadata=(("authorization", f"Bearer {token.text}"),)
        )
        unsubscribe = self._reconciler.subscribe(self._mark)
        try:
            await self._say(call, session_pb2.StreamIntentsRequest(hello=self._hello()))
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._report(call), name="session: report"),
                    group.create_task(self._settle(), name="session: settle"),
                ]
                if token.expires_at:
                    beside.append(group.create_task(self._reauthenticate(call, token), name="session: reauth"))
                ending = await self._receive(call)
                for task in beside:
                    task.cancel()
        finally:
            unsubscribe()
            call.cancel()
        return ending

    def _hello(self) -> session_pb2.StreamIntentsRequest.Hello:
        held = self._wanted.held
        return session_pb2.StreamIntentsRequest.Hello(
            node=self._node.name,
            boot_id=self._node.boot_id,
            agent_version=self._node.agent_version,
            agent_address=self._node.agent_address,
            held=held.versions(),
            revisions=session_pb2.Revisions(**dataclasses.asdict(held.revisions)),
            capabilities=convert.capabilities(self._reconciler.capabilities()),
        )

    async def _settle(self) -> None:
        """Take it that a manager that has said nothing by now wants nothing else: it would have refused at once."""
        await self._clock.sleep(SETTLED_SECONDS)
        self._observer.heard()
        await self._wanted.restore()

    async def _receive(self, call: Call) -> failure.Ending:
        try:
            while (message := await calls.read(call)) is not None:
                self._observer.heard()
                body = message.WhichOneof("body")
                if body == "delta":
                    if delta := self._assembly.add(message.delta):
                        await self._take(call, delta)
                    continue
                self._assembly.require_complete()
                if body == "drain":
                    return failure.Ending(meaning=failure.Meaning.MOVE, code="DRAIN", text="the manager is stopping")
                if body == "digest":
                    await self._compare(message.digest)
        except assemblies.ProtocolError as error:
            return failure.Ending(meaning=failure.Meaning.BACK_OFF, code="PROTOCOL", text=str(error))
        except OSError as error:
            return failure.Ending(meaning=failure.Meaning.BACK_OFF, code="DISK", text=f"not written: {error}")
        return failure.of_status(await calls.status(call))

    async def _take(self, call: Call, delta: assemblies.Delta) -> None:
        began = self._clock.monotonic()
        faults = {one.id: fault for one in delta.set if (fault := acceptance.fault(one))}
        held = self._wanted.held
        kept = {key: one for key, one in held.intents.items() if key not in delta.removed}
        await self._wanted.accept(
            helds.Held(
                intents=kept | {one.id: one for one in delta.set if one.id not in faults},
                revisions=held.revisions.raised_to(delta.revisions),
            )
        )
        rejected = [
            session_pb2.StreamIntentsRequest.Rejection(intent_id=one.id, version=one.version, reason=faults[one.id])
            for one in delta.set
            if one.id in faults
        ]
        for one in rejected:
            _log.warning("intent %s rejected: %s", one.intent_id, one.reason)
        await self._say(
            call,
            session_pb2.StreamIntentsRequest(
                ack=session_pb2.StreamIntentsRequest.Ack(nonce=delta.nonce, rejected=rejected)
            ),
        )
        self._observer.applied(seconds=self._clock.monotonic() - began, rejected=len(rejected))
        self._mark(one.id for one in delta.set)

    async def _compare(self, digest: session_pb2.StreamIntentsResponse.Digest) -> None:
        versions = self._wanted.held.versions()
        if (digest.digest, digest.intents) != (digests.of_versions(versions), len(versions)):
            raise assemblies.ProtocolError(
                f"the manager means {digest.intents} intents ({digest.digest}), held are {len(versions)}"
            )
        await self._wanted.confirm()

    def _mark(self, intent_ids: Iterable[str]) -> None:
        self._unreported.update(intent_ids)
        self._to_report.set()

    async def _report(self, call: Call) -> None:
        """Say what has become of intents: of all of them first, then of those whose outcomes change."""
        self._mark(self._wanted.held.intents)
        while True:
            await self._to_report.wait()
            await self._clock.sleep(COALESCE_SECONDS)
            self._to_report.clear()
            ids, self._unreported = self._unreported, set()
            outcomes, held = self._reconciler.outcomes(), self._wanted.held.intents
            figures = [convert.applied(outcomes[key]) for key in sorted(ids) if key in held and key in outcomes]
            enforcer = self._reconciler.capabilities().enforcer
            for part in _parts(figures, REPORT_AT_ONCE):
                applied = session_pb2.StreamIntentsRequest.Applied(intents=part, enforcer=enforcer)
                await self._say(call, session_pb2.StreamIntentsRequest(applied=applied))

    async def _reauthenticate(self, call: Call, token: credentials.NodeToken) -> None:
        while token.expires_at:
            token = await self._tokens.successor(token)
            reauth = session_pb2.StreamIntentsRequest.Reauth(token=token.text)
            await self._say(call, session_pb2.StreamIntentsRequest(reauth=reauth))

    async def _say(self, call: Call, message: session_pb2.StreamIntentsRequest) -> None:
        async with self._writing:  # a call takes one write at a time
            await calls.write(call, message)


def _parts(
    figures: Sequence[session_pb2.StreamIntentsRequest.Applied.Intent], size: int
) -> Iterable[Sequence[session_pb2.StreamIntentsRequest.Applied.Intent]]:
    return (figures[start : start + size] for start in range(0, len(figures), size))
