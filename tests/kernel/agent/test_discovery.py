"""Discovery on this machine: real cgroups, real processes, the kernel's own events."""

import asyncio
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from gthulhu.agent.discovery import connector, connector_pyroute2
from gthulhu.agent.discovery import node as discovering
from tests.kernel.agent import conftest as machine

pytestmark = pytest.mark.kernel

SLEEPER = "print('up', flush=True)\nimport sys\nsys.stdin.read()"
FORKS = "import os\nfor _ in range(20):\n    child = os.fork()\n    if not child: os._exit(0)\n    os.waitpid(child, 0)"


def opened(made: type[connector.Connector]) -> connector.Connector:
    try:
        return made()
    except OSError as error:
        pytest.skip(f"no process connector: {error}")


@pytest.mark.parametrize("backend", [connector.Connector, connector_pyroute2.Pyroute2Connector])
def test_forks_execs_and_exits_are_heard_of_and_threads_are_not(backend: type[connector.Connector]) -> None:
    events = opened(backend)
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    process = subprocess.Popen([sys.executable, "-c", FORKS])
    seen: list[connector.Event] = []
    machine.until(lambda: seen.extend(events.read()) or connector.Event(connector.Kind.EXIT, pid=process.pid) in seen)
    process.wait()
    events.close()
    assert connector.Event(connector.Kind.FORK, pid=process.pid, parent=os.getpid()) in seen
    assert connector.Event(connector.Kind.EXEC, pid=process.pid) in seen
    assert len([one for one in seen if one.kind is connector.Kind.FORK and one.parent == process.pid]) == 20
    assert thread.native_id not in [one.pid for one in seen]


def test_events_that_were_not_read_in_time_are_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "_RECEIVE_BYTES", 4096)
    events = opened(connector.Connector)
    subprocess.run([sys.executable, "-c", FORKS], check=True)
    with pytest.raises(connector.LostError):
        list(events.read())
    events.close()


def discovery(node: machine.Node, *, live: bool = True) -> discovering.NodeDiscovery:
    return discovering.NodeDiscovery(
        proc_root=pathlib.Path("/proc"),
        hierarchy=node.hierarchy,
        kubepods=(node.kubepods,),
        walk_seconds=600,
        events=opened(connector.Connector) if live else None,
    )


async def _next(changes: AsyncIterator[frozenset[str]]) -> frozenset[str]:
    async with asyncio.timeout(5):
        return await anext(changes)


@pytest.mark.parametrize("live", [True, False], ids=["with the connector", "by cgroups alone"])
async def test_pods_containers_and_processes_are_seen_when_they_come(node: machine.Node, *, live: bool) -> None:
    watching = discovery(node, live=live)
    changes = watching.changes()
    first = machine.Pod(node=node)
    assert await _next(changes) == {first.uid}
    second = machine.Pod(node=node, qos="burstable")
    assert await _next(changes) == {second.uid}
    watching.track(frozenset({second.uid}))
    process = await asyncio.to_thread(second.start, SLEEPER)
    assert await _next(changes) == {second.uid}
    found = watching.pod(second.uid)
    assert found.qos == "Burstable"
    assert [one.key.pid for one in found.processes] == [process.pid]
    assert found.processes[0].container_id == second.container_ids[0]
    await changes.aclose()


async def test_a_fork_and_an_exit_in_a_selected_pod_are_seen(node: machine.Node) -> None:
    pod = machine.Pod(node=node)
    code = SLEEPER.replace("sys.stdin.read()", "sys.stdin.readline()\nimport os\nif os.fork() == 0: sys.stdin.read()")
    process = pod.start(code)
    watching = discovery(node)
    watching.track(frozenset({pod.uid}))
    changes = watching.changes()
    await _next(changes)
    assert len(watching.pod(pod.uid).processes) == 1
    process.stdin.write("\n")
    process.stdin.flush()
    async with asyncio.timeout(5):
        while [one.key.pid for one in watching.pod(pod.uid).processes] in ([], [process.pid]):
            await anext(changes)
    await changes.aclose()
