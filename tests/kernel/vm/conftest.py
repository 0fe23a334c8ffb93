"""These run inside a virtual machine (`make test-kernel`): a kernel with sched_ext, cgroup v2, nothing else running."""

import os
import pathlib
import uuid
from collections.abc import Iterator

import pytest

from gthulhu.agent.enforcement import originals, stock, threads
from gthulhu.agent.enforcement.sched_ext import enforcer, scheduler
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.agent.kernel import procfs
from gthulhu.common import clock as clocks
from tests.kernel.vm import machine

if not os.environ.get("GTHULHU_GUEST"):
    collect_ignore_glob = ["test_*.py"]  # they run through tests/kernel/test_vm.py


@pytest.fixture
def pods() -> Iterator[machine.Pods]:
    root = machine.CGROUPS / f"kubepods-{uuid.uuid4().hex[:6]}"
    root.mkdir()
    (root / "cgroup.subtree_control").write_text("+cpu")
    made = machine.Pods(root)
    yield made
    made.close()


@pytest.fixture
def loaded(tmp_path: pathlib.Path) -> Iterator[enforcer.SchedExt]:
    hierarchy = hierarchies.find(machine.CGROUPS)
    fallback = stock.Stock(
        hierarchy=hierarchy,
        proc_root="/proc",
        records=originals.Originals(tmp_path / "originals.sqlite3", boot_id=procfs.boot_id("/proc")),
        facilities=stock.Facilities(weights=True, nice=True, default_slice_ns=threads.default_slice_ns()),
        clock=clocks.SystemClock(),
    )
    made = enforcer.SchedExt(
        load=lambda: scheduler.Scheduler(slice_ns=5_000_000),
        hierarchy=hierarchy,
        fallback=fallback,
        clock=clocks.SystemClock(),
    )
    yield made
    made.withdraw_all()
    fallback.close()
