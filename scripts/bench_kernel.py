"""Compares schedulers in a virtual machine: the kernel's own, ours, and a plain FIFO one for orientation.

Prints a table and writes build/bench-kernel.json in the form of build/bench.json, with the kernel's own scheduler as
the baseline. Emulated time is not real time: read the ratios only.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

from rich import console, table

from gthulhu.agent.enforcement.sched_ext import build
from gthulhu.agent.kernel import bpf_build

ROOT = pathlib.Path(__file__).resolve().parents[1]
GUEST = ROOT / "tests" / "bench" / "kernel"
FIGURES = {
    "work": "work of the CPU-bound pod, CPUs",
    "wakeups": "rounds of the sensitive pod, 1/s",
    "wake_ms": "wake-up latency of the sensitive pod, ms (median)",
    "wake_p99_ms": "wake-up latency of the sensitive pod, ms (p99)",
    "switches": "context switches, 1/s",
}


def main() -> int:
    """Build, boot, measure, show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", default="6.18")
    series = parser.parse_args().series
    build.main()
    bpf_build.refresh(source=GUEST / "fifo.bpf.c", target=GUEST / "fifo.bpf.o", part="the comparison")
    inside = f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={ROOT} {sys.executable} {GUEST / 'guest.py'}"
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "vm" / "boot.py", "--series", series, "--seconds", "240", inside],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    found = {one["scheduler"]: one for one in map(json.loads, re.findall(r"^\{.*\}", done.stdout, re.MULTILINE))}
    if len(found) != 3:  # noqa: PLR2004 - the three schedulers
        print(done.stdout, done.stderr, file=sys.stderr)
        return 1
    shown = table.Table("figure", *found, title=f"Linux {series}, emulated: ratios only", title_justify="left")
    rows = []
    for key, words in FIGURES.items():
        baseline = found["kernel"][key]
        shown.add_row(words, *(f"{one[key]:.2f} (x{one[key] / baseline:.2f})" for one in found.values()))
        rows += [
            {"name": f"{words}: {name}", "value": one[key], "unit": "", "goal": None, "baseline": baseline,
             "ratio": one[key] / baseline}
            for name, one in found.items()
        ]  # fmt: skip
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-kernel.json").write_text(json.dumps(rows, indent=1))
    console.Console(width=120).print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
