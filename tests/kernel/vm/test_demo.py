"""The whole system on cgroup v2: what `gthulhu demo` shows, with the enforcer that each kernel series is for."""

import json
import os
import platform
import subprocess
import sys

import pytest

ENFORCER = "sched_ext" if platform.release().startswith("6.") else "stock"


@pytest.mark.timeout(240)
def test_a_strategy_moves_real_processes() -> None:
    chosen = {**os.environ, "GTHULHU_AGENT_ENFORCEMENT__ENFORCER": ENFORCER}
    done = subprocess.run(
        [sys.executable, "-m", "gthulhu", "demo"], check=False, capture_output=True, text=True, env=chosen
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["enforcer"] == ENFORCER
    assert seen["during"] >= 80
    assert seen["before"] == pytest.approx(50, abs=10)
    assert seen["after"] == pytest.approx(50, abs=10)
