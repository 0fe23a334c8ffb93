"""Builds the scheduler's BPF object, with clang and libbpf's headers, without kernel headers.

`python -m gthulhu.agent.enforcement.sched_ext.build` writes it beside the source, where the agent looks for it and
where it becomes part of a wheel. One object serves every kernel: see `kernel.h`.
"""

import pathlib
import platform
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).with_name("scheduler.bpf.c")
OBJECT = SOURCE.with_suffix(".o")

_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}


def build(*, source: pathlib.Path = SOURCE, target: pathlib.Path = OBJECT) -> None:
    """Compile a BPF program; `subprocess.CalledProcessError` where the compiler refuses it."""
    clang = shutil.which("clang") or "clang"
    partial = target.with_suffix(".partial")
    flags = ["-O2", "-g", "-mcpu=v3", "-Wall", "-Werror", f"-D__TARGET_ARCH_{_ARCHITECTURES[platform.machine()]}"]
    subprocess.run(  # noqa: S603 - a compiler, with arguments of our own
        [clang, *flags, "-target", "bpf", "-c", str(source), "-o", str(partial)], check=True
    )
    strip = shutil.which("llvm-strip") or shutil.which("llvm-strip-14")
    if strip:  # debug information for people; types for the loader (BTF) stay
        subprocess.run([strip, "-g", str(partial)], check=True)  # noqa: S603 - as above
    partial.rename(target)


def main() -> int:
    """Build what is out of date; 0 also where there is no clang, with a line that says so."""
    if shutil.which("clang") is None:
        sys.stderr.write("no clang: the sched_ext enforcer is left out (apt-get install clang llvm libbpf-dev)\n")
        return 0
    newest = max(path.stat().st_mtime for path in (SOURCE, SOURCE.with_name("kernel.h")))
    if not OBJECT.exists() or OBJECT.stat().st_mtime < newest:
        build()
    return 0


if __name__ == "__main__":
    sys.exit(main())
