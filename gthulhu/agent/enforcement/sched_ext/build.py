"""Builds the scheduler's BPF object, with clang and libbpf's headers, without kernel headers.

`python -m gthulhu.agent.enforcement.sched_ext.build` writes it beside the source, where the agent looks for it and
where it becomes part of a wheel. One object serves every kernel: see `kernel.h`.
"""

import pathlib
import sys

from gthulhu.agent.kernel import bpf_build

SOURCE = pathlib.Path(__file__).with_name("scheduler.bpf.c")
OBJECT = SOURCE.with_suffix(".o")


def main() -> int:
    """Build what is out of date; 0 also where there is no clang, with a line that says so."""
    return bpf_build.refresh(source=SOURCE, target=OBJECT, part="the sched_ext enforcer")


if __name__ == "__main__":
    sys.exit(main())
