"""A priority moves real processes, and its withdrawal gives back exactly what was there."""

import asyncio
import contextlib
import datetime
import pathlib
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from gthulhu.agent import config as configs
from gthulhu.agent import reconciler
from gthulhu.agent.discovery import node as discovering
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.enforcement import probe, stock, threads
from gthulhu.agent.metrics import collector_procfs
from gthulhu.common import clock as clocks
from tests.kernel.agent import conftest as machine

pytestmark = pytest.mark.kernel

SLICE = 20_000_000


def intent(pod: machine.Pod, **changes: object) -> dict[str, intents.Intent]:
    """Return a set of one intent."""
    values = {
        "id": uuid.uuid4().hex,
        "version": "1",
        "strategy_id": "s",
        "strategy_created_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "pod_uid": pod.uid,
        "priority": 3,
    }
    one = intents.Intent(**values | changes)
    return {one.id: one}


def config(node: machine.Node, folder: pathlib.Path) -> configs.AgentConfig:
    return configs.AgentConfig(
        state_dir=folder,
        node=configs.Node(kubepods=(node.kubepods,)),
        enforcement=configs.Enforcement(enforcer="stock"),
    )


@contextlib.asynccontextmanager
async def running(node: machine.Node, folder: pathlib.Path) -> AsyncIterator[reconciler.Reconciler]:
    """Run a reconciler with everything real."""
    settings = config(node, folder)
    enforcer = probe.choose_enforcer(settings, clock=clocks.SystemClock())
    assert isinstance(enforcer, stock.Stock)
    made = reconciler.Reconciler(
        discovery=discovering.from_config(settings),
        enforcer=enforcer,
        clock=clocks.SystemClock(),
        collector=collector_procfs.ProcfsCollector(),
        measure_seconds=0.2,
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        enforcer.close()


@pytest_asyncio.fixture
async def live(node: machine.Node, tmp_path: pathlib.Path) -> AsyncIterator[reconciler.Reconciler]:
    async with running(node, tmp_path) as made:
        yield made


async def eventually(condition: Callable[[], object], *, limit: float = 10.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 -- of the kernel's
            await asyncio.sleep(0.01)


async def share(hogs: list[subprocess.Popen[str]]) -> float:
    return await asyncio.to_thread(machine.share, hogs[0], among=hogs)


async def test_priority_3_takes_seven_eighths_and_withdrawal_gives_it_back(
    node: machine.Node, live: reconciler.Reconciler
) -> None:
    strong, neutral = machine.Pod(node=node), machine.Pod(node=node)
    hogs = [await asyncio.to_thread(pod.start) for pod in (strong, neutral)]
    weight = strong.weight()
    setting = threads.get(hogs[0].pid)
    assert 40 < await share(hogs) < 60

    wanted = intent(strong, execution_time_ns=SLICE)
    await live.set_intents(wanted)
    await eventually(lambda: strong.weight() == round(weight * 2**2.8), limit=1.0)
    assert threads.get(hogs[0].pid).setting.slice_ns == SLICE
    assert 82 < await share(hogs) < 92

    (outcome,) = live.outcomes().values()
    assert (outcome.outcome.processes, outcome.outcome.threads, outcome.failure, outcome.limits) == (1, 1, "", ())
    (decision,) = live.decisions(strong.uid)
    assert decision.effect.levers == (stock.POD_WEIGHT, stock.THREAD_SLICE)
    await eventually(lambda: live.decisions(strong.uid)[0].share is not None)
    assert live.decisions(strong.uid)[0].share.cpu > 0

    await live.set_intents({})
    assert strong.weight() == weight
    assert threads.get(hogs[0].pid) == setting
    assert 40 < await share(hogs) < 60
    assert live.outcomes() == {}


async def test_a_process_that_starts_later_gets_its_slice_at_once(
    node: machine.Node, live: reconciler.Reconciler
) -> None:
    pod = machine.Pod(node=node)
    await live.set_intents(intent(pod, execution_time_ns=SLICE))
    process = await asyncio.to_thread(pod.start)
    await eventually(lambda: threads.get(process.pid).setting.slice_ns == SLICE, limit=1.0)
    await eventually(lambda: next(iter(live.outcomes().values())).outcome.processes == 1)
    process.kill()
    await eventually(lambda: next(iter(live.outcomes().values())).outcome.processes == 0)


async def test_a_pod_that_comes_after_its_intent_is_found(node: machine.Node, live: reconciler.Reconciler) -> None:
    pod = machine.Pod(node=node)
    await live.set_intents(intent(pod))
    await eventually(lambda: live.decisions() == [])
    process = await asyncio.to_thread(pod.start)
    await eventually(lambda: [one.decision.process.pid for one in live.decisions()] == [process.pid], limit=1.0)
    assert pod.weight() > 1024
