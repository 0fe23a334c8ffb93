"""Generate what is written down in code already; with `--check`, only tell whether it is stale.

config/*.toml and docs/reference/configuration.md from the settings classes, docs/reference/cli.md from the commands,
docs/reference/metrics.md from the registries.
"""

import argparse
import json
import pathlib
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import typer.main

from gthulhu.agent import config as agent_config
from gthulhu.agent.metrics import exposition
from gthulhu.cli import app
from gthulhu.common import clock as clocks
from gthulhu.common import config
from gthulhu.manager import config as manager_config
from gthulhu.manager import metrics as manager_metrics
from gthulhu.manager.distribution import sessions, world
from gthulhu.manager.services import attempts
from gthulhu.manager.store import sqlite

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = (
    ("manager", "manager_config.toml", manager_config.ManagerConfig),
    ("agent", "dm_config.toml", agent_config.AgentConfig),
)
WIDTH = 110
METRICS = """# Metrics

Prometheus text. The agent serves it at `http://<server.metrics_address>/metrics` (`127.0.0.1:9090`) and through its
own gateway at `/metrics`, the manager at `http://<server.metrics_address>/metrics` (`127.0.0.1:9091`).

## Agent

`gthulhu_agent_scheduler_*` come from an external scheduler while one reports (label `source="external"`), else from the
kernel (`source="kernel"`: of these only `nr_running`, `nr_queued` and `nr_online_cpus` are known).
`gthulhu_agent_pod_*` carry the labels `namespace`, `pod` and `pod_uid`, for pods that have decisions.

{agent}
## Manager

{manager}"""


def toml(program: str, name: str, cls: type[config.Settings]) -> str:
    """Return a configuration file in which every key stands with its default, commented out."""
    lines = [
        f"# Settings of `gthulhu {program} -c {name}`, each with its default; take away the # before a key to set it.",
        f"# The environment (GTHULHU_{cls.kind.upper()}_SECTION__KEY) overrides this file, and flags override both.",
    ]
    section = ""
    for key, field in config.fields(cls):
        prefix, _, short = key.rpartition(".")
        if prefix != section:
            lines += ["", f"[{prefix}]"]
            section = prefix
        lines += textwrap.wrap(
            " ".join((field.description or "").split()), WIDTH, initial_indent="# ", subsequent_indent="# "
        )
        lines.append(f"#{short} = {_toml_value(field)}")
    return "\n".join(lines) + "\n"


def _toml_value(field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo
    if field.default_factory is not None or field.default is None:
        return '""  # not set'
    value = field.default
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, pathlib.Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)


def configuration() -> str:
    """Return the reference of all settings."""
    parts = [
        "# Configuration",
        "",
        "Made by `make docs` from the settings classes. A TOML file (`-c`) is overridden by the environment, and that",
        "by flags; `gthulhu config show [manager|agent]` prints what is in force and where each value comes from.",
        "Relative paths are below the state folder (`-d`). A secret can be given as a file too: the key with `_file`",
        "behind it.",
    ]
    for program, name, cls in PROGRAMS:
        parts += [
            "",
            f"## gthulhu {program}",
            "",
            f"Commented defaults: `config/{name}`.",
            "",
            config.reference(cls).strip(),
        ]
    return "\n".join(parts) + "\n"


def commands() -> str:
    """Return the reference of the command line."""
    parts = ["# The gthulhu command", "", "Made by `make docs` from the commands themselves."]
    for path, command in _walk("gthulhu", typer.main.get_command(app.app)):
        summary = " ".join((command.help or "").split())
        parts += ["", f"## {path}", "", summary]
        rows = [row for row in map(_parameter, command.params) if row]
        if rows:
            parts += ["", "| parameter | default | meaning |", "|---|---|---|", *rows]
    return "\n".join(parts) + "\n"


def metrics() -> str:
    """Return the reference of every Prometheus metric."""
    clock = clocks.SystemClock()
    view = world.World(clock=clock, denied_namespaces=())
    store = sqlite.SqliteStore(pathlib.Path("unused"), clock=clock)
    held = sessions.Sessions(view=view, store=store, clock=clock, replica="", settings=sessions.Settings())
    tries = attempts.Attempts(allowed=1, clock=clock)
    manager = manager_metrics.Exposition(version="", replica="", view=view, held=held, store=store, tries=tries)
    return METRICS.format(agent=exposition.reference(), manager=manager_metrics.reference(manager))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a command of typer's own click
    if path != "gthulhu":
        yield path, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(f"{path} {name}", inner)


def _parameter(parameter: Any) -> str:  # noqa: ANN401 - as above
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if parameter.name == "help":
        return ""
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    default = "required" if parameter.required else parameter.default
    shown = "" if default is None or callable(default) else f"`{getattr(default, 'value', default)}`"
    return f"| {names} | {'required' if parameter.required else shown} | {getattr(parameter, 'help', '') or ''} |"


def main() -> int:
    """Write the files, or compare them; 1 where they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = {ROOT / "config" / name: toml(program, name, cls) for program, name, cls in PROGRAMS}
    wanted[ROOT / "docs" / "reference" / "configuration.md"] = configuration()
    wanted[ROOT / "docs" / "reference" / "cli.md"] = commands()
    wanted[ROOT / "docs" / "reference" / "metrics.md"] = metrics()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
