"""What callers see of an error, in each of the four kinds of RPC, and what they never see."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gthulhu.common import errors
from gthulhu.common.grpc import errors as grpc_errors
from tests.unit.common.grpc import servers

KINDS = ["Unary", "ServerStream", "ClientStream", "Both"]
GOOD = servers.Request(strategy={"name": "web"})


def raising(error: BaseException) -> dict[str, servers.Handler]:
    """Return handlers of all kinds that fail; those that stream answer once before."""

    async def single(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        raise error

    async def stream(_: Any, __: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        yield servers.Response(name="first")
        raise error

    return {"unary": single, "server_stream": stream, "client_stream": single, "both": stream}


async def call(channel: grpc.aio.Channel, kind: str, request: servers.Request = GOOD) -> list[servers.Response]:
    """Call an RPC of that kind, and return all of its answers."""
    rpc = servers.method(channel, kind)
    argument = [request] if kind in ("ClientStream", "Both") else request
    result = rpc(iter(argument) if isinstance(argument, list) else argument, timeout=5)
    if kind in ("Unary", "ClientStream"):
        return [await result]
    return [response async for response in result]


async def failure(identity: servers.Pki, error: BaseException, kind: str = "Unary") -> grpc.aio.AioRpcError:
    async with servers.serving(identity, **raising(error)) as address, servers.calling(identity, address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, kind)
    return caught.value


def trailing(error: grpc.aio.AioRpcError) -> dict[str, str | bytes]:
    return dict(error.trailing_metadata() or ())


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_meant_for_the_caller_arrives_whole(identity: servers.Pki, kind: str) -> None:
    error = await failure(identity, errors.NotFoundError("STRATEGY_NOT_FOUND", "no strategy 'ä'"), kind)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no strategy 'ä'")
    metadata = trailing(error)
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("STRATEGY_NOT_FOUND", "gthulhu")
    assert metadata["x-rest-status"] == "404"
    assert json.loads(metadata["x-rest-error"]) == {
        "success": False,
        "error": "no strategy 'ä'",
        "code": "STRATEGY_NOT_FOUND",
    }


@pytest.mark.parametrize("kind", KINDS)
async def test_the_text_of_any_other_error_stays_here(
    identity: servers.Pki, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        error = await failure(identity, RuntimeError("password is hunter2"), kind)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in repr(error)
    assert trailing(error)["x-rest-status"] == "500"
    body = json.loads(trailing(error)["x-rest-error"])
    assert body["code"] == "INTERNAL"
    incident = body["error"].rpartition(" ")[2]
    (record,) = [record for record in caplog.records if incident in record.getMessage()]
    assert "hunter2" in str(record.exc_info)


@pytest.mark.parametrize(
    ("kind", "reason", "code", "http"),
    [
        (errors.InvalidInputError, "X", grpc.StatusCode.INVALID_ARGUMENT, "400"),
        (errors.UnauthenticatedError, "X", grpc.StatusCode.UNAUTHENTICATED, "401"),
        (errors.PermissionDeniedError, "X", grpc.StatusCode.PERMISSION_DENIED, "403"),
        (errors.NotFoundError, "X", grpc.StatusCode.NOT_FOUND, "404"),
        (errors.ConflictError, "ETAG_MISMATCH", grpc.StatusCode.ABORTED, "409"),
        (errors.ConflictError, "USER_EXISTS", grpc.StatusCode.ALREADY_EXISTS, "409"),
        (errors.PreconditionError, "X", grpc.StatusCode.FAILED_PRECONDITION, "400"),
        (errors.ResourceExhaustedError, "X", grpc.StatusCode.RESOURCE_EXHAUSTED, "429"),
        (errors.UnavailableError, "X", grpc.StatusCode.UNAVAILABLE, "503"),
        (errors.DeadlineError, "X", grpc.StatusCode.DEADLINE_EXCEEDED, "504"),
    ],
)
def test_each_kind_of_error_has_its_status(
    kind: type[errors.DomainError], reason: str, code: grpc.StatusCode, http: str
) -> None:
    found, _, metadata = grpc_errors.status(kind(reason, "text"))
    assert (found, dict(metadata)["x-rest-status"]) == (code, http)


def test_no_kind_of_error_is_without_a_status() -> None:
    for kind in errors.DomainError.__subclasses__():
        assert grpc_errors.status(kind("X", "text"))[0] is not grpc.StatusCode.INTERNAL


def test_when_to_try_again_is_said_to_both_kinds_of_clients() -> None:
    _, _, metadata = grpc_errors.status(errors.UnavailableError("X", "text", retry_after=1.2))
    assert dict(metadata)["retry-after"] == "2"
    status = status_pb2.Status.FromString(bytes(dict(metadata)["grpc-status-details-bin"]))  # type: ignore[arg-type] # -bin
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1200


def test_fields_are_named_to_both_kinds_of_clients() -> None:
    _, _, metadata = grpc_errors.status(errors.InvalidInputError.of_field("strategy.priority", "21 is not allowed"))
    body = json.loads(dict(metadata)["x-rest-error"])
    assert body["fields"] == [{"field": "strategy.priority", "description": "21 is not allowed"}]
    status = status_pb2.Status.FromString(bytes(dict(metadata)["grpc-status-details-bin"]))  # type: ignore[arg-type] # -bin
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "strategy.priority"


@pytest.mark.parametrize("text", ["x" * 2000, "ü" * 2000, "😀" * 2000, '"\\\n' * 700, "\ud800"])
async def test_whatever_is_said_stays_small_enough_to_arrive(identity: servers.Pki, text: str) -> None:
    fields = [errors.FieldViolation(f"f[{index}]{text}", text) for index in range(1000)]
    error = await failure(identity, errors.InvalidInputError("INVALID_ARGUMENT", text, fields=fields))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    rest = trailing(error)["x-rest-error"]
    assert isinstance(rest, str)
    assert rest.isascii()
    assert len(rest) <= 4096
    body = json.loads(rest)
    assert body["code"] == "INVALID_ARGUMENT"
    assert body["error"].endswith(f" (and {1000 - len(body.get('fields', []))} more fields)")


def test_a_few_fields_are_never_left_out() -> None:
    fields = [errors.FieldViolation(f"strategy.labelSelectors[{index}].key", "is " + "x" * 100) for index in range(9)]
    _, message, metadata = grpc_errors.status(errors.InvalidInputError("INVALID_ARGUMENT", "text", fields=fields))
    assert message == "text"
    assert len(json.loads(dict(metadata)["x-rest-error"])["fields"]) == 9


async def test_a_task_group_that_fails_with_our_errors_fails_with_the_first(identity: servers.Pki) -> None:
    group = ExceptionGroup("tasks", [errors.UnavailableError("NODE_UNREACHABLE", "no answer")])
    assert (await failure(identity, group)).code() is grpc.StatusCode.UNAVAILABLE
    mixed = ExceptionGroup("tasks", [errors.UnavailableError("X", "no answer"), ValueError("hunter2")])
    assert (await failure(identity, mixed)).code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_is_cancelled_and_cleaned_up_where_the_client_goes_away(
    identity: servers.Pki, kind: str
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def single(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        try:
            entered.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.set()
            raise
        raise AssertionError

    async def stream(request: Any, context: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        yield await single(request, context)

    handlers = {"unary": single, "client_stream": single, "server_stream": stream, "both": stream}
    async with servers.serving(identity, **handlers) as address, servers.calling(identity, address) as channel:
        task = asyncio.create_task(call(channel, kind))
        async with asyncio.timeout(5):
            await entered.wait()
            task.cancel()
            await left.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_generator_that_waits_for_a_slow_reader_is_closed_where_the_client_goes_away(
    identity: servers.Pki,
) -> None:
    left = asyncio.Event()

    async def flood(_: Any, __: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        try:
            while True:
                yield servers.Response(description="x" * 1000)
        finally:
            left.set()

    async with servers.serving(identity, server_stream=flood) as address, servers.calling(identity, address) as channel:
        answers = servers.method(channel, "ServerStream")(GOOD)
        await answers.read()
        answers.cancel()
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_status_that_the_handler_sets_itself_is_left_alone(identity: servers.Pki) -> None:
    async def aborting(_: Any, context: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        await context.abort(grpc.StatusCode.DATA_LOSS, "mine")
        raise AssertionError

    async with servers.serving(identity, unary=aborting) as address, servers.calling(identity, address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "Unary")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "mine")


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_changed_where_all_is_well(identity: servers.Pki, kind: str) -> None:
    async def single(request: Any, _: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        if isinstance(request, servers.Request):
            return request.strategy
        return (await anext(request)).strategy

    async def stream(request: Any, context: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        yield await single(request, context)
        yield servers.Response(name="last")

    handlers = {"unary": single, "client_stream": single, "server_stream": stream, "both": stream}
    async with servers.serving(identity, **handlers) as address, servers.calling(identity, address) as channel:
        answers = [answer.name for answer in await call(channel, kind)]
    assert answers == (["web"] if kind in ("Unary", "ClientStream") else ["web", "last"])
