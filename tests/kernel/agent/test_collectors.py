"""The collectors agree with each other, and with the kernel's own accounting."""

import pathlib
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from gthulhu.agent.discovery import node as discovering
from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import libbpf
from gthulhu.agent.metrics import collector, collector_co_re, collector_procfs
from gthulhu.agent.metrics.co_re import build
from tests.kernel.agent import conftest as machine

pytestmark = pytest.mark.kernel

BLINKER = """
import os, sys, time
os.sched_setaffinity(0, {cpus})
print('up', flush=True)
sys.stdin.readline()
for _ in range(300):
    time.sleep(0.002)
    sum(range(20000))
print('done', flush=True)
sys.stdin.read()
"""
CHILDREN = """
import os, sys
print('up', flush=True)
sys.stdin.readline()
for _ in range(20):
    child = os.fork()
    if not child:
        sum(range(300000))
        os._exit(0)
    os.waitpid(child, 0)
print('done', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def co_re(node: machine.Node) -> Iterator[collector_co_re.CoReCollector]:
    """The collector, built and loaded; skipped where it cannot be."""
    build.main()
    try:
        made = collector_co_re.CoReCollector(hierarchy=node.hierarchy)
    except libbpf.BpfError as error:
        pytest.skip(f"no BPF to be had: {error}")
    yield made
    made.close()


def read(node: machine.Node, pod: machine.Pod) -> processes.Pod:
    found = discovering.NodeDiscovery(
        proc_root=pathlib.Path("/proc"), hierarchy=node.hierarchy, kubepods=(node.kubepods,)
    ).pod(pod.uid)
    assert found is not None
    return found


def go(process: subprocess.Popen[str]) -> None:
    """Have a waiting process do its work, to the end."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def asleep(process: subprocess.Popen[str]) -> None:
    """Return once a process waits for input, and has left the run queue: its state alone says so too early."""
    machine.until(lambda: pathlib.Path(f"/proc/{process.pid}/syscall").read_text() != "running\n")


def spent(before: Mapping[str, collector.PodUsage], after: Mapping[str, collector.PodUsage]) -> collector.Counters:
    (one,), (other,) = before.values(), after.values()
    return other.total - one.total


@pytest.mark.long  # on a machine that does nothing else
def test_bpf_and_proc_agree_on_switches_and_times(node: machine.Node, co_re: collector_co_re.CoReCollector) -> None:
    pod, rival = machine.Pod(node=node), machine.Pod(node=node)
    rival.start()
    process = pod.start(BLINKER.format(cpus={node.cpu}))
    asleep(process)  # a wait that began before it was watched would be in one account only
    its = [read(node, pod)]
    before = co_re.collect(its), collector_procfs.ProcfsCollector().collect(its)
    go(process)
    asleep(process)
    after = co_re.collect(its), collector_procfs.ProcfsCollector().collect(its)
    counted, accounted = spent(before[0], after[0]), spent(before[1], after[1])
    assert abs(counted.voluntary_switches - accounted.voluntary_switches) <= 1
    assert abs(counted.involuntary_switches - accounted.involuntary_switches) <= 1
    assert counted.run_ns == pytest.approx(accounted.run_ns, rel=0.03, abs=5_000_000)
    assert counted.wait_ns == pytest.approx(accounted.wait_ns, rel=0.03, abs=1_000_000)
    (usage,) = after[0].values()
    assert sum(usage.latency) >= 300
    of_process = usage.processes[its[0].processes[0].key]
    assert of_process.voluntary_switches == pytest.approx(counted.voluntary_switches, abs=1)


def test_what_short_lived_processes_did_stays_counted(node: machine.Node, co_re: collector_co_re.CoReCollector) -> None:
    pod = machine.Pod(node=node)
    process = pod.start(CHILDREN)
    its = [read(node, pod)]
    before = co_re.collect(its)
    go(process)
    after = co_re.collect(its)
    (usage,) = after.values()
    parent = usage.processes[its[0].processes[0].key]
    assert spent(before, after).run_ns > parent.run_ns + 20_000_000


def test_counters_survive_a_container_that_ends(node: machine.Node, co_re: collector_co_re.CoReCollector) -> None:
    pod = machine.Pod(node=node)
    pod.add_container()
    process = pod.start(CHILDREN, container=1)
    its = [read(node, pod)]
    co_re.collect(its)
    go(process)
    (before,) = co_re.collect(its).values()
    process.kill()
    process.communicate()
    machine.until(lambda: machine.removed(str(node.hierarchy.root / pod.containers[1])))
    (after,) = co_re.collect(its).values()
    assert after.total.run_ns >= before.total.run_ns > 0
    assert sum(after.latency) >= sum(before.latency) > 0


def test_what_is_not_asked_for_is_not_counted(node: machine.Node, co_re: collector_co_re.CoReCollector) -> None:
    pod = machine.Pod(node=node)
    process = pod.start(CHILDREN)
    its = [read(node, pod)]
    co_re.collect(its)
    co_re.collect([])
    go(process)
    (usage,) = co_re.collect(its).values()
    assert usage.total.run_ns < 5_000_000
