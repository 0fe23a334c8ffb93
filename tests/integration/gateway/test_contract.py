"""Each row of docs/reference/rest.md, spoken to over HTTP: good and bad input, with and without permission."""

import asyncio
import dataclasses
import datetime
import itertools
import json
import pathlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio

from gthulhu.gateway import routes
from tests.integration.gateway import contract, harness, installed

_REFERENCE = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "rest.md"
_ROW = re.compile(r"\| (\w+) `([^`]+)` \| (.+?) \| .+ \| (envelope|bare|event stream) \|")
_COUNT = itertools.count()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the reference, and what is known of it here."""

    kind: routes.Kind
    method: str
    template: str
    who: str
    answer: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def contract(self) -> contract.Contract:
        return CONTRACTS[self.kind][self.name]

    @property
    def permission(self) -> str:
        """The permission that it needs, or nothing."""
        return self.who.strip("`") if self.who.startswith("`") else ""


CONTRACTS: Mapping[str, Mapping[str, contract.Contract]] = {"manager": contract.MANAGER, "agent": contract.AGENT}


def rows() -> list[Row]:
    """Return every row of both tables."""
    tables = _REFERENCE.read_text(encoding="utf-8").split("\n## Routes of the ")[1:]
    return [
        Row(kind=table.partition("\n")[0], method=row[1], template=row[2], who=row[3], answer=row[4])
        for table in tables
        for row in _ROW.finditer(table)
    ]


EACH = pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.kind} {row.name}") for row in rows()])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caller:
    """Makes the requests of one test, about things that are its own."""

    system: installed.Installed
    row: Row
    things: Mapping[str, str]

    def fill(self, value: Any) -> Any:  # noqa: ANN401 - of any part of a request
        """Put the test's own things in the place of what stands for them."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda found: self.things.get(found[1], found[0]), value)
        if isinstance(value, dict):
            return {key: self.fill(inner) for key, inner in value.items()}
        return [self.fill(inner) for inner in value] if isinstance(value, list) else value

    async def call(self, *, token: str, bad: contract.Bad | None = None) -> harness.Answer:
        """Make the good request, or a bad one."""
        its = self.row.contract
        path = (bad and bad.path) or its.path or self.row.template
        query = (bad.query if bad else "") or ("" if bad and (bad.path or bad.body is not None) else its.query)
        body = (bad.body if bad.body is not None or bad.query else its.body) if bad else its.body
        target = self.fill(path + (f"?{query}" if query else ""))
        url = self.system.url if self.row.kind == "manager" else self.system.agent_url
        if self.row.answer == "event stream":
            return await _first_event(url, target, token)
        return await self.system.call(self.row.method, target, self.fill(body), token=token, url=url)

    async def allowed(self) -> str:
        """Return the token of somebody who may just do this."""
        if self.row.contract.by == "all":
            return self.system.token("all")
        if self.row.contract.by == "own":
            return (await self.system.log_in(f"u-{self.things['n']}", installed.PASSWORD))["accessToken"]
        if self.row.kind == "manager":
            return self.system.token(f"only-{self.row.permission or 'metrics.read'}")
        return await self.system.agent_token("manager" if "MANAGER_CLIENT" in self.row.who else "scheduler")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[installed.Installed]:
    async with installed.running(tmp_path_factory.mktemp("c"), agent_port=unused_tcp_port_factory()) as running:
        token = running.token("all")
        async with asyncio.timeout(15):  # the agent's first sample
            while not (await running.call("GET", "/api/v1/metrics", token=token)).json["data"]["nodes"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def caller(system: installed.Installed, row: Row) -> Caller:
    return Caller(system=system, row=row, things=await _things(system, row.contract))


def test_every_row_has_its_contract_and_every_contract_a_row() -> None:
    for kind, contracts in CONTRACTS.items():
        assert {row.name for row in rows() if row.kind == kind} == contracts.keys()
    assert len(rows()) == sum(map(len, CONTRACTS.values())) > 40


@EACH
async def test_good_input_with_permission(caller: Caller, row: Row) -> None:
    answer = await caller.call(token="" if row.who == "anybody" else await caller.allowed())

    assert answer.status == 200, answer.body
    if row.template == "/metrics":
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return
    content = answer.json
    if row.answer == "envelope":
        shown = {"success", "data", "timestamp"} if row.contract.shows else {"success", "timestamp"}
        assert (content.keys(), content["success"]) == (shown, True)
        datetime.datetime.strptime(content["timestamp"], "%Y-%m-%dT%H:%M:%S%z")
        content = content.get("data")
    for place, keys in row.contract.shows.items():
        assert keys <= _first(content, place).keys(), place


@EACH
async def test_without_a_token(caller: Caller, row: Row) -> None:
    answers = [await caller.call(token=token) for token in ("", "no.token.atall", _foreign(caller))]

    if row.who == "anybody":
        assert answers[0].status == 200
        return
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert [answer.json["code"] for answer in answers] == ["TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_INVALID"]
    assert all(answer.json["success"] is False and answer.json["error"] for answer in answers)


@EACH
async def test_without_the_permission(caller: Caller, row: Row) -> None:
    """Everything but the one permission, or the narrower of both scopes, is not enough."""
    if row.permission:
        answer = await caller.call(token=caller.system.token(f"but-{row.permission}"))
        assert (answer.status, answer.json["code"]) == (403, "PERMISSION_DENIED")
        assert row.permission in answer.json["error"]
    elif "MANAGER_CLIENT" in row.who:
        answer = await caller.call(token=await caller.system.agent_token("scheduler"))
        assert (answer.status, answer.json["code"]) == (403, "SCOPE_TOO_NARROW")
    else:
        assert row.who in ("anybody", "any user", "token, scope SCHEDULER")


@EACH
async def test_bad_input(caller: Caller, row: Row) -> None:
    token = "" if row.who == "anybody" else await caller.allowed()
    unknown = contract.Bad(query="colour=red", code="INVALID_JSON")
    for bad in (*row.contract.bad, unknown):
        answer = await caller.call(token=token, bad=bad)

        assert (answer.status, answer.json["code"]) == (bad.status, bad.code), (bad, answer.body)
        assert answer.json["success"] is False
        assert answer.json["error"]
        assert [each["field"] for each in answer.json.get("fields", [])] == list(bad.fields) or not bad.fields
    if row.method != "GET":
        url = caller.system.url if row.kind == "manager" else caller.system.agent_url
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await harness.call(url, row.method, row.template, body=b'{"a":', headers=headers)
        assert (answer.status, answer.json["code"]) == (400, "INVALID_JSON")


async def _things(system: installed.Installed, of: contract.Contract) -> Mapping[str, str]:
    """Make those of a strategy, a user, a role and a log-in that a contract speaks of."""
    number, spoken = str(next(_COUNT)), repr(of)
    made = {"n": number, "pem": (system.clients / "scheduler.pem").read_text()}
    for name, path, body in (
        ("strategy", "/api/v1/strategies", {"name": f"s-{number}", "labelSelectors": [{"key": "app"}]}),
        ("user", "/api/v1/users", {"username": f"u-{number}", "password": installed.PASSWORD}),
        ("role", "/api/v1/roles", {"name": f"r-{number}"}),
    ):
        if f"{{{name}}}" in spoken or f"{name[0]}-{{n}}" in spoken or (name == "user" and of.by == "own"):
            answer = await system.call("POST", path, body, token=system.token("all"))
            assert answer.status == 200, answer.body
            made |= {name: answer.json["data"]["id"], "etag": answer.json["data"].get("etag", "")}
    if "{refresh}" in spoken:
        made["refresh"] = (await system.log_in())["refreshToken"]
    return made


def _foreign(caller: Caller) -> str:
    """Return a token that is well signed, for another part of the system."""
    return caller.system.keys.issue(
        subject="only-metrics.read",
        audience="gthulhu-elsewhere",
        kind="access",
        lifetime=datetime.timedelta(minutes=5),
        now=datetime.datetime.now(datetime.UTC),
    )


def _first(content: Any, place: str) -> dict[str, Any]:  # noqa: ANN401 - what JSON is
    for name in place.split(".") if place else ():
        content = content[name]
        if isinstance(content, list):
            assert content, f"{place} is empty"
            content = content[0]
    return content


async def _first_event(url: str, target: str, token: str) -> harness.Answer:
    """Return an event stream's first event, or the answer that came in its place."""

    def go() -> harness.Answer:
        connection = harness.connect(url)
        try:
            connection.request("GET", target, headers={"authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            if headers["content-type"] != "text/event-stream":
                return harness.Answer(status=answer.status, headers=headers, body=answer.read())
            event = answer.readline().removeprefix(b"data:")
            assert json.loads(event)
            return harness.Answer(status=answer.status, headers=headers, body=event)
        finally:
            connection.close()

    return await asyncio.to_thread(go)
