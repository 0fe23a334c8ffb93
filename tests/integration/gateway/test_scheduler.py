"""A client as existing sched_ext schedulers have it, over HTTP: its table ends equal to the decisions of the agent."""

import asyncio
import contextlib
import datetime
import json
import pathlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from google.api import httpbody_pb2

from gthulhu.agent import config
from gthulhu.common import clock as clocks
from gthulhu.common import priority as priorities
from tests.integration.agent import rig, scheduler
from tests.integration.gateway import harness, installed

_PIDS = {"a": range(100, 110), "b": range(110, 120), "c": range(120, 130), "d": range(130, 140)}
_SLICE = 20_000_000
_METRICS = {"usersched_last_run_at": 2**64 - 1, "nr_queued": 3, "nr_online_cpus": 2}


class Clock(clocks.SystemClock):
    """The machine's, set forward at will."""

    def __init__(self) -> None:
        self.shift = datetime.timedelta()

    def now(self) -> datetime.datetime:
        return super().now() + self.shift


class Scheduler:
    """Polls an agent's gateway as that scheduler does, mistakes included."""

    def __init__(self, url: str, *, public_key: str, now: Callable[[], datetime.datetime]) -> None:
        self.table: scheduler.Table = {}
        self.tokens_asked = 0
        self.statuses: list[int] = []
        """Of the calls for strategies; it looks at none of them."""
        self._url = url
        self._public_key = public_key
        self._now = now
        self._token = ""
        self._token_ends = 0

    async def tick(self) -> None:
        """Do what it does each second: a token where its own has ended, strategies, metrics."""
        if not self._token or self._now().timestamp() >= self._token_ends:
            await self._authenticate()
        answer = await self._call("GET", "/api/v1/scheduling/strategies")
        self.statuses.append(answer.status)
        with contextlib.suppress(json.JSONDecodeError):
            self.table = scheduler.read(answer.body, before=self.table)
        await self._call("POST", "/api/v1/metrics", _METRICS)

    async def _authenticate(self) -> None:
        self.tokens_asked += 1
        body = {"public_key": self._public_key, "client_id": "scheduler", "expired_at": 0}
        answer = await self._call("POST", "/api/v1/auth/token", body)
        if answer.status == 200:
            content = {key.lower(): value for key, value in answer.json.items()}
            assert content["success"] is True
            self._token, self._token_ends = content["data"]["token"], scheduler.integer(content["data"], "expired_at")

    async def _call(self, method: str, path: str, body: object = None) -> harness.Answer:
        headers = {
            "user-agent": "Go-http-client/1.1",
            "accept-encoding": "gzip",
            "content-type": "application/json",  # also where there is no body
            "authorization": f"Bearer {self._token}",
        }
        return await harness.call(self._url, method, path, json_body=body, headers=headers)


