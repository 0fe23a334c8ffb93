"""What errors look like over REST: one shape, whoever makes them."""

import asyncio
import socket

import grpc
import pytest

from gthulhu.common import errors
from gthulhu.v1 import intent_pb2
from tests.integration.gateway import harness


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UnauthenticatedError("TOKEN_EXPIRED", "the token has expired"), 401),
        (errors.PermissionDeniedError("PASSWORD_CHANGE_REQUIRED", "change the password first"), 403),
        (errors.NotFoundError("STRATEGY_NOT_FOUND", 'no strategy "häß\\lich"\n'), 404),
        (errors.ConflictError("STRATEGY_CHANGED", "it has changed"), 409),
        (errors.ResourceExhaustedError("ACCOUNT_LOCKED", "too many attempts", retry_after=30), 429),
        (errors.UnavailableError("NODE_UNREACHABLE", "node n1 does not answer"), 503),
        (errors.DeadlineError("TOO_SLOW", "it took too long"), 504),
    ],
    ids=lambda value: getattr(value, "reason", value),
)
async def test_the_managers_errors_keep_status_reason_and_text(
    manager: harness.Upstream, url: str, error: errors.DomainError, status: int
) -> None:
    manager.answer("GetStrategy", error)

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"success": False, "error": error.message, "code": error.reason}
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-rest-"))]


async def test_an_input_error_names_its_fields(manager: harness.Upstream, url: str) -> None:
    manager.answer("CreateStrategy", errors.InvalidInputError.of_field("strategy.priority", "21 is not in 0..20"))

    answer = await harness.call(url, "POST", "/api/v1/strategies", json_body={"priority": 21})

    assert answer.status == 400
    assert answer.json["fields"] == [{"field": "strategy.priority", "description": "21 is not in 0..20"}]


async def test_when_to_try_again_is_a_header(manager: harness.Upstream, url: str) -> None:
    manager.answer("Login", errors.ResourceExhaustedError("ACCOUNT_LOCKED", "locked", retry_after=30))

    answer = await harness.call(url, "POST", "/api/v1/auth/login", json_body={"username": "a", "password": "b"})

    assert (answer.status, answer.headers["retry-after"]) == (429, "30")


async def test_an_error_after_initial_metadata_is_the_same(manager: harness.Upstream, url: str) -> None:
    async def late(_request: object, context: grpc.aio.ServicerContext) -> None:
        await context.send_initial_metadata((("x-note", "1"),))
        raise errors.NotFoundError("STRATEGY_NOT_FOUND", "no such strategy")

    manager.answer("GetStrategy", late)

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    assert answer.status == 404
    assert answer.json == {"success": False, "error": "no such strategy", "code": "STRATEGY_NOT_FOUND"}
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-rest-"))]


async def test_the_text_of_an_unexpected_exception_stays_inside(manager: harness.Upstream, url: str) -> None:
    manager.answer("GetStrategy", RuntimeError("secret"))

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
    assert b"secret" not in answer.body


async def test_a_bare_grpc_status_gets_the_shape_too(manager: harness.Upstream, url: str) -> None:
    async def abort(_request: object, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, '50 % "done"\n')

    manager.answer("GetStrategy", abort)

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    assert answer.status == 400
    assert answer.json == {"success": False, "error": '50 % "done"\n', "code": "FAILED_PRECONDITION"}


async def test_a_call_that_the_manager_gave_up_can_be_tried_again(manager: harness.Upstream, url: str) -> None:
    async def abort(_request: object, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.CANCELLED, "")

    manager.answer("GetStrategy", abort)

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "UNAVAILABLE", "1")


async def test_malformed_json_is_refused_at_the_gateway(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "POST", "/api/v1/auth/login", body=b'{"username": "a"')

    assert (answer.status, answer.json["success"], answer.json["code"]) == (400, False, "INVALID_JSON")
    assert manager.requests == []


@pytest.mark.parametrize(
    ("body", "named"),
    [({"priority": "high"}, "high"), ({"executionTime": 1.5}, "1.5"), ({"labelSelectors": "app"}, "label_selectors")],
)
async def test_a_value_of_the_wrong_type_is_refused_at_the_gateway(
    manager: harness.Upstream, url: str, body: dict[str, object], named: str
) -> None:
    answer = await harness.call(url, "POST", "/api/v1/strategies", json_body=body)

    assert (answer.status, answer.json["code"]) == (400, "INVALID_JSON")
    assert named in answer.json["error"]
    assert manager.requests == []


