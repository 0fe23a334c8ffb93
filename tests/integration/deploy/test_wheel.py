"""The wheel, installed where nothing else is: it has everything that the command needs."""

import pathlib
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build as `make build` does: the source distribution, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    sources = folder / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - wherever git is
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    objects = [str(path.relative_to(ROOT)) for path in (ROOT / "gthulhu").rglob("*.bpf.o")]
    for name in [*listed.stdout.split("\0"), *objects]:
        if name and (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, sources / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(sources)],
        check=True,
        capture_output=True,
    )
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a venv with the wheel, and with the dependencies of this one, so that no network is needed."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    ours = pathlib.Path(sysconfig.get_path("purelib"))
    for one in ours.iterdir():
        if "gthulhu" not in one.name and one.name not in ("pip", "__pycache__", "distutils-precedence.pth"):
            (site / one.name).symlink_to(one)
    command = [sys.executable, "-m", "pip", "--python", str(venv), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return venv


def run(venv: pathlib.Path, *arguments: str, folder: pathlib.Path) -> str:
    done = subprocess.run(
        [str(venv / "bin" / "gthulhu"), *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_the_bpf_objects_with_their_sources_and_the_files_of_the_gateway(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    present = {path.name for path in (ROOT / "gthulhu").rglob("*.bpf.[co]")}
    assert present <= {pathlib.PurePath(name).name for name in names}
    for end in ("gateway/presentation.lua", "gateway/ui/index.html", "gateway/swagger/index.html"):
        assert any(name.endswith(f"data/share/gthulhu/{end}") for name in names)
    for end in ("config/manager_config.toml", "config/dm_config.toml", "v1/gthulhu.binpb", "py.typed"):
        assert any(name.endswith(end) for name in names)
    assert not any(name.startswith(("tests/", "scripts/", "deploy/")) for name in names)


def test_the_command_works_from_there(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert run(installed, "version", folder=tmp_path).startswith("gthulhu 0.")
    rendered = run(installed, "gateway", "render", folder=tmp_path)
    assert str(installed / "share" / "gthulhu" / "gateway" / "presentation.lua") in rendered
    assert str(ROOT / "gateway") not in rendered
    run(installed, "gateway", "render", "--folder", "envoy", folder=tmp_path)
    assert (tmp_path / "envoy" / "swagger" / "doc.json").exists()
    run(installed, "pki", "init", "-d", "state", folder=tmp_path)
    assert "gthulhu.local" in run(installed, "pki", "show", "-d", "state", folder=tmp_path)
