"""Builds the collector's BPF object: `python -m gthulhu.agent.metrics.co_re.build`."""

import pathlib
import sys

from gthulhu.agent.kernel import bpf_build

SOURCE = pathlib.Path(__file__).with_name("scheduling.bpf.c")
OBJECT = SOURCE.with_suffix(".o")


def main() -> int:
    """Build what is out of date."""
    return bpf_build.refresh(source=SOURCE, target=OBJECT, part="the CO-RE collector")


if __name__ == "__main__":
    sys.exit(main())
