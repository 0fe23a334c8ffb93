"""What our own scheduler may do less than: each of its capabilities is needed to load it."""

from tests.kernel.deploy import privileges

SCHEDULING = """
from gthulhu.agent.enforcement.sched_ext import scheduler
loaded = scheduler.Scheduler(slice_ns=5_000_000)
assert scheduler.is_ours(scheduler.running())
loaded.unload()
"""


def test_our_scheduler_is_loaded_with_its_capabilities_and_not_without_any_of_them() -> None:
    assert privileges.works(SCHEDULING, privileges.SCHED_EXT)
    for one in ("bpf", "perfmon"):
        assert not privileges.works(SCHEDULING, privileges.SCHED_EXT - {one}), f"it does not need {one}"


PINNING = """
import pathlib
from gthulhu.agent.enforcement.sched_ext import scheduler
pins = pathlib.Path("/sys/fs/bpf/gthulhu")
scheduler.Scheduler(slice_ns=5_000_000, pins=pins).close()
assert scheduler.is_ours(scheduler.running())
scheduler.Scheduler(slice_ns=5_000_000, pins=pins).unload()
assert not pins.exists()
"""


def test_it_is_pinned_and_taken_over_with_the_same() -> None:
    assert privileges.works(PINNING, privileges.SCHED_EXT)
