"""The manager's end of the session: between its messages and `gthulhu.manager.distribution`."""

import asyncio
import dataclasses
import datetime
from collections.abc import AsyncIterator, Iterator

import grpc

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import admission, live, session, sessions, waiting
from gthulhu.manager.distribution import delta as deltas
from gthulhu.manager.domain import intent as intents
from gthulhu.manager.services import peers
from gthulhu.v1 import session_pb2, session_pb2_grpc

Request = session_pb2.StreamIntentsRequest
Response = session_pb2.StreamIntentsResponse

_CHUNK_BYTES = 60 * 1024
"""Of intents; with nonce and revisions a message stays below 64 KiB."""
_LABEL_OVERHEAD = 10
"""Tags and lengths of an entry of a map."""
_INTENT_OVERHEAD = 80
"""Tags and lengths of its texts, its two numbers, and the strategy's time."""
_HELLO_SECONDS = 10.0
"""An agent that says nothing for so long is none."""


class SessionService(session_pb2_grpc.SessionServiceServicer):
    """See the schema."""

    def __init__(
        self,
        *,
        registry: sessions.Sessions,
        agents: peers.Agents,
        gate: admission.Admission,
        clock: clocks.Clock,
    ) -> None:
        """Open sessions in a registry, for agents that prove which node they are on, as fast as a gate allows."""
        self._registry = registry
        self._agents = agents
        self._gate = gate
        self._clock = clock

    async def StreamIntents(  # noqa: N802 - the schema's name
        self, requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Request, Response]
    ) -> None:
        """See the schema; answers are written rather than yielded, so that the end need not wait for a slow reader."""
        self._gate.admit()
        agent = self._agents.identify(context)
        hello = await _hello(requests)
        if hello.node != agent.node:
            raise errors.PermissionDeniedError(
                "NODE_MISMATCH", f"hello names node {hello.node!r}, the certificate {agent.node!r}"
            )
        async with self._registry.open(hello, expires_at=agent.expires_at) as opened:
            await waiting.first(
                self._read(requests, opened, agent),
                _write(context, opened),
                opened.ended(),
            )

    async def _read(self, requests: AsyncIterator[Request], opened: live.Live, agent: peers.Agent) -> None:
        async for request in requests:
            match request.WhichOneof("body"):
                case "ack":
                    opened.acknowledge(
                        nonce=request.ack.nonce,
                        rejections=[
                            session.Rejection(intent_id=one.intent_id, version=one.version, reason=one.reason)
                            for one in request.ack.rejected
                        ],
                    )
                case "applied":
                    now = self._clock.now()
                    opened.applied(
                        _report(one, request.applied, node=agent.node, now=now) for one in request.applied.intents
                    )
                case "reauth":
                    agent = self._agents.renew(agent, token=request.reauth.token)
                    opened.extend(agent.expires_at)
                case other:
                    raise errors.InvalidInputError.of_field("body", f"{other} is not allowed here")
        # This is also what the loss of the connection looks like: it is never taken for a farewell.
        raise errors.UnavailableError("SESSION_LOST", "the agent's stream has ended")


async def _write(context: grpc.aio.ServicerContext[Request, Response], opened: live.Live) -> None:
    while True:
        match await opened.next():
            case session.Transfer() as transfer:
                for message in _messages(transfer):
                    await context.write(message)
            case session.Check() as check:
                await context.write(Response(digest=Response.Digest(digest=check.digest, intents=check.intents)))
            case live.Farewell():
                await context.write(Response(drain=Response.Drain()))


async def _hello(requests: AsyncIterator[Request]) -> sessions.Hello:
    """Return the first message."""
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            request = await anext(requests)
    except (TimeoutError, StopAsyncIteration):
        raise errors.InvalidInputError.of_field("hello", "must be the first message, within 10 s") from None
    if request.WhichOneof("body") != "hello":
        raise errors.InvalidInputError.of_field("hello", "must be the first message")
    hello = request.hello
    return sessions.Hello(
        node=hello.node,
        agent_version=hello.agent_version,
        agent_address=hello.agent_address,
        held=dict(hello.held),
        seen=deltas.Revisions(
            store=hello.revisions.store,
            inventory=hello.revisions.inventory,
            inventory_source=hello.revisions.inventory_source,
        ),
        enforcer=hello.capabilities.enforcer,
        enforcer_reason=hello.capabilities.reason,
        levers=tuple(hello.capabilities.levers),
    )


def _messages(transfer: session.Transfer) -> Iterator[Response]:
    """Yield a delta in chunks that are each small enough; intents become messages as they are needed."""
    parts = list(deltas.chunks(transfer.delta, size=_size, limit=_CHUNK_BYTES))
    revisions = session_pb2.Revisions(**dataclasses.asdict(transfer.revisions))
    for number, part in enumerate(parts, start=1):
        yield Response(
            delta=Response.Delta(
                nonce=transfer.nonce,
                chunk=number,
                chunks=len(parts),
                set=[_intent(one) for one in part.set],
                removed=part.removed,
                revisions=revisions,
            )
        )


def _intent(one: intents.Intent) -> session_pb2.Intent:
    message = session_pb2.Intent(
        id=one.id,
        version=one.version,
        strategy_id=one.strategy_id,
        pod_uid=one.pod_uid,
        pod_name=one.pod_name,
        namespace=one.namespace,
        labels=one.labels,
        command_regex=one.command_regex,
        priority=one.priority,
        execution_time=one.execution_time_ns,
    )
    message.strategy_create_time.FromDatetime(one.strategy_created_at)
    return message


def _size(one: intents.Intent) -> int:
    """Return how many bytes an intent takes at most: texts as UTF-8, and what tags, lengths and numbers can take."""
    texts = (one.id, one.version, one.strategy_id, one.pod_uid, one.pod_name, one.namespace, one.command_regex)
    labels = sum(len(key.encode()) + len(value.encode()) + _LABEL_OVERHEAD for key, value in one.labels.items())
    return sum(len(text.encode()) for text in texts) + labels + _INTENT_OVERHEAD


def _report(
    message: Request.Applied.Intent, applied: Request.Applied, *, node: str, now: datetime.datetime
) -> intents.Report:
    return intents.Report(
        intent_id=message.intent_id,
        version=message.version,
        node=node,
        processes=message.processes,
        threads=message.threads,
        superseded_by=message.superseded_by,
        limits=tuple(message.limits),
        failure=message.failure,
        enforcer=applied.enforcer,
        reported_at=now,
    )
