"""The procfs collector: sums that never go back."""

import pathlib
import shutil

import pytest

from gthulhu.agent.domain import process as processes
from gthulhu.agent.metrics import collector, collector_procfs


class Machine:
    """A /proc of files."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.proc = folder

    def thread(self, pid: int, tid: int, *, run: int, wait: int = 0, switches: int = 0, start: int = 5) -> None:
        folder = self.proc / str(pid) / "task" / str(tid)
        folder.mkdir(parents=True, exist_ok=True)
        (self.proc / str(pid) / "stat").write_text(f"{pid} (x) S 1 {'0 ' * 17}{start} 0\n")
        (folder / "schedstat").write_text(f"{run} {wait} 7\n")
        (folder / "status").write_text(
            f"Name:\tx\nvoluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t{2 * switches}\n"
        )

    def end(self, pid: int, tid: int | None = None) -> None:
        shutil.rmtree(self.proc / str(pid) if tid is None else self.proc / str(pid) / "task" / str(tid))


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def pod(*pids: int, start: int = 5) -> list[processes.Pod]:
    its = tuple(
        processes.Process(key=processes.ProcessKey(pid, start), comm="x", container_id="c", threads=(pid,))
        for pid in pids
    )
    return [processes.Pod(uid="u", cgroup="c", qos="Guaranteed", processes=its)]


def test_a_pod_is_the_sum_of_its_threads(machine: Machine) -> None:
    machine.thread(1, 1, run=10, wait=1, switches=2)
    machine.thread(1, 3, run=20, wait=2, switches=3)
    machine.thread(2, 2, run=5)
    usage = collector_procfs.ProcfsCollector(proc_root=machine.proc).collect(pod(1, 2))["u"]
    assert usage.total == collector.Counters(run_ns=35, wait_ns=3, voluntary_switches=5, involuntary_switches=10)
    assert usage.threads == 3
    assert usage.processes[processes.ProcessKey(1, 5)].run_ns == 30


def test_what_ended_threads_and_processes_have_used_stays_counted(machine: Machine) -> None:
    reading = collector_procfs.ProcfsCollector(proc_root=machine.proc)
    machine.thread(1, 1, run=10)
    machine.thread(1, 3, run=20)
    machine.thread(2, 2, run=5)
    reading.collect(pod(1, 2))
    machine.end(1, 3)
    machine.thread(1, 1, run=11)
    assert reading.collect(pod(1, 2))["u"].total.run_ns == 36
    machine.end(2)
    usage = reading.collect(pod(1, 2))["u"]
    assert usage.total.run_ns == 36
    assert usage.processes.keys() == {processes.ProcessKey(1, 5)}


def test_a_thread_whose_time_has_gone_back_is_another_one(machine: Machine) -> None:
    reading = collector_procfs.ProcfsCollector(proc_root=machine.proc)
    machine.thread(1, 1, run=10)
    reading.collect(pod(1))
    machine.thread(1, 1, run=3)
    assert reading.collect(pod(1))["u"].total.run_ns == 13


def test_a_thread_that_ends_while_its_process_is_read_takes_no_other_with_it(machine: Machine) -> None:
    reading = collector_procfs.ProcfsCollector(proc_root=machine.proc)
    machine.thread(1, 1, run=10)
    machine.thread(1, 3, run=20)
    reading.collect(pod(1))
    (machine.proc / "1" / "task" / "3" / "schedstat").unlink()
    assert reading.collect(pod(1))["u"].total.run_ns == 30
    assert reading.collect(pod(1))["u"].total.run_ns == 30


def test_a_pid_that_lives_again_counts_as_another_process(machine: Machine) -> None:
    reading = collector_procfs.ProcfsCollector(proc_root=machine.proc)
    machine.thread(1, 1, run=10)
    reading.collect(pod(1))
    machine.thread(1, 1, run=3, start=9)
    assert reading.collect(pod(1, start=9))["u"].total.run_ns == 13


def test_switches_are_read_now_and_then_and_times_always(machine: Machine) -> None:
    reading = collector_procfs.ProcfsCollector(proc_root=machine.proc)
    machine.thread(1, 1, run=0)
    reading.collect(pod(1))
    seen = []
    for number in range(1, 7):
        machine.thread(1, 1, run=number, switches=number)
        total = reading.collect(pod(1))["u"].total
        assert total.run_ns == number
        seen.append(total.voluntary_switches)
    assert seen == [0, 0, 0, 0, 0, 6]


def test_shares_are_what_happened_between_two_readings() -> None:
    key, other = processes.ProcessKey(1, 1), processes.ProcessKey(2, 1)

    def usage(at: int, **its: int) -> dict[str, collector.PodUsage]:
        counters = {key: collector.Counters(run_ns=its["run"], wait_ns=its["wait"])}
        if at:
            counters[other] = collector.Counters(run_ns=1)
        return {"u": collector.PodUsage(at_ns=at, total=collector.Counters(), processes=counters)}

    found = collector.shares(before=usage(0, run=100, wait=0), after=usage(1000, run=350, wait=2000))
    assert found == {key: collector.Share(cpu=0.25, wait=2.0)}
    assert collector.shares(before={}, after=usage(1000, run=1, wait=1)) == {}
