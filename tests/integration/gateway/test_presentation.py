"""What answers look like over REST."""

import datetime
import json

import grpc
import pytest
from google.api import httpbody_pb2
from google.protobuf import json_format, timestamp_pb2

from gthulhu.v1 import (
    audit_pb2,
    auth_pb2,
    cluster_pb2,
    decision_maker_pb2,
    intent_pb2,
    metric_pb2,
    strategy_pb2,
    system_pb2,
)
from tests.integration.gateway import harness


async def test_an_answer_stands_in_an_envelope(manager: harness.Upstream, url: str) -> None:
    manager.answer("Login", auth_pb2.LoginResponse(token="t", access_token="t", refresh_token="r"))

    answer = await harness.call(url, "POST", "/api/v1/auth/login", json_body={"username": "ada", "password": "x"})

    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["success"] is True
    assert answer.json["data"] == {
        "token": "t",
        "accessToken": "t",
        "refreshToken": "r",
        "needChangePassword": False,
    }
    time = datetime.datetime.strptime(answer.json["timestamp"], "%Y-%m-%dT%H:%M:%S%z")
    assert abs(datetime.datetime.now(datetime.UTC) - time) < datetime.timedelta(seconds=30)


async def test_an_empty_answer_has_no_data(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "POST", "/api/v1/auth/logout", json_body={"refreshToken": "r"})

    assert manager.requests == [auth_pb2.LogoutRequest(refresh_token="r")]
    assert answer.status == 200, answer.body
    assert answer.json.keys() == {"success", "timestamp"}


async def test_nothing_of_grpc_shows(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "GET", "/api/v1/nodes")

    assert len(manager.requests) == 1
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-rest-", "x-envoy-"))]
    assert "trailer" not in answer.headers


async def test_headers_that_mean_something_to_grpc_do_not_reach_it(manager: harness.Upstream, url: str) -> None:
    manager.answer("GetStrategy", strategy_pb2.ScheduleStrategy(id="s1"))
    evil = {"grpc-timeout": "x", "grpc-encoding": "gzip", "x-evil-bin": "no base64!", "x-evil": "\xe9"}

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1", headers={**evil, "authorization": "Bearer t"})

    assert answer.status == 200
    assert not evil.keys() & manager.metadata.keys()
    assert manager.metadata["authorization"] == "Bearer t"


@pytest.mark.parametrize("trailing", [False, True], ids=["initial", "trailing"])
async def test_health_is_bare_and_503_where_a_check_fails(
    manager: harness.Upstream, url: str, *, trailing: bool
) -> None:
    async def unhealthy(
        _request: system_pb2.GetHealthRequest, context: grpc.aio.ServicerContext
    ) -> system_pb2.GetHealthResponse:
        if trailing:
            context.set_trailing_metadata((("x-rest-status", "503"),))
        else:
            await context.send_initial_metadata((("x-rest-status", "503"),))
        return system_pb2.GetHealthResponse(status="unhealthy", checks={"store": "gone"})

    manager.answer("GetHealth", system_pb2.GetHealthResponse(status="healthy", service="gthulhu-manager"))
    well = await harness.call(url, "GET", "/health")
    manager.answer("GetHealth", unhealthy)
    ill = await harness.call(url, "GET", "/health")

    assert (well.status, well.json) == (200, {"status": "healthy", "service": "gthulhu-manager", "checks": {}})
    assert (ill.status, ill.json) == (503, {"status": "unhealthy", "service": "", "checks": {"store": "gone"}})
    assert "x-rest-status" not in ill.headers


async def test_integers_of_64_bits_are_numbers_where_the_schema_has_them(manager: harness.Upstream, url: str) -> None:
    manager.answer(
        "ListIntents",
        intent_pb2.ListIntentsResponse(
            intents=[
                intent_pb2.ScheduleIntent(
                    pod_name='"executionTime":"7"',
                    pod_id="5",
                    execution_time=20_000_000,
                    pod_labels={"executionTime": "5", '"executionTime': "6", "9007199254740993": "1"},
                    state=intent_pb2.ScheduleIntent.APPLIED,
                )
            ],
            state_counts={"APPLIED": 1},
        ),
    )

    answer = await harness.call(url, "GET", "/api/v1/intents")

    intent = answer.json["data"]["intents"][0]
    assert intent["executionTime"] == 20_000_000
    assert intent["podLabels"] == {"executionTime": "5", '"executionTime': "6", "9007199254740993": "1"}
    assert (intent["podName"], intent["podID"]) == ('"executionTime":"7"', "5")
    assert answer.json["data"]["stateCounts"] == {"APPLIED": 1}


