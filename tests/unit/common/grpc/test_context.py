"""Who calls, from where, under which id: over real connections."""

import asyncio
import pathlib
from typing import Any

import grpc
import pytest

from gthulhu.common import logs
from gthulhu.common.grpc import context
from gthulhu.common.identity import tls
from tests.unit.common.grpc import servers

Metadata = tuple[tuple[str, str], ...]


async def seen(
    identity: servers.Pki, *, role: str = "agent", metadata: Metadata = ()
) -> tuple[context.RequestContext, str]:
    """Return the context of one call with that role's certificate, and the request id in its log records."""
    found: list[tuple[context.RequestContext, str]] = []

    async def look(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        found.append((context.current(), logs.request_id.get()))
        return servers.Response()

    async with (
        servers.serving(identity, unary=look) as address,
        servers.calling(identity, address, role=role) as channel,
    ):
        await servers.method(channel, "Unary")(servers.Request(strategy={}), metadata=metadata, timeout=5)
    return found[0]


@pytest.mark.parametrize(
    ("role", "peer"),
    [
        ("agent", tls.Peer("agent", "node-1")),
        ("manager", tls.Peer("manager")),
        ("gateway", tls.Peer("gateway")),
    ],
)
async def test_the_caller_is_known_by_its_certificate(identity: servers.Pki, role: str, peer: tls.Peer) -> None:
    request, _ = await seen(identity, role=role)
    assert request.peer == peer
    assert request.method == "/gthulhu.test.Kinds/Unary"
    assert request.address == "127.0.0.1"


async def test_the_gateway_says_for_whom_it_calls(identity: servers.Pki) -> None:
    metadata = (("x-forwarded-for", "198.51.100.7, 203.0.113.9"),)
    request, _ = await seen(identity, role="gateway", metadata=metadata)
    assert request.address == "203.0.113.9"  # the last is what the gateway saw; what is before it anybody may claim


@pytest.mark.parametrize("claim", ["", "unknown", "203.0.113.9, <script>"])
async def test_what_is_no_address_is_not_taken(identity: servers.Pki, claim: str) -> None:
    request, _ = await seen(identity, role="gateway", metadata=(("x-forwarded-for", claim),))
    assert request.address == "127.0.0.1"


@pytest.mark.parametrize("role", ["agent", "manager"])
async def test_nobody_else_may_say_so(identity: servers.Pki, role: str) -> None:
    request, _ = await seen(identity, role=role, metadata=(("x-forwarded-for", "203.0.113.9"),))
    assert request.address == "127.0.0.1"


async def test_the_request_id_is_the_callers_and_in_the_log(identity: servers.Pki) -> None:
    request, logged = await seen(identity, metadata=(("x-request-id", "3f2a-77"),))
    assert request.id == logged == "3f2a-77"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b'])
async def test_a_request_id_that_could_forge_log_lines_is_replaced(identity: servers.Pki, given: str) -> None:
    request, logged = await seen(identity, metadata=(("x-request-id", given),))
    assert request.id == logged != given
    assert len(request.id) == 16


async def test_requests_at_the_same_time_do_not_see_each_other(identity: servers.Pki) -> None:
    everybody = asyncio.Barrier(8)

    async def meet(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        await everybody.wait()
        return servers.Response(name=context.current().id)

    async with servers.serving(identity, unary=meet) as address, servers.calling(identity, address) as channel:
        call = servers.method(channel, "Unary")
        calls = [
            call(servers.Request(strategy={}), metadata=(("x-request-id", f"r{index}"),), timeout=5)
            for index in range(8)
        ]
        assert [(await answer).name for answer in calls] == [f"r{index}" for index in range(8)]


async def test_outside_of_requests_there_is_none() -> None:
    with pytest.raises(LookupError):
        context.current()


async def test_on_a_unix_socket_the_one_who_may_open_it_is_the_gateway(tmp_path: pathlib.Path) -> None:
    found: list[context.RequestContext] = []

    async def look(_: Any, __: Any) -> bytes:  # noqa: ANN401 - gRPC's
        found.append(context.current())
        return b""

    server = grpc.aio.server(interceptors=[context.ContextInterceptor(trust_domain="gthulhu.local")])
    handler = grpc.unary_unary_rpc_method_handler(look)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Y", {"Z": handler}),))
    target = f"unix:{tmp_path}/agent.sock"
    server.add_insecure_port(target)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            call = channel.unary_unary("/x.Y/Z")
            await call(b"", timeout=5)
            await call(b"", metadata=(("x-forwarded-for", "203.0.113.9"),), timeout=5)
    finally:
        await server.stop(0)
    assert [(request.address, request.peer) for request in found] == [("", None), ("203.0.113.9", None)]
