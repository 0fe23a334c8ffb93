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
    for one in ("bpf", "perfmon", "net_admin"):
        assert not privileges.works(SCHEDULING, privileges.SCHED_EXT - {one}), f"it does not need {one}"