async def test_the_largest_numbers_arrive_exactly(manager: harness.Upstream, url: str) -> None:
    sample = cluster_pb2.NodeMetrics(
        node="n1",
        metric_set=metric_pb2.MetricSet(nr_queued=2**64 - 1),
        pods=[metric_pb2.PodMetrics(pod_id="p", run_ns=2**63 + 1)],
    )
    manager.answer("GetNodeMetrics", sample)

    answer = await harness.call(url, "GET", "/api/v1/nodes/n1/metrics")

    assert manager.requests == [cluster_pb2.GetNodeMetricsRequest(node="n1")]
    assert answer.json["data"]["metricSet"]["nr_queued"] == 2**64 - 1
    assert answer.json["data"]["pods"][0]["runNs"] == 2**63 + 1


async def test_free_form_data_is_left_alone(manager: harness.Upstream, url: str) -> None:
    entry = audit_pb2.AuditLog(id=7)
    entry.after.update({"id": "7", "executionTime": "5", "list": ["1", {"id": "2"}], "number": 3})
    manager.answer("ListAuditLogs", audit_pb2.ListAuditLogsResponse(audit_logs=[entry]))

    answer = await harness.call(url, "GET", "/api/v1/audit-logs")

    shown = answer.json["data"]["auditLogs"][0]
    assert shown["id"] == 7
    assert shown["after"] == {"id": "7", "executionTime": "5", "list": ["1", {"id": "2"}], "number": 3}


async def test_lists_and_defaults_are_present(manager: harness.Upstream, url: str) -> None:
    manager.answer("GetStrategy", strategy_pb2.ScheduleStrategy(id="s1"))

    answer = await harness.call(url, "GET", "/api/v1/strategies/s1")

    data = answer.json["data"]
    assert (data["labelSelectors"], data["allPods"], data["executionTime"]) == ([], False, 0)


async def test_a_large_answer_arrives_whole(manager: harness.Upstream, url: str) -> None:
    intents = [
        intent_pb2.ScheduleIntent(id=f"{i:032x}", execution_time=i, pod_labels={"app": "x" * 900}) for i in range(3000)
    ]
    manager.answer("ListIntents", intent_pb2.ListIntentsResponse(intents=intents))

    answer = await harness.call(url, "GET", "/api/v1/intents")

    assert answer.status == 200, answer.body
    assert [intent["executionTime"] for intent in answer.json["data"]["intents"]] == list(range(3000))


async def test_both_spellings_of_a_key_are_taken(manager: harness.Upstream, url: str) -> None:
    for body in ({"refreshToken": "r"}, {"refresh_token": "r"}):
        await harness.call(url, "POST", "/api/v1/auth/logout", json_body=body)

    assert manager.requests == [auth_pb2.LogoutRequest(refresh_token="r")] * 2


async def test_unknown_keys_of_a_body_are_ignored(manager: harness.Upstream, url: str) -> None:
    answer = await harness.call(url, "POST", "/api/v1/auth/logout", json_body={"refreshToken": "r", "colour": "red"})

    assert answer.status == 200, answer.body
    assert manager.requests == [auth_pb2.LogoutRequest(refresh_token="r")]


async def test_a_deletion_takes_a_body_or_a_query(manager: harness.Upstream, url: str) -> None:
    await harness.call(url, "DELETE", "/api/v1/strategies", json_body={"strategyId": "s1", "etag": "e"})
    await harness.call(url, "DELETE", "/api/v1/strategies?strategyId=s1&etag=e")

    assert manager.requests == [strategy_pb2.DeleteStrategyRequest(strategy_id="s1", etag="e")] * 2


