"""Generate `gthulhu/v1/` from `proto/`, without network; with `--check`, only tell whether it is stale.

The schema's imports are assembled in `build/proto`: google/api from the googleapis-common-protos wheel, and
buf/validate from the subset beside this file.
"""

import argparse
import importlib.resources
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMPORTS = ROOT / "build" / "proto"
GENERATED = ROOT / "build" / "generated" / "gthulhu" / "v1"
TARGET = ROOT / "gthulhu" / "v1"
GOOGLE_API = ("annotations", "field_behavior", "http", "httpbody")

# protovalidate has the rules' full definition in a form that google.protobuf does not read by itself.
STOCK_IMPORT = "from buf.validate import validate_pb2 as"
OUR_IMPORT = "from gthulhu.common import protorules as"


def assemble_imports() -> None:
    """Put the .proto files that the schema imports where buf.yaml expects them."""
    wheel = importlib.resources.files("google.api")
    for folder in ("google/api", "buf/validate"):
        (IMPORTS / folder).mkdir(parents=True, exist_ok=True)
    for name in GOOGLE_API:
        (IMPORTS / "google" / "api" / f"{name}.proto").write_text((wheel / f"{name}.proto").read_text())
    shutil.copy(pathlib.Path(__file__).with_name("buf") / "validate" / "validate.proto", IMPORTS / "buf" / "validate")


def generate() -> dict[str, bytes]:
    """Return the contents of every generated file, by name."""
    tools = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    assemble_imports()
    subprocess.run(["buf", "generate"], cwd=ROOT, env=tools, check=True)
    subprocess.run(["buf", "build", "proto", "-o", str(GENERATED / "gthulhu.binpb")], cwd=ROOT, env=tools, check=True)
    for path in GENERATED.glob("*_pb2.py"):
        path.write_text(path.read_text().replace(STOCK_IMPORT, OUR_IMPORT))
    for path in GENERATED.glob("*_pb2.pyi"):
        path.write_text(
            "".join(line for line in path.read_text().splitlines(keepends=True) if STOCK_IMPORT not in line)
        )
    # A package of its own, so that import-linter sees it.
    (GENERATED / "__init__.py").write_text('"""Generated from the schema in `proto/`; never edited."""\n')
    return {path.name: path.read_bytes() for path in sorted(GENERATED.iterdir())}


def main() -> int:
    """Write the files, or compare them; 1 where they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    wanted = generate()
    present = {path.name: path.read_bytes() for path in TARGET.glob("*") if path.is_file()}
    if parser.parse_args().check:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        if stale:
            print(f"gthulhu/v1 is stale (run `make proto`): {', '.join(stale)}", file=sys.stderr)
        return 1 if stale else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in present.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, content in wanted.items():
        (TARGET / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
