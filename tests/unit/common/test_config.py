"""Where settings come from, and what is said when one is wrong."""

import pathlib

import pytest

from gthulhu.agent.config import AgentConfig
from gthulhu.common import config, errors
from gthulhu.manager.config import ManagerConfig


@pytest.fixture
def toml(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "manager.toml"
    path.write_text('[server]\nhost = ":8081"\n\n[mongodb]\nport = 1\n')
    return path


def refusal(cls: type[config.Settings] = ManagerConfig, **arguments: object) -> str:
    with pytest.raises(errors.InvalidInputError) as caught:
        config.load(cls, **arguments)  # type: ignore[arg-type] # each test names its own
    assert caught.value.reason == "CONFIG_INVALID"
    return caught.value.message


def test_without_anything_all_is_default() -> None:
    loaded = config.load(ManagerConfig)
    assert loaded.settings == ManagerConfig()
    assert set(loaded.origins.values()) == {"default"}


def test_the_file_is_read(toml: pathlib.Path) -> None:
    loaded = config.load(ManagerConfig, file=toml)
    assert loaded.settings.server.host == ":8081"
    assert loaded.origins["server.host"] == f"file {toml}"
    assert loaded.settings.server.grpc_address == "0.0.0.0:9443"


def test_the_environment_overrides_the_file(toml: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTHULHU_MANAGER_MONGODB__PORT", "2")
    loaded = config.load(ManagerConfig, file=toml)
    assert loaded.settings.mongodb.port == 2
    assert loaded.origins["mongodb.port"] == "environment GTHULHU_MANAGER_MONGODB__PORT"


def test_flags_override_the_environment(toml: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTHULHU_MANAGER_MONGODB__PORT", "2")
    loaded = config.load(ManagerConfig, file=toml, flags={"mongodb.port": 3, "server.host": None})
    assert loaded.settings.mongodb.port == 3
    assert loaded.origins["mongodb.port"] == "flag"
    assert loaded.origins["server.host"] == f"file {toml}"


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTHULHU_MANAGER_INVENTORY__DENIED_NAMESPACES", '["a", "b"]')
    assert config.load(ManagerConfig).settings.inventory.denied_namespaces == ("a", "b")
    monkeypatch.setenv("GTHULHU_MANAGER_INVENTORY__DENIED_NAMESPACES", "a,b")
    assert "lists are written as JSON" in refusal()


def test_programs_have_variables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTHULHU_AGENT_STATE_DIR", "/a")
    assert config.load(ManagerConfig).settings.state_dir == pathlib.Path("/var/lib/gthulhu/manager")
    assert config.load(AgentConfig).settings.state_dir == pathlib.Path("/a")


def test_constructing_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", "/elsewhere")
    monkeypatch.setenv("GTHULHU_MANAGER_STATE_DIR", "/elsewhere")
    assert ManagerConfig().state_dir == pathlib.Path("/var/lib/gthulhu/manager")


@pytest.mark.parametrize(
    "name", ["PORT", "SERVICE_HOST", "SERVICE_PORT_GRPC", "PORT_9443_TCP", "PORT_9443_TCP_ADDR", "PORT_53_UDP_PROTO"]
)
def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_ours(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"GTHULHU_MANAGER_{name}", "tcp://10.0.0.1:9443")
    config.load(ManagerConfig)


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[server]\nhots = ":1"\n')
    assert refusal(file=path) == f"server.hots: no such setting; did you mean server.host? (file {path})"
    monkeypatch.setenv("GTHULHU_MANAGER_MONGOBD__PORT", "1")
    assert "did you mean mongodb.port? (environment GTHULHU_MANAGER_MONGOBD__PORT)" in refusal()


def test_a_wrong_value_is_named_with_what_is_allowed_and_where_it_stands(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[mongodb]\nport = 70000\n")
    message = refusal(file=path)
    assert message.startswith("mongodb.port: 70000 is not allowed")
    assert "65535" in message
    assert str(path) in message


def test_a_section_that_is_a_value_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("server = 1\n")
    assert "server: no such setting" in refusal(file=path)


def test_a_secret_is_never_shown() -> None:
    loaded = config.load(ManagerConfig, flags={"mongodb.password": "hunter2"})
    assert "hunter2" not in repr(config.show(loaded))
    assert ("mongodb.password", "**********", "flag") in config.show(loaded)
    assert "['hunter2']" not in refusal(flags={"mongodb.password": ["hunter2"]})


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    loaded = config.load(ManagerConfig, flags={"mongodb.password_file": path})
    assert loaded.settings.mongodb.password.get_secret_value() == "hunter2"
    assert loaded.origins["mongodb.password"] == f"file {path}"


def test_of_a_secret_and_its_file_the_stronger_layer_wins(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "password"
    path.write_text("from the file")
    monkeypatch.setenv("GTHULHU_MANAGER_MONGODB__PASSWORD_FILE", str(path))
    loaded = config.load(ManagerConfig, flags={"mongodb.password": "from the flag"})
    assert loaded.settings.mongodb.password.get_secret_value() == "from the flag"
    monkeypatch.setenv("GTHULHU_MANAGER_MONGODB__PASSWORD", "x")
    assert "set one of both" in refusal()


def test_files_that_cannot_be_read_are_named(tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "missing"
    assert refusal(file=missing) == f"{missing}: cannot be read: No such file or directory"
    assert str(missing) in refusal(flags={"mongodb.password_file": missing})
    missing.write_text("[[[")
    assert "is no TOML" in refusal(file=missing)
    missing.write_bytes(b"\xff")
    assert "is no TOML" in refusal(file=missing)


def test_paths_lie_below_the_state_folder_unless_absolute() -> None:
    settings = ManagerConfig(state_dir=pathlib.Path("/state"))
    assert settings.path(settings.store.path) == pathlib.Path("/state/store.sqlite3")
    assert settings.path(pathlib.Path("/etc/x")) == pathlib.Path("/etc/x")


@pytest.mark.parametrize("cls", [ManagerConfig, AgentConfig])
def test_every_setting_is_described(cls: type[config.Settings]) -> None:
    assert [key for key, field in config.fields(cls) if not field.description] == []


@pytest.mark.parametrize("cls", [ManagerConfig, AgentConfig])
def test_the_reference_has_a_line_for_each_setting(cls: type[config.Settings]) -> None:
    lines = config.reference(cls).splitlines()
    assert len(lines) == 2 + len(list(config.fields(cls)))
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}


def test_the_reference_is_the_same_on_every_machine() -> None:
    assert "| `[node] name` | text | see meaning | `GTHULHU_AGENT_NODE__NAME` |" in config.reference(AgentConfig)
    port = "| `[mongodb] port` | whole number, 0 to 65535 | `27017` | `GTHULHU_MANAGER_MONGODB__PORT` |"
    assert port in config.reference(ManagerConfig)
