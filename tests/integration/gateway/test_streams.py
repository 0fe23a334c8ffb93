"""How an event stream of a real manager ends: with an event that tells why."""

import asyncio
import datetime
import http.client
import json
import pathlib
from typing import Any

import pytest

from gthulhu.manager.domain import permissions
from tests.integration.gateway import harness, installed


class Watch:
    """One stream, read event by event."""

    def __init__(self, url: str, token: str, since: str = "") -> None:
        self.connection = harness.connect(url)
        self._headers = {"authorization": f"Bearer {token}"}
        self._since = since
        self._answer: http.client.HTTPResponse | None = None

    async def open(self) -> int:
        """Return the status."""
        path = f"/api/v1/intents/watch?since={self._since}"
        await asyncio.to_thread(self.connection.request, "GET", path, headers=self._headers)
        self._answer = await asyncio.to_thread(self.connection.getresponse)
        return self._answer.status

    async def next(self) -> dict[str, Any] | None:
        """Return the next event; None where the stream has ended well."""
        assert self._answer
        while line := await asyncio.to_thread(self._answer.readline):
            if line.startswith(b"data:"):
                return json.loads(line.removeprefix(b"data:"))
        return None

    async def until_synced(self) -> str:
        """Return the cursor."""
        while "synced" not in (event := await self.next()):
            pass
        return event["cursor"]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "s"


async def test_a_stream_says_that_its_token_has_expired_and_goes_on_with_another(
    folder: pathlib.Path, unused_tcp_port: int
) -> None:
    async with installed.running(folder, agent_port=unused_tcp_port) as system:
        first = Watch(system.url, system.token("all", lifetime=datetime.timedelta(seconds=2)))
        assert await first.open() == 200
        cursor = await first.until_synced()
        last = await first.next()
        after = await first.next()
        second = Watch(system.url, system.token("all"), since=cursor)
        assert await second.open() == 200
        again = await second.next()
        second.connection.close()

    assert last == {"cursor": "", "error": {"code": "TOKEN_EXPIRED", "text": "the token has expired"}}
    assert after is None
    assert again is not None
    assert again["synced"] is True


async def test_a_stream_says_that_its_user_may_no_longer_watch(folder: pathlib.Path, unused_tcp_port: int) -> None:
    async with installed.running(folder, agent_port=unused_tcp_port) as system:
        await system.add_user("leaving", permissions.KEYS)
        watch = Watch(system.url, system.token("leaving"))
        assert await watch.open() == 200
        await watch.until_synced()
        body = {"userID": "leaving", "roles": []}
        changed = await system.call("PUT", "/api/v1/users/permissions", body, token=system.token("all"))
        last = await watch.next()
        refused = await Watch(system.url, system.token("leaving")).open()

    assert changed.status == 200, changed.body
    assert last is not None
    assert last["error"]["code"] == "PERMISSION_DENIED"
    assert refused == 403
