"""Our own scheduler on a real kernel: what Kubernetes promises holds, and strategies multiply it."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from gthulhu.agent.enforcement.sched_ext import enforcer, scheduler
from gthulhu.common import errors
from tests.kernel.vm.machine import Pods, eventually, run_length_ms, run_ns, shares, target


def test_the_kernel_runs_it_and_names_it(loaded: enforcer.SchedExt) -> None:
    assert scheduler.is_ours(scheduler.running())
    assert loaded.capabilities().enforcer == "sched_ext"


def test_shares_follow_requests_and_are_multiplied_by_strategies(loaded: enforcer.SchedExt, pods: Pods) -> None:
    a, b = pods.add("a"), pods.add("b")
    assert shares([a, b])[0] == pytest.approx(50, abs=7), "equal requests"

    a.write("cpu.weight", 300)
    assert shares([a, b])[0] == pytest.approx(75, abs=7), "requests of 3 to 1"
    a.write("cpu.weight", 100)

    loaded.apply([target(a, "a", priority=3)])
    assert shares([a, b])[0] == pytest.approx(87, abs=6), "priority 3 is times seven"

    loaded.apply([target(a, "a", priority=None)])
    assert shares([a, b])[0] == pytest.approx(50, abs=7), "withdrawn"


@pytest.mark.usefixtures("loaded")
def test_a_pod_gains_nothing_by_more_processes(pods: Pods) -> None:
    a, b, more = pods.add("a"), pods.add("b"), pods.add("more")
    (b.cgroup / "container" / "cgroup.procs").write_text(str(more.process.pid))
    assert shares([a, b, more]) == pytest.approx([50, 25, 25], abs=7)


@pytest.mark.usefixtures("loaded")
def test_on_several_cpus_shares_hold_and_affinities_are_kept(pods: Pods) -> None:
    everywhere = range(os.cpu_count() or 1)
    strong, weak = pods.add("strong", cpus=everywhere), pods.add("weak", cpus=everywhere)
    for pod, name in ((strong, "s"), (weak, "w")):
        pod.write("cpu.weight", 300 if pod is strong else 100)
        for number in everywhere:
            more = pods.add(f"{name}{number}", cpus=everywhere)
            (pod.cgroup / "container" / "cgroup.procs").write_text(str(more.process.pid))
    bound = pods.add("bound", cpus={1})
    used = dict(zip(pods.made, shares(pods.made, cpu_seconds=6), strict=True))
    of_strong = sum(share for pod, share in used.items() if pod is strong or pod.cgroup.name.startswith("s"))
    of_weak = sum(share for pod, share in used.items() if pod is weak or pod.cgroup.name.startswith("w"))
    assert of_strong / of_weak == pytest.approx(3, rel=0.35)
    assert used[bound] > 10, "one of five parts of two CPUs"
    assert os.sched_getaffinity(bound.process.pid) == {1}
    assert int(pathlib.Path(f"/proc/{bound.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[36]) == 1


def test_slices_are_as_long_as_asked_for(loaded: enforcer.SchedExt, pods: Pods) -> None:
    a, b = pods.add("a"), pods.add("b")
    loaded.apply([target(one, name, priority=10, slice_ns=40_000_000) for one, name in ((a, "a"), (b, "b"))])
    long = run_length_ms(a)
    loaded.apply([target(one, name, priority=10, slice_ns=4_000_000) for one, name in ((a, "a"), (b, "b"))])
    assert long > 30
    assert run_length_ms(a) < 20


@pytest.mark.usefixtures("loaded")
def test_cpu_limits_hold(pods: Pods) -> None:
    limited, other = pods.add("limited"), pods.add("other")
    limited.write("cpu.max", "20000 100000")
    assert shares([limited, other], cpu_seconds=4)[0] == pytest.approx(20, abs=2), "beside another pod"

    other.process.kill()
    other.process.wait()
    began = time.monotonic()
    shares([limited], cpu_seconds=1)
    assert 1 / (time.monotonic() - began) == pytest.approx(0.20, abs=0.02), "alone on an idle CPU"


def test_nobody_starves_whatever_the_policies_are(loaded: enforcer.SchedExt, pods: Pods) -> None:
    weak, strong = pods.add("weak"), pods.add("strong")
    weak.write("cpu.weight", 1)
    strong.write("cpu.weight", 10000)
    loaded.apply([target(weak, "weak", priority=20), target(strong, "strong", priority=0)])
    bound = 0.5 * (os.cpu_count() or 1)
    for _ in range(4):
        ran = run_ns(weak.process.pid)
        assert eventually(lambda ran=ran: run_ns(weak.process.pid) > ran, seconds=bound + 0.5)
    assert shares([weak, strong])[1] > 95


def test_what_is_counted_rises(loaded: enforcer.SchedExt, pods: Pods) -> None:
    a, b = pods.add("a"), pods.add("b")
    before = loaded.counters()
    shares([a, b], cpu_seconds=1)
    after = loaded.counters()
    assert before
    assert after
    assert after.dispatches > before.dispatches
    assert after.running >= 1
    assert after.queued >= 1


@pytest.mark.usefixtures("loaded")
def test_a_second_one_is_refused_and_the_first_stays() -> None:
    with pytest.raises(errors.DomainError):
        scheduler.Scheduler(slice_ns=5_000_000)
    assert scheduler.is_ours(scheduler.running())


LOADER = """
import pathlib, sys
from gthulhu.agent.enforcement.sched_ext import scheduler
one = scheduler.Scheduler(slice_ns=5_000_000, pins=pathlib.Path(sys.argv[1]) if sys.argv[1] else None)
one.tasks[4711] = scheduler.Policy(factor=2048, slice_ns=0)
print("up", flush=True)
sys.stdin.read()
"""


def loader(pins: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, pins], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


def test_when_the_agent_dies_the_kernel_s_own_scheduler_takes_over() -> None:
    process = loader("")
    assert scheduler.is_ours(scheduler.running())
    process.kill()
    process.wait()
    assert eventually(lambda: not scheduler.running(), seconds=1)


def test_pinned_it_survives_the_agent_and_is_adopted_with_its_policies() -> None:
    pins = pathlib.Path("/sys/fs/bpf/gthulhu")
    process = loader(str(pins))
    process.kill()
    process.wait()
    assert scheduler.is_ours(scheduler.running()), "no gap"
    adopted = scheduler.Scheduler(slice_ns=5_000_000, pins=pins)
    assert list(adopted.tasks) == [4711]
    adopted.unload()
    assert eventually(lambda: not scheduler.running(), seconds=1)


def test_an_ejected_scheduler_is_noticed_and_the_stock_enforcer_takes_over(
    loaded: enforcer.SchedExt, pods: Pods
) -> None:
    a, b = pods.add("a"), pods.add("b")
    loaded.apply([target(a, "a", priority=3)])
    pathlib.Path("/proc/sysrq-trigger").write_text("S")  # the kernel's own way to end a sched_ext scheduler
    assert eventually(lambda: loaded.verify() == ["a"])
    assert loaded.capabilities().enforcer == "stock"
    assert "sysrq" in loaded.capabilities().reason.lower()
    assert (a.cgroup / "cpu.weight").read_text().strip() == "696"
    assert shares([a, b])[0] == pytest.approx(87, abs=6)

    assert eventually(lambda: bool(loaded.verify())), "loaded again after a while"
    assert loaded.capabilities().enforcer == "sched_ext"
    assert (a.cgroup / "cpu.weight").read_text().strip() == "100", "the stock enforcer has put its weight back"
    assert shares([a, b])[0] == pytest.approx(87, abs=6)
