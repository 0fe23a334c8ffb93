"""Pods and processes from trees of files, live."""

import asyncio
import os
import pathlib
import shutil
from collections.abc import AsyncGenerator, Iterator

import pytest

from gthulhu.agent.discovery import connector, node
from gthulhu.agent.domain import process as processes
from tests.unit.agent.discovery import trees

UID = "2b0a2bd5-3d6e-4e7b-9f1f-3c6a1f6ad001"
OTHER = "11111111-2222-3333-4444-555555555555"
ID, PAUSE = "3f" * 32, "00" * 32
POD = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
CONTAINER = f"{POD}/cri-containerd-{ID}.scope"


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def machine(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> trees.Machine:
    made = trees.Machine(tmp_path, version=request.param)
    made.cgroup(CONTAINER, 10, 11)
    made.cgroup(f"{CONTAINER}/nested.scope", 12)
    made.cgroup(f"{POD}/cri-containerd-{PAUSE}.scope", 9)
    made.cgroup(f"kubepods/besteffort/pod{OTHER}/{ID}", 20)
    made.process(9, comm=b"pause", command=b"/pause\0")
    made.process(10, threads=(10, 13, 14))
    made.process(11, comm=b"a) b\n(\xff", command=b"", ppid=10)
    made.process(12)
    made.process(20)
    return made


class Events:
    """Process events by hand, over a pipe."""

    name = "hand"

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        self._waiting: list[connector.Event] = []
        self.lost = False

    def happen(self, *events: connector.Event) -> None:
        self._waiting += events
        os.write(self._in, b".")

    def fileno(self) -> int:
        return self._out

    def read(self) -> Iterator[connector.Event]:
        os.read(self._out, 1024)
        if self.lost:
            raise connector.LostError
        events, self._waiting = self._waiting, []
        return iter(events)

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


def test_pods_are_found_with_their_containers(machine: trees.Machine) -> None:
    pods = {one.uid: one for one in machine.discovery().pods()}
    assert pods.keys() == {UID, OTHER}
    assert (pods[UID].qos, pods[UID].cgroup) == ("Burstable", POD)
    assert [one.id for one in pods[UID].containers] == [PAUSE, ID]
    assert pods[OTHER].qos == "BestEffort"


def test_a_pod_is_read_with_every_process_thread_and_nested_cgroup(machine: trees.Machine) -> None:
    found = {one.key.pid: one for one in machine.discovery().pod(UID).processes}
    assert found.keys() == {9, 10, 11, 12}
    assert found[9].is_pause
    assert found[10] == processes.Process(
        key=processes.ProcessKey(10, 100),
        ppid=1,
        comm="nginx",
        command="nginx -g daemon off;",
        container_id=ID,
        threads=(10, 13, 14),
    )
    assert found[11].comm == "a) b\\x0a(\\xff"
    assert not any(found[pid].is_pause for pid in (10, 11, 12))


def test_only_the_sole_process_of_a_container_can_be_its_pause_process(machine: trees.Machine) -> None:
    machine.process(10, comm=b"pause", command=b"/pause\0")
    assert [one.key.pid for one in machine.discovery().pod(UID).processes if one.is_pause] == [9]


def test_processes_that_end_while_they_are_read_and_zombies_are_left_out(machine: trees.Machine) -> None:
    shutil.rmtree(machine.proc / "11")
    machine.process(12, state="Z")
    assert [one.key.pid for one in machine.discovery().pod(UID).processes] == [9, 10]


def test_a_pod_that_is_gone_is_none(machine: trees.Machine) -> None:
    discovery = machine.discovery()
    assert discovery.pod(UID) is not None
    shutil.rmtree(machine.root / POD)
    assert discovery.pod(UID) is None
    assert discovery.pod("no-such-pod") is None


async def following(discovery: node.NodeDiscovery) -> AsyncGenerator[frozenset[str]]:
    """Return changes, past the first that names everything."""
    changes = discovery.changes()
    await _next(changes)
    return changes


async def _next(changes: AsyncGenerator[frozenset[str]]) -> frozenset[str]:
    async with asyncio.timeout(5):
        return await anext(changes)


async def test_the_first_change_names_every_pod(machine: trees.Machine) -> None:
    changes = machine.discovery().changes()
    assert await _next(changes) == {UID, OTHER}
    await changes.aclose()


async def test_pods_that_come_and_go_are_seen_at_once(machine: trees.Machine) -> None:
    discovery = machine.discovery()
    changes = await following(discovery)
    new = "99999999-2222-3333-4444-555555555555"
    machine.cgroup(f"kubepods/pod{new}/{ID}", 30)
    assert await _next(changes) == {new}
    machine.process(30)
    assert [one.key.pid for one in discovery.pod(new).processes] == [30]
    shutil.rmtree(machine.root / f"kubepods/pod{new}")
    while (changed := await _next(changes)) and discovery.pod(new):
        assert changed == {new}
    await changes.aclose()


async def test_a_kubelet_tree_that_is_made_later_is_seen(tmp_path: pathlib.Path) -> None:
    machine = trees.Machine(tmp_path, version=2)
    discovery = machine.discovery()
    changes = discovery.changes()
    first = asyncio.create_task(_next(changes))
    await asyncio.sleep(0)
    machine.cgroup(f"kubepods/pod{UID}/{ID}", 30)
    assert await first == {UID}
    await changes.aclose()


async def test_a_process_that_enters_a_selected_pod_changes_it_and_in_others_nobody_cares(
    machine: trees.Machine,
) -> None:
    discovery = machine.discovery()
    discovery.track(frozenset({UID}))
    changes = await following(discovery)
    machine.cgroup(f"kubepods/besteffort/pod{OTHER}/{ID}", 20, 21)
    machine.cgroup(CONTAINER, 10, 11, 15)
    assert await _next(changes) == {UID}
    await changes.aclose()


async def test_forks_execs_and_exits_in_a_selected_pod_change_it(machine: trees.Machine) -> None:
    events = Events()
    discovery = machine.discovery(events=events)
    discovery.track(frozenset({UID}))
    changes = await following(discovery)
    discovery.pod(UID)
    machine.process(77, cgroup=f"/{CONTAINER}")
    machine.process(78, cgroup=f"/kubepods/besteffort/pod{OTHER}/{ID}")
    for happening in (
        connector.Event(connector.Kind.FORK, pid=70, parent=10),
        connector.Event(connector.Kind.EXEC, pid=70),
        connector.Event(connector.Kind.EXIT, pid=70),
        connector.Event(connector.Kind.EXEC, pid=77),
    ):
        events.happen(connector.Event(connector.Kind.FORK, pid=5, parent=4), happening)
        assert await _next(changes) == {UID}
    events.happen(connector.Event(connector.Kind.EXEC, pid=78), connector.Event(connector.Kind.FORK, pid=71, parent=11))
    assert await _next(changes) == {UID}
    await changes.aclose()


async def test_an_exec_has_the_command_line_read_again(machine: trees.Machine) -> None:
    events = Events()
    discovery = machine.discovery(events=events)
    discovery.track(frozenset({UID}))
    changes = await following(discovery)
    assert discovery.pod(UID).processes[1].command.startswith("nginx")
    machine.process(10, command=b"nginx\0worker\0")
    assert discovery.pod(UID).processes[1].command == "nginx -g daemon off;"
    events.happen(connector.Event(connector.Kind.EXEC, pid=10))
    await _next(changes)
    assert discovery.pod(UID).processes[1].command == "nginx worker"
    await changes.aclose()


async def test_where_events_were_lost_every_selected_pod_is_read_again(machine: trees.Machine) -> None:
    events = Events()
    events.lost = True
    discovery = machine.discovery(events=events)
    discovery.track(frozenset({UID, OTHER}))
    changes = await following(discovery)
    events.happen()
    assert await _next(changes) == {UID, OTHER}
    await changes.aclose()


async def test_the_slow_walk_finds_what_no_event_told(machine: trees.Machine) -> None:
    discovery = machine.discovery(walk_seconds=0.05)
    discovery.track(frozenset({UID}))
    changes = await following(discovery)
    assert await _next(changes) == {UID}
    await changes.aclose()
