"""Managers come and go behind a gateway: clients see 503 with Retry-After for a moment, and nothing else."""

import asyncio
import collections
import itertools
import pathlib
import signal

import pytest

from tests.integration.gateway import harness, installed
from tests.integration.manager import rig

_STRATEGY = {"labelSelectors": [{"key": "app", "value": "web"}]}


class Client:
    """Reads and writes without pause, and counts what it is answered."""

    def __init__(self, url: str, token: str, name: str) -> None:
        self.counted: collections.Counter[int] = collections.Counter()
        self.last = 0
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}
        self._name = name

    async def run(self) -> None:
        for number in itertools.count():
            body = {**_STRATEGY, "name": f"{self._name}-{number}"}
            for method, path, content in (
                ("GET", "/version", None),
                ("GET", "/api/v1/strategies?pageSize=10", None),
                ("POST", "/api/v1/strategies", body),
            ):
                answer = await harness.call(self._url, method, path, json_body=content, headers=self._headers)
                self.last = answer.status
                self.counted[answer.status] += 1
                if answer.status != 200:
                    assert (answer.status, answer.json["code"]) == (503, "UNAVAILABLE"), answer
                    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_restart_of_the_manager_is_503_for_a_moment(
    tmp_path: pathlib.Path, unused_tcp_port: int, number: signal.Signals
) -> None:
    installation = rig.install(tmp_path)
    installation.authority.issue("gateway", tmp_path / "pki")
    upstream = f"127.0.0.1:{unused_tcp_port}"
    async with (
        installed.gateway("manager", tmp_path / "g", upstream, certificates=tmp_path / "pki") as url,
        installed.manager_process(installation, unused_tcp_port) as process,
    ):
        token = await _log_in(url)
        clients = [Client(url, token, name) for name in ("a", "b", "c")]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.run()) for client in clients]
            await _until(clients, 200)
            process.send_signal(number)
            await _until(clients, 503)
            await process.wait()
            async with installed.manager_process(installation, unused_tcp_port):
                await _until(clients, 200)
                for task in tasks:
                    task.cancel()

    for client in clients:
        assert client.counted.keys() == {200, 503}


async def _log_in(url: str) -> str:
    credentials = {"username": "admin", "password": installed.ADMIN_PASSWORD}
    async with asyncio.timeout(30):
        while (answer := await harness.call(url, "POST", "/api/v1/auth/login", json_body=credentials)).status != 200:
            assert answer.status == 503, answer.body
            await asyncio.sleep(0.1)
    return answer.json["data"]["accessToken"]


async def _until(clients: list[Client], status: int) -> None:
    """Return when every client has been answered so."""
    async with asyncio.timeout(30):
        while any(client.last != status for client in clients):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)
