"""What the stock enforcer does to real cgroups and threads, level by level, and what it leaves behind: nothing."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gthulhu.agent import config as configs
from gthulhu.agent.discovery import node as discovering
from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, levels, limits, probe, stock, threads
from gthulhu.agent.kernel import procfs
from gthulhu.common import clock as clocks
from gthulhu.common import errors
from tests.kernel.agent import conftest as machine

pytestmark = pytest.mark.kernel

SLEEPER = "print('up', flush=True)\nimport sys\nsys.stdin.read()"
THREADED = """
import threading, sys
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print('up', flush=True)
sys.stdin.readline()
threading.Thread(target=threading.Event().wait, daemon=True).start()
print('more', flush=True)
sys.stdin.read()
"""
FORKING = """
import os, sys
print('up', flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""
SETTLED = stock.SETTLED_SECONDS


class World:
    """A node with an enforcer, and the pods as discovery reads them."""

    def __init__(self, node: machine.Node, folder: pathlib.Path) -> None:
        self.config = configs.AgentConfig(
            state_dir=folder,
            node=configs.Node(kubepods=(node.kubepods,), process_events="none"),
            enforcement=configs.Enforcement(enforcer="stock"),
        )
        self.open()

    def open(self) -> None:
        """Start the enforcer (again)."""
        self.enforcer = probe.choose_enforcer(self.config, clock=clocks.SystemClock())

    def target(self, pod: machine.Pod, **wanted: tuple[int, int]) -> base.PodTarget:
        """Return what a pod should get: priority and slice by `pPID`."""
        found = discovering.from_config(self.config).pod(pod.uid)
        assert found is not None
        decided = {}
        for one in found.processes:
            if f"p{one.key.pid}" in wanted:
                priority, slice_ns = wanted[f"p{one.key.pid}"]
                decided[one.key] = decisions.Decision(
                    process=one.key,
                    pod_uid=pod.uid,
                    container_id=one.container_id,
                    intent_id="i",
                    strategy_id="s",
                    priority=priority,
                    execution_time_ns=slice_ns,
                    threads=one.threads,
                )
        return base.PodTarget(pod=found, decisions=decided)

    def apply(self, pod: machine.Pod, **wanted: tuple[int, int]) -> dict[int, base.Effect]:
        """Apply it; returns effects by PID."""
        return {key.pid: one for key, one in self.enforcer.apply([self.target(pod, **wanted)]).items()}


@pytest.fixture
def world(node: machine.Node, tmp_path: pathlib.Path) -> Iterator[World]:
    made = World(node, tmp_path)
    yield made
    made.enforcer.close()


def settled(*started: subprocess.Popen[str]) -> None:
    """Wait until processes count for the choice of the lever."""
    machine.until(lambda: all(_age(one.pid) > SETTLED + 0.05 for one in started))


def _age(pid: int) -> float:
    start = procfs.stat("/proc", pid).start_time / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start


def test_a_part_of_a_container_is_moved_by_nice(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one, other = pod.start(), pod.start()
    settled(one, other)
    effect = world.apply(pod, **{f"p{one.pid}": (5, 0)})[one.pid]
    assert effect.levers == (stock.THREAD_NICE,)
    assert effect.limits == (limits.WITHIN_CONTAINER,)
    assert (os.getpriority(os.PRIO_PROCESS, one.pid), os.getpriority(os.PRIO_PROCESS, other.pid)) == (-6, 0)
    assert pod.weight() == 1024
    assert 70 < machine.share(one, among=[one, other]) < 90
    world.apply(pod)
    assert os.getpriority(os.PRIO_PROCESS, one.pid) == 0
    assert world.enforcer.holds() == frozenset()


def test_all_of_one_container_is_moved_by_its_weight(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    pod.add_container()
    one, other = pod.start(SLEEPER), pod.start(SLEEPER, container=1)
    settled(one, other)
    effect = world.apply(pod, **{f"p{one.pid}": (0, 0)})[one.pid]
    assert (effect.levers, effect.limits) == ((stock.CONTAINER_WEIGHT,), (limits.WITHIN_POD,))
    assert (pod.weight(), pod.weight(0), pod.weight(1)) == (1024, 16384, 1024)
    effect = world.apply(pod, **{f"p{one.pid}": (0, 0), f"p{other.pid}": (0, 0)})[one.pid]
    assert effect.levers == (stock.POD_WEIGHT,)
    assert (pod.weight(), pod.weight(0), pod.weight(1)) == (16384, 1024, 1024)


def test_a_helper_that_has_just_started_does_not_move_the_pod_to_another_lever(
    node: machine.Node, world: World
) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    settled(one)
    pod.start(SLEEPER)
    assert world.apply(pod, **{f"p{one.pid}": (3, 0)})[one.pid].levers == (stock.POD_WEIGHT,)


@pytest.mark.parametrize("qos", ["burstable", "besteffort"])
def test_pods_in_a_slice_of_the_kubelet_are_reported_as_limited_and_the_slice_stays(
    node: machine.Node, world: World, qos: str
) -> None:
    pod = machine.Pod(node=node, qos=qos)
    one = pod.start(SLEEPER)
    assert world.apply(pod, **{f"p{one.pid}": (3, 0)})[one.pid].limits == (limits.LIMITED_BY_QOS,)
    slice_weight = node.hierarchy.root / pod.cgroup.rpartition("/")[0] / node.hierarchy.weight_file
    assert int(slice_weight.read_text()) == 1024


def test_every_thread_gets_the_slice_new_ones_inherit_it_and_all_are_put_back(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    process = pod.start(THREADED)
    before = threads.get(process.pid)

    def slices() -> set[int]:
        return {threads.get(tid).setting.slice_ns for tid in procfs.threads("/proc", process.pid)}

    effect = world.apply(pod, **{f"p{process.pid}": (10, 30_000_000)})[process.pid]
    assert (effect.levers, effect.limits) == ((stock.THREAD_SLICE,), ())
    assert slices() == {30_000_000}
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    assert slices() == {30_000_000}
    world.apply(pod)
    assert slices() == {before.setting.slice_ns}
    assert world.enforcer.holds() == frozenset()


def test_a_child_that_inherited_what_is_not_meant_for_it_is_put_back(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    parent, other = pod.start(FORKING), pod.start(SLEEPER)
    settled(parent, other)
    wanted = {f"p{parent.pid}": (0, 5_000_000)}
    world.apply(pod, **wanted)
    parent.stdin.write("\n")
    parent.stdin.flush()
    child = int(parent.stdout.readline())
    assert threads.get(child).setting == threads.Setting(-12, 5_000_000)
    world.apply(pod, **wanted)
    assert threads.get(child).setting == threads.get(other.pid).setting
    assert threads.get(parent.pid).setting == threads.Setting(-12, 5_000_000)


def test_slices_out_of_range_are_clamped_and_reported(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    effect = world.apply(pod, **{f"p{one.pid}": (10, 1_000_000_000)})[one.pid]
    assert effect.limits == (limits.SLICE_CLAMPED,)
    assert threads.get(one.pid).setting.slice_ns == threads.MAX_SLICE_NS


def allow_realtime(node: machine.Node, pod: machine.Pod) -> None:
    """Give a pod real-time bandwidth, where the kernel wants that (v1 with CONFIG_RT_GROUP_SCHED)."""
    container = pathlib.PurePath(pod.containers[0])
    for cgroup in (*reversed(container.parents[:-1]), container):
        file = node.hierarchy.root / cgroup / "cpu.rt_runtime_us"
        if file.exists():
            file.write_text("10000")


def test_realtime_threads_are_left_alone(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    allow_realtime(node, pod)
    os.sched_setscheduler(one.pid, os.SCHED_RR, os.sched_param(1))
    effect = world.apply(pod, **{f"p{one.pid}": (10, 5_000_000)})[one.pid]
    assert limits.REALTIME_POLICY in effect.limits
    assert os.sched_getscheduler(one.pid) == os.SCHED_RR


def test_a_pid_that_lives_again_is_another_process(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    target = world.target(pod, **{f"p{one.pid}": (10, 5_000_000)})
    stale = processes.ProcessKey(one.pid, target.pod.processes[0].key.start_time - 1)
    old = base.PodTarget(
        pod=processes.Pod(
            uid=pod.uid,
            cgroup=pod.cgroup,
            qos="Guaranteed",
            processes=(processes.Process(key=stale, comm="x", container_id=pod.container_ids[0], threads=(one.pid,)),),
        ),
        decisions={
            stale: decisions.Decision(
                process=stale,
                pod_uid=pod.uid,
                container_id=pod.container_ids[0],
                intent_id="i",
                strategy_id="s",
                priority=10,
                execution_time_ns=5_000_000,
                threads=(one.pid,),
            )
        },
    )
    before = threads.get(one.pid)
    assert world.enforcer.apply([old]) == {}
    assert threads.get(one.pid) == before


def test_a_weight_that_someone_else_writes_is_the_new_base(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    wanted = {f"p{one.pid}": (5, 0)}
    world.apply(pod, **wanted)
    assert pod.weight() == 4096
    pod.weight_file().write_text("512")
    world.apply(pod, **wanted)
    assert pod.weight() == 2048
    world.apply(pod)
    assert pod.weight() == 512


def test_the_base_written_again_is_answered_once_a_second(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    wanted = {f"p{one.pid}": (5, 0)}
    world.apply(pod, **wanted)
    pod.weight_file().write_text("1024")
    world.apply(pod, **wanted)
    assert pod.weight() == 1024
    assert world.enforcer.postponed() == {pod.uid}
    machine.until(lambda: bool(world.enforcer.verify()), limit=3)
    assert pod.weight() == 4096


def test_a_nice_value_that_someone_else_sets_is_the_new_base(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one, other = pod.start(SLEEPER), pod.start(SLEEPER)
    settled(one, other)
    wanted = {f"p{one.pid}": (5, 0)}
    world.apply(pod, **wanted)
    os.setpriority(os.PRIO_PROCESS, one.pid, 4)
    world.apply(pod, **wanted)
    assert os.getpriority(os.PRIO_PROCESS, one.pid) == -2
    world.apply(pod)
    assert os.getpriority(os.PRIO_PROCESS, one.pid) == 4


def test_weights_end_where_the_kernel_ends(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one = pod.start(SLEEPER)
    pod.weight_file().write_text("200000")
    effect = world.apply(pod, **{f"p{one.pid}": (0, 0)})[one.pid]
    assert effect.limits == (limits.WEIGHT_CLAMPED,)
    assert pod.weight() == 262144


def test_after_a_restart_everything_is_known_and_can_be_withdrawn(node: machine.Node, world: World) -> None:
    pod = machine.Pod(node=node)
    one, other = pod.start(SLEEPER), pod.start(SLEEPER)
    settled(one, other)
    before = threads.get(one.pid)
    world.apply(pod, **{f"p{one.pid}": (3, 7_000_000)})
    world.enforcer.close()
    world.open()
    assert world.enforcer.holds() == {pod.uid}
    world.enforcer.withdraw_all()
    assert threads.get(one.pid) == before
    assert world.enforcer.holds() == frozenset()


def test_two_agents_do_not_share_a_node(world: World) -> None:
    with pytest.raises(errors.ConflictError, match="in use by a running agent"):
        world.open()


KILLED = """
import sys, pathlib
sys.path.insert(0, {root!r})
from tests.kernel.agent import test_stock
from gthulhu.agent import config as configs
world = test_stock.World.__new__(test_stock.World)
world.config = configs.AgentConfig.model_validate_json({config!r})
world.open()
class Pod:
    uid = {uid!r}
world.apply(Pod, **{wanted!r})
print('up', flush=True)
sys.stdin.read()
"""


def test_after_kill_9_restore_puts_everything_back(node: machine.Node, tmp_path: pathlib.Path) -> None:
    world = World(node, tmp_path)
    world.enforcer.close()
    pod = machine.Pod(node=node)
    one = pod.start(THREADED)
    before = threads.get(one.pid)
    code = KILLED.format(
        root=str(pathlib.Path.cwd()),
        config=world.config.model_dump_json(),
        uid=pod.uid,
        wanted={f"p{one.pid}": (0, 7_000_000)},
    )
    agent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    node.processes.append(agent)
    assert agent.stdout.readline() == "up\n"
    assert pod.weight() == 16384
    assert threads.get(one.pid).setting.slice_ns == 7_000_000
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    assert pod.weight() == 16384
    assert probe.restore(world.config, clock=clocks.SystemClock()) == 1
    assert pod.weight() == 1024
    assert {threads.get(tid) for tid in procfs.threads("/proc", one.pid)} == {before}
    assert probe.restore(world.config, clock=clocks.SystemClock()) == 0


def test_levels_ask_for_the_nearest_nice_value() -> None:
    assert [levels.nice_offset(one) for one in (0, 3, 10, 20)] == [-12, -9, 0, 12]
