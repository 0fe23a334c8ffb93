"""Runs inside the virtual machine: one load under three schedulers; prints a line of JSON for each.

The load is two pods on two CPUs: a noisy one (two CPU-bound processes on each CPU) and a latency-sensitive one (a
process that sleeps 4 ms and works for a moment, over and over). Time in an emulated machine is not real time: only
ratios between schedulers mean anything.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

from gthulhu.agent.enforcement.sched_ext import scheduler
from gthulhu.agent.kernel import libbpf

SECONDS = 8
CGROUPS = pathlib.Path("/sys/fs/cgroup")
HOG = "while True: pass"
SLEEPER = f"""
import json, time
late, end = [], time.monotonic() + {SECONDS}
while time.monotonic() < end:
    before = time.monotonic_ns()
    time.sleep(0.004)
    late.append(time.monotonic_ns() - before - 4_000_000)
    sum(range(2000))
late.sort()
print(json.dumps([late[len(late) // 2] / 1e6, late[len(late) * 99 // 100] / 1e6, len(late)]))
"""


@contextlib.contextmanager
def ours() -> Iterator[None]:
    loaded = scheduler.Scheduler(slice_ns=5_000_000)
    yield
    loaded.close()


@contextlib.contextmanager
def fifo() -> Iterator[None]:
    loaded = libbpf.Object(libbpf.Library(), pathlib.Path(__file__).with_name("fifo.bpf.o"))
    loaded.load()
    loaded.attach_struct_ops("fifo")
    yield
    loaded.close()


def run(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def switches() -> int:
    lines = pathlib.Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("ctxt"))


def start(cgroup: str, code: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    (CGROUPS / cgroup / "cgroup.procs").write_text(str(process.pid))
    return process


def measure(name: str) -> None:
    hogs = [start("noisy", HOG) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        ran, switched, began = sum(run(hog.pid) for hog in hogs), switches(), time.monotonic()
        sleeper = start("sensitive", SLEEPER)
        middle, p99, wakeups = json.loads(sleeper.communicate()[0])
        took = time.monotonic() - began
        figures = {
            "scheduler": name,
            "work": (sum(run(hog.pid) for hog in hogs) - ran) / 1e9 / took,
            "wake_ms": middle,
            "wake_p99_ms": p99,
            "wakeups": wakeups / took,
            "switches": (switches() - switched) / took,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


if __name__ == "__main__":
    for pod in ("noisy", "sensitive"):
        (CGROUPS / pod).mkdir(exist_ok=True)
    for label, loaded in (("kernel", contextlib.nullcontext()), ("gthulhu", ours()), ("fifo", fifo())):
        with loaded:
            measure(label)