class Bench:
    """An agent that restarts at will behind one gateway, and a manager that changes what it wants."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.installation = rig.install(folder)
        self.manager = rig.StubManager()
        self.discovery = rig.MemoryDiscovery()
        self.clock = Clock()
        self.key = installed.public_key(folder / "clients" / "scheduler.pem")
        self.socket = folder / "agent" / "agent.sock"
        self._deltas = 0

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[rig.Node]:
        """Run the agent; it is connected when this is entered."""
        hellos = len(self.manager.hellos)
        settings = self.installation.config(token=config.Token(scheduler_public_key_file=self.key))
        async with rig.running(settings, discovery=self.discovery, clock=self.clock) as node:
            await rig.until(lambda: len(self.manager.hellos) > hellos)
            yield node

    async def want(self, *intents: object, removed: tuple[str, ...] = ()) -> None:
        """Let the manager say something, and the agent do it."""
        self._deltas += 1
        acks = len(self.manager.acks)
        await self.manager.delta(f"n{self._deltas}", list(intents), removed=removed)
        await rig.until(lambda: len(self.manager.acks) > acks)


@pytest_asyncio.fixture(loop_scope="session")
async def bench(tmp_path: pathlib.Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    async with made.installation.manager(made.manager):
        yield made


@contextlib.asynccontextmanager
async def polling(bench: Bench) -> AsyncIterator[Scheduler]:
    folder = bench.installation.folder / "gateway"
    async with installed.gateway("agent", folder, f"unix:{bench.socket}") as url:
        yield Scheduler(url, public_key=bench.key.read_text(), now=bench.clock.now)


def decisions(node: rig.Node) -> scheduler.Table:
    """Return what the table must hold: all that is not neutral, with the slice that stands for none."""
    found = (one.decision for one in node.agent.parts.reconciler.decisions())
    return {
        one.process.pid: (one.priority, one.execution_time_ns or _SLICE)
        for one in found
        if one.priority != priorities.NEUTRAL
    }


async def test_the_table_ends_equal_to_the_decisions_while_everything_changes(bench: Bench) -> None:
    """Intents and processes change and the agent restarts, each several times, in an order made up by a seed."""
    order = random.Random(7)  # noqa: S311 - no secret
    async with polling(bench) as client:
        for _ in range(4):
            async with bench.agent() as node:
                polled = asyncio.create_task(_tick_until_cancelled(client))
                for _ in range(8):
                    *pods, gone = order.sample(list(_PIDS), 3)
                    for pod in pods:
                        bench.discovery.put(pod, *order.sample(_PIDS[pod], order.randrange(4)))
                    wanted = [
                        rig.intent(
                            f"i-{pod}",
                            version=f"{order.random()}",
                            pod=pod,
                            priority=order.randrange(21),
                            slice_ns=order.choice([0, 5_000_000]),
                        )
                        for pod in pods
                    ]
                    await bench.want(*wanted, removed=(f"i-{gone}",))
                polled.cancel()
                await asyncio.gather(polled, return_exceptions=True)
                assert await _agree(client, node)
        assert client.tokens_asked == 1, "tokens outlive the agent's process"
        assert set(client.statuses) <= {200, 503}


async def test_an_empty_set_empties_the_table(bench: Bench) -> None:
    bench.discovery.put("a", 10)
    async with polling(bench) as client, bench.agent():
        await bench.want(rig.intent("i", pod="a", priority=3))
        await client.tick()
        before = client.table
        await bench.want(removed=("i",))
        await client.tick()

    assert (before, client.table) == ({10: (3, _SLICE)}, {})


async def test_a_token_that_ends_leaves_the_table_until_the_client_sees_it_itself(bench: Bench) -> None:
    bench.discovery.put("a", 10)
    async with polling(bench) as client, bench.agent() as node:
        await bench.want(rig.intent("i", pod="a", priority=3))
        await client.tick()
        client._now = clocks.SystemClock().now  # its clock is behind the agent's from here on
        bench.clock.shift = datetime.timedelta(hours=25)
        bench.discovery.put("a", 11)
        await rig.until(lambda: 11 in node.enforcer.decided["a"])
        await client.tick()
        await client.tick()
        behind = (client.table, client.statuses[-2:], client.tokens_asked)
        client._now = bench.clock.now
        await client.tick()

    assert behind == ({10: (3, _SLICE)}, [401, 401], 1)
    assert (client.table, client.tokens_asked) == ({11: (3, _SLICE)}, 2)


async def test_its_counters_arrive_whole(bench: Bench) -> None:
    async with polling(bench) as client, bench.agent() as node:
        await client.tick()
        counters, source = node.agent.parts.sampler.scheduler()

    assert source == "external"
    assert (counters.usersched_last_run_at, counters.nr_queued) == (2**64 - 1, 3)


async def test_what_the_client_would_choke_on_is_passed_as_it_is(agent: harness.Upstream, agent_url: str) -> None:
    """The client's own strictness, which the tests above rely on, is not softened by the gateway."""
    client = Scheduler(agent_url, public_key="", now=clocks.SystemClock().now)
    client.table = {1: (1, 1)}

    def answer(content: bytes) -> None:
        agent.answer("GetSchedulingStrategies", httpbody_pb2.HttpBody(content_type="application/json", data=content))

    client._token, client._token_ends = "t", 2**40
    for nothing in (b'{"scheduling":null}', b'{"success":true}', b"no JSON"):
        answer(nothing)
        await client.tick()
        assert client.table == {1: (1, 1)}
    answer(b'{"Scheduling":[{"PID":5,"priority":2,"execution_time":7}]}')
    await client.tick()
    assert client.table == {5: (2, 7)}
    for wrong in (
        b'{"scheduling":[{"pid":5,"priority":2,"execution_time":"7"}]}',
        b'{"scheduling":[{"pid":5,"priority":2.5,"execution_time":7}]}',
    ):
        answer(wrong)
        with pytest.raises(scheduler.RefusedError):
            await client.tick()


async def _tick_until_cancelled(client: Scheduler) -> None:
    while True:
        await client.tick()


async def _agree(client: Scheduler, node: rig.Node) -> bool:
    """Return when the table equals the decisions."""
    async with asyncio.timeout(rig.LIMIT):
        while client.table != decisions(node):
            await client.tick()
    return True
