"""A real gRPC server whose answers a test decides, and a plain HTTP client."""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import pathlib
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf import descriptor, message, message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gthulhu.common.grpc import channel, errors
from gthulhu.common.identity import tls
from gthulhu.v1 import (
    audit_pb2,
    auth_pb2,
    cluster_pb2,
    decision_maker_pb2,
    enrollment_pb2,
    intent_pb2,
    metric_pb2,
    node_pb2,
    role_pb2,
    session_pb2,
    strategy_pb2,
    system_pb2,
    user_pb2,
)

FILES = (
    audit_pb2,
    auth_pb2,
    cluster_pb2,
    decision_maker_pb2,
    enrollment_pb2,
    intent_pb2,
    metric_pb2,
    node_pb2,
    role_pb2,
    session_pb2,
    strategy_pb2,
    system_pb2,
    user_pb2,
)
TRUST_DOMAIN = "gthulhu.test"

Context = grpc.aio.ServicerContext
Handler = Callable[[message.Message, Context], Any]
"""A coroutine function, or an async generator function for streams."""


class Upstream(grpc.GenericRpcHandler):
    """Serves every service of the schema; an RPC answers as the test has told it, else with an empty message."""

    def __init__(self) -> None:
        """Know all RPCs."""
        self.answers: dict[str, Handler] = {}
        self.requests: list[message.Message] = []
        self.rpcs: list[str] = []
        self.metadata: dict[str, str] = {}
        self._rpcs = {
            f"/{rpc.containing_service.full_name}/{rpc.name}": rpc
            for module in FILES
            for service in module.DESCRIPTOR.services_by_name.values()
            for rpc in service.methods
        }

    def answer(self, name: str, reply: message.Message | Exception | Handler) -> None:
        """Let the RPC called `name` (without its service) answer, fail, or do something."""
        assert any(rpc.name == name for rpc in self._rpcs.values()), name
        if isinstance(reply, Exception):
            self.answers[name] = _raising(reply)
        elif isinstance(reply, message.Message):
            self.answers[name] = _returning(reply)
        else:
            self.answers[name] = reply

    def forget(self) -> None:
        """Answer everything with empty messages again."""
        self.answers.clear()
        self.requests.clear()
        self.rpcs.clear()
        self.metadata.clear()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """See grpc.GenericRpcHandler."""
        rpc = self._rpcs.get(handler_call_details.method)
        if rpc is None:
            return None
        if rpc.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._ended)
        kind = grpc.unary_stream_rpc_method_handler if rpc.server_streaming else grpc.unary_unary_rpc_method_handler
        return kind(
            self._stream(rpc) if rpc.server_streaming else self._unary(rpc),
            request_deserializer=message_factory.GetMessageClass(rpc.input_type).FromString,
            response_serializer=message_factory.GetMessageClass(rpc.output_type).SerializeToString,
        )

    def _unary(self, rpc: descriptor.MethodDescriptor) -> Handler:
        empty = message_factory.GetMessageClass(rpc.output_type)

        async def call(request: message.Message, context: Context) -> message.Message:
            self._note(rpc, request, context)
            answer = self.answers.get(rpc.name)
            return await answer(request, context) if answer else empty()

        return call

    def _stream(self, rpc: descriptor.MethodDescriptor) -> Handler:
        async def call(request: message.Message, context: Context) -> AsyncIterator[message.Message]:
            self._note(rpc, request, context)
            async with contextlib.aclosing(self.answers[rpc.name](request, context)) as items:
                async for item in items:
                    yield item

        return call

    async def _ended(self, _requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """End a session well, which shows that it came this far."""
        for nothing in b"":
            yield bytes(nothing)
        context.set_code(grpc.StatusCode.OK)

    def _note(self, rpc: descriptor.MethodDescriptor, request: message.Message, context: Context) -> None:
        self.rpcs.append(rpc.full_name)
        self.requests.append(request)
        self.metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


@contextlib.asynccontextmanager
async def serving(
    upstream: Upstream, *, identity: pathlib.Path | None = None, socket: pathlib.Path | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Serve over mTLS with the manager's certificate of a folder, or on a unix socket; yields the address."""
    server = channel.create_server([errors.ErrorInterceptor()])
    server.add_generic_rpc_handlers((upstream,))
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names = [service.full_name for module in FILES for service in module.DESCRIPTOR.services_by_name.values()]
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    if socket:
        server.add_insecure_port(f"unix:{socket}")
        address = f"unix:{socket}"
    else:
        assert identity
        credentials = tls.server_credentials(
            identity / "manager.crt", identity / "manager.key", identity / "ca.crt", require_client=True
        )
        address = f"127.0.0.1:{server.add_secure_port(f'127.0.0.1:{port}', credentials)}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - that is what JSON is
        """Return the body, decoded."""
        return json.loads(self.body)


async def call(
    url: str,
    method: str,
    path: str,
    *,
    json_body: object = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """Make one HTTP/1.1 request on a connection of its own."""
    content = json.dumps(json_body).encode() if json_body is not None else body
    sent = {**({"content-type": "application/json"} if json_body is not None else {}), **(headers or {})}

    def go() -> Answer:
        with contextlib.closing(connect(url, context=context)) as connection:
            connection.request(method, path, body=content, headers=sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, headers=found, body=answer.read())

    return await asyncio.to_thread(go)


def connect(url: str, *, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """Return a connection with a limit of 10 s for each step."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)


def _returning(reply: message.Message) -> Handler:
    async def handler(_request: message.Message, _context: Context) -> message.Message:
        return reply

    return handler


def _raising(error: Exception) -> Handler:
    async def handler(_request: message.Message, _context: Context) -> message.Message:
        raise error

    return handler
