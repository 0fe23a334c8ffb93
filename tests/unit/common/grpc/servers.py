"""A real server over mTLS on loopback, with one service that has an RPC of each kind."""

import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc

from gthulhu.common.grpc import channel as channels
from gthulhu.common.grpc import context, errors, validation
from gthulhu.common.identity import pki, tls
from gthulhu.v1 import strategy_pb2

TRUST_DOMAIN = "gthulhu.local"
SERVICE = "gthulhu.test.Kinds"

Request = strategy_pb2.CreateStrategyRequest
Response = strategy_pb2.ScheduleStrategy
Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


def interceptors() -> list[grpc.aio.ServerInterceptor]:
    """Return ours, in the order in which programs have them."""
    return [
        context.ContextInterceptor(trust_domain=TRUST_DOMAIN),
        errors.ErrorInterceptor(),
        validation.ValidationInterceptor(),
    ]


class Pki:
    """An authority, and identities of it."""

    def __init__(self, folder: pathlib.Path, *, trust_domain: str = TRUST_DOMAIN) -> None:
        self.authority = pki.Authority.create(folder / "ca", trust_domain=trust_domain)
        self.folder = folder
        self.authority.issue("manager", folder / "manager")
        self.authority.issue("gateway", folder / "gateway")
        self.authority.issue_agent("node-1", folder / "agent")

    def files(self, role: str) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
        folder = self.folder / role
        return folder / f"{role}.crt", folder / f"{role}.key", folder / "ca.crt"


def generic(
    *,
    unary: Handler | None = None,
    server_stream: Handler | None = None,
    client_stream: Handler | None = None,
    both: Handler | None = None,
) -> grpc.GenericRpcHandler:
    """Return a service of the given handlers."""
    kinds = {
        "Unary": (grpc.unary_unary_rpc_method_handler, unary),
        "ServerStream": (grpc.unary_stream_rpc_method_handler, server_stream),
        "ClientStream": (grpc.stream_unary_rpc_method_handler, client_stream),
        "Both": (grpc.stream_stream_rpc_method_handler, both),
    }
    coding: dict[str, Any] = {
        "request_deserializer": Request.FromString,
        "response_serializer": Response.SerializeToString,
    }
    handlers = {name: make(behavior, **coding) for name, (make, behavior) in kinds.items() if behavior}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


@contextlib.asynccontextmanager
async def serving(
    identity: Pki,
    *,
    require_client: bool = True,
    chain: Sequence[grpc.aio.ServerInterceptor] | None = None,
    **handlers: Handler,
) -> AsyncIterator[str]:
    """Serve the given handlers with a manager's certificate; yields the address."""
    server = channels.create_server(interceptors() if chain is None else chain)
    server.add_generic_rpc_handlers((generic(**handlers),))
    credentials = tls.server_credentials(*identity.files("manager"), require_client=require_client)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def calling(identity: Pki, address: str, *, role: str = "agent") -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel with the certificate of a role."""
    credentials = tls.channel_credentials(*identity.files(role))
    async with channels.open_channel(address, credentials, server_name="gthulhu-manager") as channel:
        yield channel


def method(channel: grpc.aio.Channel, name: str) -> Any:  # noqa: ANN401 - one of gRPC's four callables
    """Return the RPC of that name."""
    make = {
        "Unary": channel.unary_unary,
        "ServerStream": channel.unary_stream,
        "ClientStream": channel.stream_unary,
        "Both": channel.stream_stream,
    }[name]
    return make(
        f"/{SERVICE}/{name}",
        request_serializer=Request.SerializeToString,
        response_deserializer=Response.FromString,
    )
