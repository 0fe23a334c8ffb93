"""REST through a real Envoy to a real manager and agent, down to the kernel's own files."""

import datetime
import http.client
import json
from collections.abc import Iterator

import pytest

from gthulhu.common import clock
from gthulhu.common.identity import tokens

from .conftest import Installation

STRATEGY = {"labelSelectors": [{"key": "app", "value": "web"}], "priority": 3, "executionTime": 20_000_000}


def refused(answer: tuple[int, dict], *, status: int, code: str, field: str = "") -> None:
    """Check an error's status and shape."""
    got, body = answer
    assert (got, body["success"], body["code"]) == (status, False, code), body
    assert body["error"]
    if field:
        assert [one["field"] for one in body["fields"]] == [field]
        assert body["fields"][0]["description"]


class TestWhatIsRefused:
    """Each with its status, its code, and the field at fault; and nothing is stored."""

    def test_a_wrong_password(self, installation: Installation) -> None:
        refused(installation.login("not-the-password"), status=401, code="LOGIN_FAILED")

    def test_an_expired_token(self, installation: Installation) -> None:
        ring = tokens.KeyRing.load_or_create(installation.plan.state / "manager" / "pki" / "jwt")
        expired = ring.issue(
            subject="anybody",
            audience="gthulhu-api",
            kind="access",
            lifetime=datetime.timedelta(minutes=-1),
            now=clock.SystemClock().now(),
        )
        refused(installation.request("GET", "/api/v1/strategies", token=expired), status=401, code="TOKEN_EXPIRED")

    @pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
    def test_no_token_and_no_proper_one(self, installation: Installation, token: str) -> None:
        status, body = installation.request("GET", "/api/v1/strategies", token=token)
        assert (status, body["success"]) == (401, False)

    def test_malformed_json(self, installation: Installation) -> None:
        refused(installation.request("POST", "/api/v1/strategies", b'{"priority": 3,'), status=400, code="INVALID_JSON")

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"commandRegex": "(("}, "commandRegex"),
            ({"executionTime": -1}, "executionTime"),
            ({"executionTime": 99_999}, "executionTime"),
            ({"priority": 21}, "priority"),
            ({"priority": -1}, "priority"),
            ({"labelSelectors": []}, "labelSelectors"),
            ({"k8sNamespace": ["No Such Name"]}, "k8sNamespace[0]"),
        ],
    )
    def test_a_strategy_out_of_range(self, installation: Installation, wrong: dict, field: str) -> None:
        answer = installation.request("POST", "/api/v1/strategies", STRATEGY | wrong)
        refused(answer, status=400, code="INVALID_ARGUMENT", field=f"strategy.{field}")
        assert installation.request("GET", "/api/v1/strategies")[1]["data"]["strategies"] == []

    def test_a_value_that_an_enumeration_does_not_have(self, installation: Installation) -> None:
        status, body = installation.request("GET", "/api/v1/intents?state=NO_SUCH_STATE")
        assert (status, body["success"]) == (400, False)

    def test_a_strategy_that_is_not_there(self, installation: Installation) -> None:
        refused(installation.request("GET", "/api/v1/strategies/nothing"), status=404, code="STRATEGY_NOT_FOUND")


class TestAStrategyReachesTheKernel:
    """Seen in the pods' cgroups."""

    def test_and_leaves_it_again(self, installation: Installation) -> None:
        before = installation.untouched
        status, created = installation.request("POST", "/api/v1/strategies", STRATEGY | {"name": "there-and-back"})
        assert status == 200
        assert created["data"]["matchedPods"] == 1
        installation.wait(lambda: installation.weights() != before, "no weight changed")
        strong, neutral = installation.weights()
        assert strong / before[0] == pytest.approx(7, rel=0.02)
        assert neutral == before[1]

        body = {"strategyId": created["data"]["id"]}
        assert installation.request("DELETE", "/api/v1/strategies", body)[0] == 200
        installation.wait(lambda: installation.weights() == before, "the weights were not put back")

    def test_and_64_bit_numbers_are_numbers(self, installation: Installation) -> None:
        _, created = installation.request("POST", "/api/v1/strategies", STRATEGY | {"name": "numbers"})
        connection = http.client.HTTPConnection(installation.plan.listen, timeout=10)
        headers = {"authorization": f"Bearer {installation.token}"}
        connection.request("GET", f"/api/v1/strategies/{created['data']['id']}", headers=headers)
        text = connection.getresponse().read().decode()
        connection.close()
        assert '"executionTime":20000000' in text.replace(" ", "")
        assert json.loads(text)["data"]["labelSelectors"] == STRATEGY["labelSelectors"]
        installation.request("DELETE", "/api/v1/strategies", {"strategyId": created["data"]["id"]})


class TestPartsThatAreKilled:
    """With SIGKILL, so that they can do nothing about it."""

    @pytest.fixture
    def strategy(self, installation: Installation) -> Iterator[str]:
        """Return a strategy that is in force."""
        before = installation.untouched
        _, created = installation.request("POST", "/api/v1/strategies", STRATEGY | {"name": "stays"})
        identifier = created["data"]["id"]
        installation.wait(
            lambda: [one["state"] for one in installation.intents(identifier)] == ["APPLIED"], "not applied"
        )
        yield identifier
        installation.request("DELETE", "/api/v1/strategies", {"strategyId": identifier})
        installation.wait(lambda: installation.weights() == before, "the weights were not put back")

    def test_an_agent_keeps_its_decisions_and_nothing_is_sent_again(
        self, installation: Installation, strategy: str
    ) -> None:
        weights, sent = installation.weights(), installation.counter("intents_sent")
        opened = installation.counter("sessions_opened")
        installation.kill("agent")
        assert installation.weights() == weights
        installation.start("agent")
        installation.wait(lambda: installation.counter("sessions_opened") > opened, "no new session")
        installation.wait(lambda: installation.node()["state"] == "SYNCED", "the agent did not come back")
        installation.wait(
            lambda: [one["state"] for one in installation.intents(strategy)] == ["APPLIED"], "not applied"
        )
        assert installation.weights() == weights
        assert installation.counter("intents_sent") == sent

    def test_a_manager_is_not_missed_and_has_nothing_to_send_when_it_is_back(
        self, installation: Installation, strategy: str
    ) -> None:
        weights = installation.weights()
        installation.kill("manager")
        assert installation.weights() == weights
        installation.start("manager")
        installation.wait(lambda: installation.node()["state"] == "SYNCED", "the agent did not come back")
        installation.wait(lambda: installation.counter("sessions_opened") == 1, "no session")
        installation.wait(
            lambda: [one["state"] for one in installation.intents(strategy)] == ["APPLIED"], "not applied"
        )
        assert installation.weights() == weights
        assert installation.counter("intents_sent") == 0
