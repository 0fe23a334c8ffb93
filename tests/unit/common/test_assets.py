"""Where files that are no Python are found."""

import pathlib
import sysconfig

import pytest

from gthulhu.common import assets


def test_a_checkout_uses_its_own() -> None:
    assert assets.path("pyproject.toml") == pathlib.Path(__file__).parents[3] / "pyproject.toml"


def test_an_installation_uses_what_came_with_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "share" / "gthulhu" / "gateway" / "installed.lua"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(sysconfig, "get_path", {"data": str(tmp_path)}.__getitem__)
    assert assets.path("gateway/installed.lua") == installed


def test_what_is_nowhere_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="gateway/none is neither in"):
        assets.path("gateway/none")
