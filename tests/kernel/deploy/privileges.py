"""Runs a line of Python as root with some capabilities and no others, as a container runtime would."""

import subprocess
import sys
from collections.abc import Collection

STOCK = frozenset({"sys_nice"})
BPF = STOCK | {"bpf", "perfmon"}
PROCESS_EVENTS = STOCK | {"net_admin"}
SCHED_EXT = STOCK | {"bpf", "perfmon"}
"""By mode; the manifests have the same (tests/unit/deploy/test_policy.py)."""

_SETPRIV = ("/usr/bin/setpriv", "--inh-caps=-all", "--no-new-privs")


def works(code: str, capabilities: Collection[str]) -> bool:
    """Tell whether code runs to its end; `AssertionError` where it fails by anything but what it may not do."""
    bounding = ",".join(["-all", *(f"+{name}" for name in sorted(capabilities))])
    done = subprocess.run(
        [*_SETPRIV, f"--bounding-set={bounding}", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    refused = ("Operation not permitted", "Permission denied", "PermissionError", "EPERM", "EACCES")
    assert done.returncode == 0 or any(word in done.stderr for word in refused), done.stderr[-2000:]
    return done.returncode == 0
