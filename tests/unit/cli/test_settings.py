"""Which file is meant, and what the commented defaults say."""

import pathlib
import re
import socket
import tomllib

import pytest

from gthulhu.agent import config as agent_config
from gthulhu.cli import settings
from gthulhu.cli.local import toml
from gthulhu.common import assets, config, errors
from gthulhu.manager import config as manager_config


def test_a_bare_name_is_looked_for_in_the_state_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "manager_config.toml").touch()
    found = settings.find("manager_config", state_dir=tmp_path, default="other")
    assert found == tmp_path / "manager_config.toml"


def test_without_a_name_the_state_folder_s_own_file_counts_where_it_is_there(tmp_path: pathlib.Path) -> None:
    assert settings.find(None, state_dir=tmp_path, default="dm_config") is None
    (tmp_path / "dm_config.toml").touch()
    assert settings.find(None, state_dir=tmp_path, default="dm_config") == tmp_path / "dm_config.toml"
    assert settings.find(None, state_dir=None, default="dm_config") is None


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(errors.InvalidInputError, match=r"none\.toml"):
        settings.manager(config="none.toml", state_dir=None)


def test_only_managers_and_agents_have_settings() -> None:
    with pytest.raises(errors.InvalidInputError, match="neither manager nor agent"):
        settings.of_kind("scheduler", config=None, state_dir=None)


@pytest.mark.parametrize(
    ("name", "cls"),
    [("manager_config.toml", manager_config.ManagerConfig), ("dm_config.toml", agent_config.AgentConfig)],
)
def test_the_commented_defaults_are_the_defaults(name: str, cls: type[config.Settings], tmp_path: pathlib.Path) -> None:
    commented = assets.path(f"config/{name}").read_text()
    assert not re.findall(r"^[a-z_]+ =", commented, re.MULTILINE), "every default is commented out"
    plain = re.sub(r"^#(?=[a-z_]+ = )(?!.*# not set$)", "", commented, flags=re.MULTILINE)
    (tmp_path / name).write_text(plain)
    loaded = config.load(cls, file=tmp_path / name)
    assert loaded.settings == cls()
    not_set = set(re.findall(r"^#([a-z_]+) = .*# not set$", commented, re.MULTILINE))
    from_file = {key for key, origin in loaded.origins.items() if origin.startswith("file")}
    assert {key.rpartition(".")[2] for key in loaded.origins.keys() - from_file} <= not_set


def test_our_toml_is_toml() -> None:
    sections = {
        "node": {"name": 'a "ü" \\ n', "kubepods": ["x", "y"]},
        "enforcement": {"restore_on_exit": True, "n": 3},
    }
    assert tomllib.loads(toml.dumps(sections)) == sections


def test_the_node_is_called_like_the_host() -> None:
    assert agent_config.AgentConfig().node.name == socket.gethostname()
