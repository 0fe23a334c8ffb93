"""Native gRPC through the same listener: the services of users pass, those of the system do not."""

import urllib.parse
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from gthulhu.common import errors
from gthulhu.v1 import (
    decision_maker_pb2,
    decision_maker_pb2_grpc,
    enrollment_pb2,
    enrollment_pb2_grpc,
    intent_pb2,
    intent_pb2_grpc,
    metric_pb2_grpc,
    node_pb2,
    node_pb2_grpc,
    session_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
)
from tests.integration.gateway import harness


@pytest_asyncio.fixture(loop_scope="session")
async def channel(url: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(urllib.parse.urlsplit(url).netloc) as opened:
        yield opened


async def test_a_call_passes_unchanged(manager: harness.Upstream, channel: grpc.aio.Channel) -> None:
    manager.answer("GetStrategy", strategy_pb2.ScheduleStrategy(id="s1", execution_time=5))
    stub = strategy_pb2_grpc.StrategyServiceStub(channel)

    call = stub.GetStrategy(
        strategy_pb2.GetStrategyRequest(strategy_id="s1"), metadata=(("authorization", "Bearer t"),), timeout=5
    )

    assert await call == strategy_pb2.ScheduleStrategy(id="s1", execution_time=5)
    assert manager.metadata["authorization"] == "Bearer t"


async def test_a_stream_passes_unchanged(manager: harness.Upstream, channel: grpc.aio.Channel) -> None:
    async def watch(_request: object, _context: object) -> AsyncIterator[intent_pb2.WatchIntentsResponse]:
        for i in range(3):
            yield intent_pb2.WatchIntentsResponse(cursor=str(i))

    manager.answer("WatchIntents", watch)

    stream = intent_pb2_grpc.IntentServiceStub(channel).WatchIntents(intent_pb2.WatchIntentsRequest(), timeout=5)

    assert [event.cursor async for event in stream] == ["0", "1", "2"]


async def test_an_error_keeps_its_status_and_details(manager: harness.Upstream, channel: grpc.aio.Channel) -> None:
    manager.answer("GetStrategy", errors.NotFoundError("STRATEGY_NOT_FOUND", "no strategy s1"))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await strategy_pb2_grpc.StrategyServiceStub(channel).GetStrategy(
            strategy_pb2.GetStrategyRequest(strategy_id="s1"), timeout=5
        )

    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no strategy s1")
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("STRATEGY_NOT_FOUND", "gthulhu")


async def test_health_and_reflection_pass(manager: harness.Upstream, channel: grpc.aio.Channel) -> None:
    health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    asked = reflection_pb2.ServerReflectionRequest(list_services="*")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = [answer async for answer in stub.ServerReflectionInfo(iter([asked]), timeout=5)]

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    names = {service.name for service in answers[0].list_services_response.service}
    assert "gthulhu.v1.StrategyService" in names
    assert manager.requests == []


async def test_the_systems_own_services_do_not_pass(manager: harness.Upstream, channel: grpc.aio.Channel) -> None:
    calls = [
        enrollment_pb2_grpc.EnrollmentServiceStub(channel).Enroll(enrollment_pb2.EnrollRequest(), timeout=5),
        node_pb2_grpc.NodeServiceStub(channel).ListDecisions(node_pb2.ListDecisionsRequest(), timeout=5),
        decision_maker_pb2_grpc.DecisionMakerServiceStub(channel).ListPodPids(
            decision_maker_pb2.ListPodPidsRequest(), timeout=5
        ),
        # Nothing is written: a write that meets an ended call would hide its status.
        session_pb2_grpc.SessionServiceStub(channel).StreamIntents(timeout=5),
        metric_pb2_grpc.MetricServiceStub(channel).StreamMetrics(timeout=5),
    ]

    for call in calls:
        assert await call.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "{" not in await call.details()
    assert manager.requests == []


async def test_what_calls_itself_grpc_does_not_reach_a_rest_path(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "POST", "/api/v1/auth/logout", headers={"content-type": "application/grpc"})

    assert answer.headers["grpc-status"] == str(grpc.StatusCode.UNIMPLEMENTED.value[0])
    assert manager.requests == []


async def test_an_agents_decision_makers_service_passes(agent: harness.Upstream, agent_url: str) -> None:
    async with grpc.aio.insecure_channel(urllib.parse.urlsplit(agent_url).netloc) as channel:
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        answer = await stub.ListPodPids(decision_maker_pb2.ListPodPidsRequest(), timeout=5)

    assert answer == node_pb2.ListPodProcessesResponse()
    assert len(agent.requests) == 1