async def test_an_unknown_query_parameter_is_refused(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "GET", "/api/v1/intents?colour=red")

    assert (answer.status, answer.json["code"]) == (400, "INVALID_JSON")
    assert "colour" in answer.json["error"]
    assert manager.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api/v1",
        "/api/v1/strategies/",
        "/api/v1/strategies/a/b",
        "/api/v1//nodes/n/../nope",
        "/gthulhu.v1.StrategyService/ListStrategies",
        "/gthulhu.v1.SessionService/StreamIntents",
        "/grpc.health.v1.Health/Check",
        "/ui/nope.html",
        "/swagger/nope.js",
    ],
)
async def test_an_unknown_path_is_404(manager: harness.Upstream, url: str, path: str) -> None:
    answer = await harness.call(url, "GET", path)

    assert (answer.status, answer.json["success"], answer.json["code"]) == (404, False, "NOT_FOUND")
    assert manager.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/intents", "GET"),
        ("GET", "/api/v1/auth/login", "POST"),
        ("PATCH", "/api/v1/strategies", "DELETE, GET, POST, PUT"),
        ("DELETE", "/api/v1/strategies/preview", "GET, POST"),
        ("POST", "/api/v1/nodes/n1/metrics", "GET"),
        ("HEAD", "/api/v1/nodes", "GET"),
        ("POST", "/health", "GET"),
        ("POST", "/ui/", "GET"),
        ("DELETE", "/swagger/index.html", "GET"),
    ],
)
async def test_a_wrong_method_is_405_with_what_is_allowed(
    manager: harness.Upstream, url: str, method: str, path: str, allow: str
) -> None:
    answer = await harness.call(url, method, path)

    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert method == "HEAD" or answer.json["code"] == "METHOD_NOT_ALLOWED"
    assert manager.requests == []


async def test_a_method_that_http_does_not_know_is_improper(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "BREW", "/api/v1/nodes")

    assert (answer.status, answer.json["success"], answer.json["code"]) == (400, False, "REQUEST_IMPROPER")
    assert answer.json["error"]
    assert manager.requests == []


async def test_an_agents_gateway_knows_only_its_own_routes(agent: harness.Upstream, agent_url: str) -> None:
    unknown = await harness.call(agent_url, "GET", "/api/v1/strategies")
    wrong = await harness.call(agent_url, "GET", "/api/v1/intents")

    assert (unknown.status, wrong.status, wrong.headers["allow"]) == (404, 405, "POST")
    assert agent.requests == []


async def test_a_stream_that_fails_at_its_start_is_an_error_like_others(manager: harness.Upstream, url: str) -> None:
    async def refuse(_request: object, _context: object) -> object:
        raise errors.PermissionDeniedError("PERMISSION_DENIED", "needs schedule_intent.read")
        yield intent_pb2.WatchIntentsResponse()

    manager.answer("WatchIntents", refuse)

    answer = await harness.call(url, "GET", "/api/v1/intents/watch")

    assert (answer.status, answer.headers["content-type"]) == (403, "application/json")
    assert answer.json["code"] == "PERMISSION_DENIED"


async def test_events_arrive_as_they_are_sent(manager: harness.Upstream, url: str) -> None:
    seen = asyncio.Event()

    async def watch(request: intent_pb2.WatchIntentsRequest, _context: object) -> object:
        yield intent_pb2.WatchIntentsResponse(cursor=request.since, removed_id="i1")
        await seen.wait()  # the second is sent only when the first has arrived
        yield intent_pb2.WatchIntentsResponse(cursor="8", updated={"id": "i2", "execution_time": 5})

    manager.answer("WatchIntents", watch)
    connection = harness.connect(url)
    try:
        await asyncio.to_thread(connection.request, "GET", "/api/v1/intents/watch?since=7")
        answer = await asyncio.to_thread(connection.getresponse)
        first = await asyncio.to_thread(answer.readline)
        seen.set()
        rest = await asyncio.to_thread(answer.read)
    finally:
        seen.set()
        connection.close()

    assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream")
    assert first == b'data: {"cursor":"7","removedId":"i1"}\n'
    assert b'"executionTime":"5"' in rest


async def test_a_client_that_goes_ends_its_stream(manager: harness.Upstream, url: str) -> None:
    ended = asyncio.Event()

    async def watch(_request: object, _context: object) -> object:
        try:
            yield intent_pb2.WatchIntentsResponse(cursor="1", synced=True)
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    manager.answer("WatchIntents", watch)
    connection = harness.connect(url)
    await asyncio.to_thread(connection.request, "GET", "/api/v1/intents/watch")
    answer = await asyncio.to_thread(connection.getresponse)
    await asyncio.to_thread(answer.readline)
    assert isinstance(connection.sock, socket.socket)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()

    await asyncio.wait_for(ended.wait(), timeout=5)
