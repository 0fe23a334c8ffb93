"""The OpenAPI document says what the gateway does."""

from typing import Any

import openapi_spec_validator
import pytest

from gthulhu.gateway import openapi, routes


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document("manager")


@pytest.mark.parametrize("kind", ["manager", "agent"])
def test_it_is_valid_openapi(kind: routes.Kind) -> None:
    openapi_spec_validator.validate(openapi.document(kind))


@pytest.mark.parametrize("kind", ["manager", "agent"])
def test_it_has_every_route_and_no_other(kind: routes.Kind) -> None:
    shown = {
        (method.upper(), path) for path, operations in openapi.document(kind)["paths"].items() for method in operations
    }

    assert shown == {(route.method, route.template) for route in routes.routes(kind)}


def test_comments_are_its_text(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/strategies/preview"]["post"]

    assert operation["summary"] == "PreviewStrategy tells what a strategy would do, and stores nothing"
    assert "schedule_strategy.read" in operation["description"]


def test_rules_are_its_constraints(document: dict[str, Any]) -> None:
    strategy = document["components"]["schemas"]["ScheduleStrategy"]["properties"]

    assert (strategy["priority"]["minimum"], strategy["priority"]["maximum"]) == (0, 20)
    assert strategy["name"]["maxLength"] == 253
    assert "100000 to 1000000000" in strategy["executionTime"]["description"]
    assert strategy["k8sNamespace"]["uniqueItems"] is True
    assert strategy["id"]["readOnly"] is True


def test_answers_are_shown_as_they_are_presented(document: dict[str, Any]) -> None:
    def schema(path: str, method: str, media: str = "application/json") -> dict[str, Any]:
        return document["paths"][path][method]["responses"]["200"]["content"][media]["schema"]

    assert schema("/api/v1/strategies", "post")["properties"]["data"] == {
        "$ref": "#/components/schemas/ScheduleStrategy"
    }
    assert "data" not in schema("/api/v1/strategies", "delete")["properties"]
    assert schema("/health", "get") == {"$ref": "#/components/schemas/GetHealthResponse"}
    assert schema("/api/v1/intents/watch", "get", "text/event-stream") == {
        "$ref": "#/components/schemas/WatchIntentsResponse"
    }


def test_integers_of_64_bits_are_integers(document: dict[str, Any]) -> None:
    intent = document["components"]["schemas"]["ScheduleIntent"]["properties"]

    assert intent["executionTime"]["type"] == "integer"


def test_a_token_is_asked_for_but_where_anybody_may_call(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/v1/auth/login"]["post"]["security"] == []
    assert document["paths"]["/api/v1/nodes"]["get"]["security"] == [{"token": []}]


def test_requests_take_what_the_route_takes(document: dict[str, Any]) -> None:
    created = document["paths"]["/api/v1/strategies"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    listed = document["paths"]["/api/v1/intents"]["get"]["parameters"]
    explained = document["paths"]["/api/v1/pods/{namespace}/{name}/explain"]["get"]["parameters"]

    assert created == {"$ref": "#/components/schemas/ScheduleStrategy"}
    assert {"pageSize", "node", "state"} <= {parameter["name"] for parameter in listed}
    assert [(parameter["name"], parameter["in"]) for parameter in explained] == [
        ("namespace", "path"),
        ("name", "path"),
    ]
