"""Run the benchmarks of `tests/bench/bench_*.py`, print what they measured, and write `build/bench.json`.

Each module has `run() -> list[dict]` with rows {name, value, unit, goal, baseline, ratio}; goal, baseline and ratio
may be None. ONLY=text in the environment runs the modules whose name contains the text. Exits with 1 where a module
fails: a benchmark that cannot run measures nothing.
"""

import importlib.util
import json
import os
import pathlib
import platform
import sys
import time

import rich.console
import rich.table

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "bench.json"
COLUMNS = ("name", "value", "unit", "goal", "baseline", "ratio")


def load(path: pathlib.Path) -> list[dict[str, object]]:
    """Import a benchmark module and return its rows."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [{column: row.get(column) for column in COLUMNS} for row in module.run()]


def shown(value: object) -> str:
    """Return a cell: numbers with four significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Run what is asked for; 1 where something failed or there was nothing to run."""
    only = os.environ.get("ONLY", "")
    paths = [path for path in sorted((ROOT / "tests" / "bench").glob("bench_*.py")) if only in path.stem]
    console = rich.console.Console()
    table = rich.table.Table(*COLUMNS, title=f"{os.cpu_count()} CPUs, Linux {platform.release()}")
    rows: list[dict[str, object]] = []
    failed = []
    for path in paths:
        console.print(f"{path.stem} …", style="dim")
        try:
            rows += load(path)
        except Exception as error:  # noqa: BLE001 - one benchmark's failure must not hide the others' figures
            failed.append(path.stem)
            console.print(f"{path.stem}: {type(error).__name__}: {error}", style="red")
    for row in rows:
        table.add_row(*(shown(row[column]) for column in COLUMNS))
    console.print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps({"time": int(time.time()), "machine": machine, "rows": rows}, indent=2) + "\n")
    if not paths:
        console.print(f"no benchmark's name contains {only!r}" if only else "there are no benchmarks", style="red")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
