"""Runs tests/kernel/vm in virtual machines, one for each kernel series: they have what this kernel may lack."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "clang": "clang llvm libbpf-dev",
    "dpkg-deb": "dpkg, on a Debian machine",
}

pytestmark = [pytest.mark.kernel, pytest.mark.long]  # minutes: `make test-kernel`


def unavailable() -> str:
    missing = [package for program, package in NEEDS.items() if not shutil.which(program)]
    if missing:
        return f"virtual machines need: apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        return "virtual machines need root: their root file system is this machine's"
    return ""


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
@pytest.mark.timeout(400)
@pytest.mark.parametrize("series", ["6.18", "7.0"])
def test_on_a_kernel_with_sched_ext(series: str) -> None:
    subprocess.run([sys.executable, "-m", "gthulhu.agent.enforcement.sched_ext.build"], check=True, cwd=ROOT)
    inside = f"PYTHONDONTWRITEBYTECODE=1 GTHULHU_GUEST=1 {sys.executable} -m pytest tests/kernel/vm -q --color=no"
    boot = [sys.executable, "scripts/vm/boot.py", "--series", series, "--seconds", "300", inside]
    done = subprocess.run(boot, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert " passed" in done.stdout, "the guest ran tests"
