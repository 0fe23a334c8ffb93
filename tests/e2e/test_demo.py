"""`gthulhu demo` as a user runs it: what it says, what it exits with, and that nothing of it is left."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest

from gthulhu.cli.demo import cgroups

SECONDS = 60


def left_behind(folder: pathlib.Path) -> list[str]:
    """Return what is there of demos that ran with this temporary folder: processes, cgroups, files and sockets."""
    found = [str(path) for path in folder.iterdir()]
    with contextlib.suppress(cgroups.CgroupError):
        found += [str(path) for path in cgroups.find().root.glob(f"{cgroups.PREFIX}*")]
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found += [f"{process.name} {command}"] if command else []
    return found


@contextlib.contextmanager
def demo(folder: pathlib.Path, *wrapped: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo with a temporary folder of its own."""
    process = subprocess.Popen(
        [*wrapped, sys.executable, "-m", "gthulhu", "demo"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    """Return an empty folder whose path is short: unix sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="gthulhu-e2e-") as name:
        yield pathlib.Path(name)


@pytest.fixture
def _cgroups() -> None:
    """Skip where the demo cannot make cgroups."""
    try:
        with cgroups.PodTree(hierarchy=cgroups.find()):
            pass
    except cgroups.CgroupError as error:
        pytest.skip(error.message)


@pytest.mark.usefixtures("_cgroups")
class TestDemo:
    """Each run has a temporary folder of its own, by which everything that belongs to it is found."""

    def test_it_sees_the_shift_and_leaves_nothing(self, folder: pathlib.Path) -> None:
        started = time.monotonic()
        with demo(folder) as process:
            output, complaints = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, complaints
        assert time.monotonic() - started < 30
        result = json.loads(output.splitlines()[-1])
        assert result.keys() == {"before", "during", "after", "enforcer", "strategy_to_kernel_ms"}
        assert 40 <= result["before"] <= 60
        assert result["during"] >= 80
        assert 40 <= result["after"] <= 60
        assert 0 < result["strategy_to_kernel_ms"] < 5000
        assert left_behind(folder) == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_it_leaves_nothing(self, folder: pathlib.Path, number: signal.Signals) -> None:
        with demo(folder) as process:
            deadline = time.monotonic() + SECONDS
            while not any("agent.sock" in path.name for path in folder.rglob("*")):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(number)
            process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert left_behind(folder) == []

    def test_where_cgroups_are_read_only_it_observes_and_says_so(self, folder: pathlib.Path) -> None:
        root = cgroups.find().root
        script = f'mount -o remount,ro,bind {root} && exec "$0" "$@"'
        with demo(folder, "unshare", "--mount", "sh", "-c", script) as process:
            output, complaints = process.communicate(timeout=SECONDS)
        if "unshare" in complaints or "mount:" in complaints:
            pytest.skip(f"needs a mount namespace: {complaints.strip()}")
        assert process.returncode == 3, complaints
        assert "observe mode" in complaints
        assert len(complaints.splitlines()) == 1
        assert json.loads(output.splitlines()[-1])["enforcer"] == "observe"
        assert left_behind(folder) == []
