"""Each mode of the agent works with its capabilities, and with none of them taken away."""

import pytest

from tests.kernel.deploy import privileges

pytestmark = pytest.mark.kernel

PRIORITY_OF_ANOTHER = """
import os, subprocess
from gthulhu.agent.enforcement import threads
other = subprocess.Popen(["sleep", "60"])
try:
    threads.put(other.pid, threads.Setting(-5, 0), reset_on_fork=False)
    assert os.getpriority(os.PRIO_PROCESS, other.pid) == -5
finally:
    other.kill()
"""
COUNTING_IN_THE_KERNEL = """
import pathlib
from gthulhu.agent.kernel import hierarchy
from gthulhu.agent.metrics import collector_co_re
collector_co_re.CoReCollector(hierarchy=hierarchy.find(pathlib.Path("/sys/fs/cgroup"))).close()
"""
HEARING_OF_FORKS = """
import select, subprocess
from gthulhu.agent.discovery import connector
heard = connector.Connector()
subprocess.run(["true"], check=True)
assert select.select([heard], [], [], 5)[0]
"""
MODES = {
    "stock": (PRIORITY_OF_ANOTHER, privileges.STOCK, {"sys_nice"}),
    "bpf": (COUNTING_IN_THE_KERNEL, privileges.BPF, {"bpf", "perfmon"}),
    "process-events": (HEARING_OF_FORKS, privileges.PROCESS_EVENTS, {"net_admin"}),
}


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_mode_works_with_its_capabilities_and_not_without_any_of_them(mode: str) -> None:
    code, granted, needed = MODES[mode]
    assert privileges.works(code, granted)
    for one in needed:
        assert not privileges.works(code, granted - {one}), f"{mode} does not need {one}"
