"""Builds BPF objects, with clang and libbpf's headers, without kernel headers; one object serves many kernels."""

import pathlib
import platform
import shutil
import subprocess
import sys

_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}


def build(*, source: pathlib.Path, target: pathlib.Path) -> None:
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


def refresh(*, source: pathlib.Path, target: pathlib.Path, part: str) -> int:
    """Build an object that is older than its source or a header beside it; returns a program's exit status.

    0 also where there is no clang, with a line that says which part is left out.
    """
    if shutil.which("clang") is None:
        sys.stderr.write(f"no clang: {part} is left out (apt-get install clang llvm libbpf-dev)\n")
        return 0
    newest = max(path.stat().st_mtime for path in (source, *source.parent.glob("*.h")))
    if not target.exists() or target.stat().st_mtime < newest:
        build(source=source, target=target)
    return 0
