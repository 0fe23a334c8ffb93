"""REST through the gateway to the real manager: both sides of what they agree on."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import pydantic
import pytest
import pytest_asyncio

from gthulhu.gateway import options, process
from gthulhu.manager import app, config
from tests.integration.gateway import harness
from tests.integration.manager import rig

_PASSWORD = "correct-horse-battery-7"
_STRATEGY = {"name": "web", "labelSelectors": [{"key": "app", "value": "web"}], "executionTime": 20_000_000}


@dataclasses.dataclass
class Rest:
    """Calls as the administrator, once logged in."""

    url: str
    token: str = ""

    async def call(self, method: str, path: str, body: object = None) -> harness.Answer:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return await harness.call(self.url, method, path, json_body=body, headers=headers)

    async def login(self, password: str = _PASSWORD, username: str = "admin") -> harness.Answer:
        credentials = {"username": username, "password": password}
        return await harness.call(self.url, "POST", "/api/v1/auth/login", json_body=credentials)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rest]:
    folder = tmp_path_factory.mktemp("real")
    installation = rig.install(folder)
    installation.authority.issue("gateway", folder / "pki")
    installation.set_pods("web-1", "web-2")
    account = config.Account(admin_email="admin@example.com", admin_password=pydantic.SecretStr(_PASSWORD))
    manager = app.build_manager(installation.config().model_copy(update={"account": account}))
    async with manager:
        settings = options.Options(
            kind="manager",
            listen="127.0.0.1:0",
            upstreams=[f"127.0.0.1:{manager.grpc_port}"],
            certificates=folder / "pki",
            trust_domain=rig.TRUST_DOMAIN,
            login_attempts=1_000_000,
            access_log="",
        )
        async with process.Gateway(settings, folder=folder / "gateway") as gateway:
            made = Rest(gateway.url)
            made.token = (await made.login()).json["data"]["accessToken"]
            yield made


async def test_health_and_version_are_bare_and_for_anybody(rest: Rest) -> None:
    health = await harness.call(rest.url, "GET", "/health")
    version = await harness.call(rest.url, "GET", "/version")

    assert (health.status, health.json["status"], health.json["service"]) == (200, "healthy", "gthulhu-manager")
    assert set(health.json["checks"]) >= {"store", "inventory"}
    assert version.json["apiVersions"] == ["v1"]


async def test_a_log_in_gives_the_documented_keys(rest: Rest) -> None:
    data = (await rest.login()).json["data"]

    assert {"token", "accessToken", "refreshToken", "expiresAt", "needChangePassword"} <= data.keys()
    assert data["token"] == data["accessToken"]


async def test_a_wrong_password_and_an_unknown_user_look_the_same(rest: Rest) -> None:
    wrong, unknown = await rest.login("wrong-password"), await rest.login(username="nobody")

    assert (wrong.status, unknown.status) == (401, 401)
    assert wrong.body == unknown.body


async def test_without_a_token_it_is_401(rest: Rest) -> None:
    answer = await harness.call(rest.url, "GET", "/api/v1/strategies")

    assert (answer.status, answer.json["success"]) == (401, False)


async def test_a_strategy_lives_its_life(rest: Rest) -> None:
    preview = await rest.call("POST", "/api/v1/strategies/preview", _STRATEGY)
    created = (await rest.call("POST", "/api/v1/strategies", _STRATEGY)).json["data"]
    again = await rest.call("POST", "/api/v1/strategies", _STRATEGY)
    intents = (await rest.call("GET", "/api/v1/intents?pageSize=10")).json["data"]
    stale = await rest.call("DELETE", f"/api/v1/strategies?strategyId={created['id']}&etag=stale")
    deleted = await rest.call("DELETE", "/api/v1/strategies", {"strategyId": created["id"], "etag": created["etag"]})
    gone = await rest.call("GET", f"/api/v1/strategies/{created['id']}")

    assert preview.json["data"]["matchedPods"] == 2
    assert (created["executionTime"], created["priority"], created["matchedPods"]) == (20_000_000, 10, 2)
    assert any("neutral" in warning for warning in created["warnings"])
    assert again.status == 409
    assert [intent["executionTime"] for intent in intents["intents"]] == [20_000_000] * 2
    assert stale.status == 409
    assert (deleted.status, deleted.json.keys()) == (200, {"success", "timestamp"})
    assert gone.status == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"priority": 21}, "strategy.priority"),
        ({"commandRegex": "("}, "strategy.commandRegex"),
        ({"executionTime": -1}, "strategy.executionTime"),
        ({"labelSelectors": []}, "strategy.labelSelectors"),
    ],
)
async def test_an_input_error_names_the_field(rest: Rest, changes: dict[str, object], field: str) -> None:
    answer = await rest.call("POST", "/api/v1/strategies", {**_STRATEGY, **changes})

    assert answer.status == 400
    assert [each["field"] for each in answer.json["fields"]] == [field]


async def test_absent_and_empty_roles_differ(rest: Rest) -> None:
    made = {"username": "ada", "password": "a-long-enough-pass-7", "roles": ["viewer"]}
    user = (await rest.call("POST", "/api/v1/users", made)).json["data"]

    untouched = await rest.call("PUT", "/api/v1/users/permissions", {"userID": user["id"], "status": "DISABLED"})
    cleared = await rest.call("PUT", "/api/v1/users/permissions", {"userID": user["id"], "roles": []})

    assert (untouched.json["data"]["roles"], untouched.json["data"]["status"]) == (["viewer"], "DISABLED")
    assert (cleared.json["data"]["roles"], cleared.json["data"]["status"]) == ([], "DISABLED")


async def test_whoever_must_change_the_password_can_do_only_that(rest: Rest) -> None:
    made = {"username": "eve", "password": "a-long-enough-pass-7", "roles": ["viewer"]}
    assert (await rest.call("POST", "/api/v1/users", made)).status == 200
    session = (await rest.login(made["password"], "eve")).json["data"]
    own = Rest(rest.url, session["accessToken"])

    refused = await own.call("GET", "/api/v1/strategies")
    changed = await own.call(
        "PUT", "/api/v1/users/self/password", {"oldPassword": made["password"], "newPassword": "another-good-pass-8"}
    )

    assert session["needChangePassword"] is True
    assert (refused.status, refused.json["code"]) == (403, "PASSWORD_CHANGE_REQUIRED")
    assert changed.status == 200


async def test_the_audit_log_tells_who_did_what_from_where(rest: Rest) -> None:
    created = await rest.call("POST", "/api/v1/strategies", {**_STRATEGY, "name": "audited"})
    entry = (await rest.call("GET", "/api/v1/audit-logs?action=strategy.create&pageSize=1")).json["data"]["auditLogs"][
        0
    ]
    await rest.call("DELETE", "/api/v1/strategies", {"strategyId": created.json["data"]["id"]})

    assert isinstance(entry["id"], int)
    assert (entry["actor"], entry["address"]) == ("admin", "127.0.0.1")
    assert entry["requestID"] == created.headers["x-request-id"]


async def test_intents_can_be_watched_and_resumed(rest: Rest) -> None:
    created = (await rest.call("POST", "/api/v1/strategies", {**_STRATEGY, "name": "watched"})).json["data"]

    async def read(since: str, *, until: str) -> list[dict[str, object]]:
        connection = harness.connect(rest.url)
        try:
            headers = {"authorization": f"Bearer {rest.token}"}
            path = f"/api/v1/intents/watch?strategy={created['id']}&since={since}"
            await asyncio.to_thread(connection.request, "GET", path, headers=headers)
            answer = await asyncio.to_thread(connection.getresponse)
            assert answer.getheader("content-type") == "text/event-stream"
            events: list[dict[str, object]] = []
            while not events or until not in events[-1]:
                line = await asyncio.to_thread(answer.readline)
                if line.startswith(b"data:"):
                    events.append(json.loads(line.removeprefix(b"data:")))
            return events
        finally:
            connection.close()

    first = await read("", until="synced")
    await rest.call("DELETE", "/api/v1/strategies", {"strategyId": created["id"]})
    after = await read(str(first[-1]["cursor"]), until="removedId")

    assert {event["updated"]["podName"] for event in first[:-1]} == {"web-1", "web-2"}
    assert "updated" not in after[0]