async def test_a_strategy_is_created_from_its_documented_keys(manager: harness.Upstream, url: str) -> None:
    body = {
        "strategyNamespace": "default",
        "labelSelectors": [{"key": "app", "value": "nginx"}],
        "k8sNamespace": ["prod"],
        "commandRegex": "nginx",
        "priority": 3,
        "executionTime": 20_000_000,
    }

    await harness.call(url, "POST", "/api/v1/strategies", json_body=body)

    assert manager.requests == [
        strategy_pb2.CreateStrategyRequest(strategy=json_format.ParseDict(body, strategy_pb2.ScheduleStrategy()))
    ]


async def test_path_variables_and_queries_reach_the_request(manager: harness.Upstream, url: str) -> None:
    await harness.call(url, "GET", "/api/v1/pods/prod/web-1/explain")
    await harness.call(url, "GET", "/api/v1/intents?node=n1&state=APPLIED&pageSize=5")

    assert manager.requests == [
        cluster_pb2.ExplainPodRequest(namespace="prod", name="web-1"),
        intent_pb2.ListIntentsRequest(node="n1", state=intent_pb2.ScheduleIntent.APPLIED, page_size=5),
    ]


async def test_the_schedulers_routes_are_passed_byte_for_byte(agent: harness.Upstream, agent_url: str) -> None:
    body = b'{"success":true,"scheduling":[{"pid":101,"execution_time":10000000,"k":"5"}]}'
    manager_like = httpbody_pb2.HttpBody(content_type="application/json", data=body)
    agent.answer("GetSchedulingStrategies", manager_like)

    answer = await harness.call(
        agent_url,
        "GET",
        "/api/v1/scheduling/strategies",
        headers={"content-type": "application/json", "authorization": "Bearer t", "user-agent": "Go-http-client/1.1"},
    )

    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", body)
    assert agent.metadata["authorization"] == "Bearer t"


async def test_the_agents_metrics_are_prometheus_text(agent: harness.Upstream, agent_url: str) -> None:
    text = httpbody_pb2.HttpBody(content_type="text/plain; version=0.0.4; charset=utf-8", data=b"up 1\n")
    agent.answer("GetMetrics", text)

    answer = await harness.call(agent_url, "GET", "/metrics")

    assert (answer.headers["content-type"], answer.body) == (text.content_type, b"up 1\n")


async def test_a_scheduler_can_report_its_counters(agent: harness.Upstream, agent_url: str) -> None:
    answer = await harness.call(
        agent_url, "POST", "/api/v1/metrics", json_body={"nr_queued": 2**64 - 1, "usersched_last_run_at": 5}
    )

    assert agent.requests == [metric_pb2.MetricSet(nr_queued=2**64 - 1, usersched_last_run_at=5)]
    assert answer.status == 200, answer.body
    assert answer.json.keys() == {"success", "timestamp"}


async def test_a_token_request_uses_snake_case(agent: harness.Upstream, agent_url: str) -> None:
    refused = b'{"success":false,"error":"Public key verification failed"}'

    async def refuse(
        _request: decision_maker_pb2.IssueTokenRequest, context: grpc.aio.ServicerContext
    ) -> httpbody_pb2.HttpBody:
        await context.send_initial_metadata((("x-rest-status", "401"),))
        return httpbody_pb2.HttpBody(content_type="application/json", data=refused)

    agent.answer("IssueToken", refuse)

    answer = await harness.call(
        agent_url, "POST", "/api/v1/auth/token", json_body={"public_key": "PEM", "client_id": "c", "expired_at": 7}
    )

    assert agent.requests == [decision_maker_pb2.IssueTokenRequest(public_key="PEM", client_id="c", expired_at=7)]
    assert (answer.status, answer.body) == (401, refused)


async def test_times_are_in_rfc_3339(manager: harness.Upstream, url: str) -> None:
    manager.answer("Validate", auth_pb2.ValidateResponse(expires_at=timestamp_pb2.Timestamp(seconds=1_790_000_000)))

    answer = await harness.call(url, "GET", "/api/v1/auth/validate")

    assert answer.json["data"]["expiresAt"] == "2026-09-21T14:13:20Z"
    assert json.loads(answer.body) == answer.json
