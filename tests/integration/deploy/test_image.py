"""The Dockerfile's steps, run in scratch roots: there is no engine in most places where tests run.

The base is this machine's own root, read-only, unless GTHULHU_IMAGE_BASE names another root (of debootstrap, say).
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.deploy import dockerfile

ROOT = pathlib.Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot and overlays need root"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dockerfile.Build]:
    folder = tmp_path_factory.mktemp("image")
    base = pathlib.Path(os.environ.get("GTHULHU_IMAGE_BASE") or "/")
    empty = folder / "envoy"
    (empty / "usr").mkdir(parents=True)
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE))
    build = dockerfile.Build(
        context=ROOT, folder=folder / "stages", bases={defaults["BASE"]: base, defaults["ENVOY"]: empty}
    )
    build.build(DOCKERFILE.read_text())
    yield build
    shutil.rmtree(folder)


def test_the_main_image_runs_as_nobody_in_particular(built: dockerfile.Build) -> None:
    stage = built.stages["gthulhu"]
    assert (stage.user, stage.entrypoint) == ("10001:10001", ["gthulhu"])
    done = stage.run("gthulhu", "version", user=stage.user)
    assert re.fullmatch(r"gthulhu 0\.\d+\.\d+ \(unknown\)\n", done.stdout)


def test_the_main_image_has_what_each_part_needs(built: dockerfile.Build) -> None:
    stage = built.stages["gthulhu"]
    for arguments in (["manager", "--help"], ["agent", "--help"], ["config", "show"], ["gateway", "render"]):
        stage.run("gthulhu", *arguments, user=stage.user)
    objects = {path.name for path in stage.upper.rglob("*.bpf.o")}
    assert objects == {"scheduler.bpf.o", "scheduling.bpf.o"}
    loads = "import ctypes; ctypes.CDLL('libbpf.so.1').libbpf_version_string"
    stage.run("/opt/gthulhu/bin/python", "-c", loads, user=stage.user)


def test_the_main_image_has_no_build_tools(built: dockerfile.Build) -> None:
    added = built.stages["gthulhu"].upper
    names = {path.name for path in added.rglob("*") if path.is_file()}
    assert names.isdisjoint({"clang", "gcc", "cc", "make", "pip", "pip3", "envoy", "llvm-strip"})
    assert not list(added.glob("opt/gthulhu/lib/python3*/site-packages/pip"))


def test_no_secret_is_in_an_image(built: dockerfile.Build) -> None:
    for name in ("gthulhu", "gateway"):
        for path in built.stages[name].upper.glob("opt/**/*"):
            if path.is_file() and path.suffix in (".pem", ".key", ".crt", ".token"):
                assert b"PRIVATE KEY" not in path.read_bytes(), path


def test_the_gateway_image_has_every_file_that_its_configuration_names(built: dockerfile.Build) -> None:
    stage = built.stages["gateway"]
    *_, config = stage.command
    assert stage.workdir == str(pathlib.Path(config).parent)
    text = (stage.upper / config.lstrip("/")).read_text()
    named = set(re.findall(r"(?:filename|file_path_prefix|proto_descriptor): ['\"]?([^'\"\n]+)", text))
    mounted = {"/etc/gthulhu/pki", "/etc/gthulhu/tls"}
    files = {one for one in named if str(pathlib.Path(one).parent) not in mounted}
    assert files
    for one in files:
        inside = pathlib.Path(stage.workdir) / one
        assert (stage.upper / inside.relative_to("/")).exists(), one
    assert (stage.upper / stage.workdir.lstrip("/") / "swagger" / "doc.json").exists()


def test_envoy_takes_the_gateway_images_configuration(built: dockerfile.Build, tmp_path: pathlib.Path) -> None:
    stage = built.stages["gateway"]
    envoy = ROOT / ".venv" / "bin" / "envoy"
    subprocess.run(
        [str(ROOT / ".venv" / "bin" / "gthulhu"), "pki", "init", "-d", str(tmp_path)], check=True, capture_output=True
    )
    certificates = tmp_path / "gateway" / "pki"
    config = yaml.safe_load((stage.upper / stage.command[-1].lstrip("/")).read_text())
    text = json.dumps(config)
    for inside, here in (
        ("/etc/gthulhu/pki", certificates),
        ("/etc/gthulhu/tls/tls.", certificates / "gateway."),
        ("/opt/gthulhu", stage.upper / "opt" / "gthulhu"),
    ):
        text = text.replace(inside, str(here))
    (tmp_path / "envoy.json").write_text(text)
    done = subprocess.run(
        [str(envoy), "--mode", "validate", "--config-path", str(tmp_path / "envoy.json")],
        cwd=stage.upper / stage.workdir.lstrip("/"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OK" in done.stdout, done.stderr


def test_every_step_was_run(built: dockerfile.Build) -> None:
    assert len(built.ran) == len(re.findall(r"^RUN ", DOCKERFILE.read_text(), re.MULTILINE))
