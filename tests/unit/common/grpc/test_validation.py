"""What is said of a request that breaks a rule of the schema."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor, message

from gthulhu.common import errors
from gthulhu.common.grpc import access, validation
from gthulhu.v1 import auth_pb2, decision_maker_pb2, intent_pb2, session_pb2, strategy_pb2, user_pb2
from tests.unit.common.grpc import servers


def violations(request: message.Message) -> dict[str, str]:
    with pytest.raises(errors.InvalidInputError) as caught:
        validation.check(request)
    assert caught.value.reason == "INVALID_ARGUMENT"
    first = caught.value.fields[0]
    assert caught.value.message == f"{first.field}: {first.description}"
    return {item.field: item.description for item in caught.value.fields}


def strategy(**fields: Any) -> strategy_pb2.CreateStrategyRequest:  # noqa: ANN401 - of any type
    return strategy_pb2.CreateStrategyRequest(strategy=fields)


def test_what_keeps_the_rules_passes() -> None:
    validation.check(strategy(name="web", priority=3, execution_time=20_000_000, label_selectors=[{"key": "app"}]))


@pytest.mark.parametrize(
    ("request_", "field", "description"),
    [
        (strategy(priority=21), "strategy.priority", "21 is not allowed: must be 0 to 20"),
        (strategy(priority=-1), "strategy.priority", "-1 is not allowed: must be 0 to 20"),
        (
            strategy(execution_time=-5),
            "strategy.executionTime",
            "-5 is not allowed: must be 0 (the enforcer's default) or 100000 to 1000000000 nanoseconds",
        ),
        (
            strategy(label_selectors=[{"key": "app"}, {"key": "a b"}]),
            "strategy.labelSelectors[1].key",
            (
                "\"a b\" is not allowed: must be 1 to 63 letters, digits, '-', '_' and '.', a letter or digit at both "
                "ends; before them, if wanted, a DNS name and '/'"
            ),
        ),
        (
            strategy(k8s_namespace=["Prod"]),
            "strategy.k8sNamespace[0]",
            "\"Prod\" is not allowed: must be 1 to 63 lower-case letters, digits and '-', no '-' at an end",
        ),
        (
            strategy(k8s_namespace=["a", "a"]),
            "strategy.k8sNamespace",
            "a list of 2 is not allowed: must not hold the same item twice",
        ),
        (strategy_pb2.CreateStrategyRequest(), "strategy", "must be given"),
        (
            session_pb2.StreamIntentsRequest(),
            "body",
            "one of hello, ack, applied, reauth must be given",
        ),
        (
            intent_pb2.ListIntentsRequest(state=99),  # type: ignore[arg-type] # not in the enum
            "state",
            "99 is not allowed: must be one of PENDING, SENT, APPLIED, SUPERSEDED, FAILED",
        ),
        (
            user_pb2.DeleteUserRequest(user_id="1", strategies="burn"),
            "strategies",
            '"burn" is not allowed: must be one of ["", "delete", "reassign"]',
        ),
        (
            decision_maker_pb2.ReplaceIntentsRequest(intents=[{"pod_id": "x" * 65}]),
            "intents[0].podID",
            f'"{"x" * 61}…" is not allowed: must be at most 64 characters',
        ),
        (
            decision_maker_pb2.IssueTokenRequest(public_key="x" * 16385),
            "public_key",
            f'"{"x" * 61}…" is not allowed: must be at most 16384 characters',
        ),
    ],
)
def test_the_field_the_value_and_what_is_allowed_are_named(
    request_: message.Message, field: str, description: str
) -> None:
    assert violations(request_) == {field: description}


def test_all_fields_at_fault_are_named_each_once() -> None:
    found = violations(strategy(name="A_", priority=21))
    assert list(found) == ["strategy.name", "strategy.priority"]
    found = violations(user_pb2.CreateUserRequest(username="", password="x" * 20))
    assert list(found) == ["username"]


@pytest.mark.parametrize(
    "request_",
    [
        auth_pb2.LoginRequest(username="a", password="hunter2" * 1000),
        auth_pb2.RefreshRequest(refresh_token="hunter2" * 1000),
        user_pb2.CreateUserRequest(username="a", password="hunter2" * 1000),
        user_pb2.ChangeOwnPasswordRequest(old_password="hunter2" * 1000, new_password="hunter2" * 1000),
        session_pb2.StreamIntentsRequest(reauth={"token": "hunter2" * 10_000}),
    ],
    ids=lambda request: type(request).__name__,
)
def test_secrets_are_not_repeated(request_: message.Message) -> None:
    for description in violations(request_).values():
        assert "hunter2" not in description
        assert description.startswith("the value (not shown) is not allowed: must be")


def every_message() -> Iterator[descriptor.Descriptor]:
    def nested(kind: descriptor.Descriptor) -> Iterator[descriptor.Descriptor]:
        yield kind
        for inner in kind.nested_types:
            yield from nested(inner)

    for file in access.files():
        for kind in file.message_types_by_name.values():
            yield from nested(kind)


def test_every_pattern_of_the_schema_has_words() -> None:
    missing = set()
    for kind in every_message():
        for field in kind.fields:
            for option, rules in field.GetOptions().ListFields():
                if option.full_name != "buf.validate.field":
                    continue
                for text in (rules.string, rules.repeated.items.string):
                    if text.pattern and text.pattern not in validation.PATTERNS:
                        missing.add((field.full_name, text.pattern))
    assert missing == set()


async def test_requests_are_checked_before_the_handler_sees_them(identity: servers.Pki) -> None:
    async def never(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        raise AssertionError

    async with servers.serving(identity, unary=never) as address, servers.calling(identity, address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await servers.method(channel, "Unary")(strategy(priority=21), timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "strategy.priority: 21 is not allowed: must be 0 to 20"


async def test_what_is_no_message_is_the_callers_fault(identity: servers.Pki) -> None:
    async def never(_: Any, __: Any) -> servers.Response:  # noqa: ANN401 - gRPC's
        raise AssertionError

    async with servers.serving(identity, unary=never) as address, servers.calling(identity, address) as channel:
        call = channel.unary_unary(f"/{servers.SERVICE}/Unary", request_serializer=bytes)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff" * 9, timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "the request is no message that this method takes"


async def test_each_message_of_a_stream_is_checked(identity: servers.Pki) -> None:
    async def echo(requests: AsyncIterator[servers.Request], _: Any) -> AsyncIterator[servers.Response]:  # noqa: ANN401 - gRPC's
        async for request in requests:
            yield request.strategy

    async with servers.serving(identity, both=echo) as address, servers.calling(identity, address) as channel:
        call = servers.method(channel, "Both")(timeout=5)
        await call.write(strategy(priority=20))
        assert (await call.read()).priority == 20
        await call.write(strategy(priority=21))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
