"""Strategies in a folder, as in git, and single ones, by the `gthulhu` command against a running installation."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from .conftest import NODE, Command, Installation

WEB = """\
apiVersion: gthulhu.io/v1
kind: SchedulingStrategy
metadata: {name: web-first}
spec:
  labelSelectors: [{key: app, value: web}]
  priority: 3
"""
BATCH = WEB.replace("web-first", "batch-last").replace("value: web", "value: batch").replace("3", "15")


@pytest.fixture(autouse=True)
def git(folder: pathlib.Path, gthulhu: Command, installation: Installation) -> Iterator[pathlib.Path]:
    """Return a folder of two strategies; nothing is left in the manager and in the kernel after a test."""
    git = folder / "git"
    git.mkdir()
    (git / "web.yaml").write_text(WEB)
    (git / "batch.yaml").write_text(BATCH)
    yield git
    shutil.rmtree(git)
    names = [one["name"] for one in json.loads(gthulhu("get", "strategies", "-o", "json").stdout)]
    assert not names or gthulhu("delete", *names).returncode == 0
    installation.wait(lambda: installation.weights() == installation.untouched, "a strategy's effect stayed")


def test_a_folder_is_made_true_and_a_second_time_changes_nothing(gthulhu: Command, git: pathlib.Path) -> None:
    assert gthulhu("apply", "-f", "git", "--prune").stdout.count(" created") == 2
    assert gthulhu("apply", "-f", "git", "--prune", "--diff").returncode == 0
    (git / "batch.yaml").unlink()
    (git / "web.yaml").write_text(WEB.replace("priority: 3", "priority: 4"))
    diff = gthulhu("apply", "-f", "git", "--prune", "--diff")
    assert diff.returncode == 1
    assert "-  priority: 3\n+  priority: 4\n" in diff.stdout
    assert "--- default/batch-last (now)\n+++ /dev/null\n" in diff.stdout
    assert "default/web-first configured" in gthulhu("apply", "-f", "git").stdout
    assert "batch-last" in gthulhu("get", "strategies").stdout, "nothing is pruned unless asked for"
    assert "strategy default/batch-last pruned\n" in gthulhu("apply", "-f", "git", "--prune").stdout
    assert gthulhu("apply", "-f", "git", "--prune", "--diff").stdout == ""


def test_only_what_the_same_set_has_created_is_pruned(
    gthulhu: Command, git: pathlib.Path, installation: Installation
) -> None:
    body = {"name": "by-hand", "allPods": True, "k8sNamespace": ["nowhere"]}
    assert installation.request("POST", "/api/v1/strategies", body)[0] == 200
    gthulhu("apply", "-f", "git/batch.yaml", "--set", "other")
    gthulhu("apply", "-f", "git/web.yaml")
    changed = gthulhu("update", "web-first", "--priority", "7", "--execution-time", "5ms")
    assert "configured" in changed.stdout, changed.stderr
    (git / "one.yaml").write_text(BATCH.replace("batch-last", "one"))
    done = gthulhu("apply", "-f", "git/one.yaml", "--prune")
    assert [line for line in done.stdout.splitlines() if "pruned" in line] == ["strategy default/web-first pruned"]
    left = {one["name"] for one in json.loads(gthulhu("get", "strategies", "-o", "json").stdout)}
    assert left == {"by-hand", "batch-last", "one"}


def test_what_is_there_can_be_written_to_files_and_applied_again(gthulhu: Command, folder: pathlib.Path) -> None:
    gthulhu("apply", "-f", "git")
    shown = gthulhu("get", "strategies", "-o", "yaml").stdout
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(shown)] == ["batch-last", "web-first"]
    (folder / "shown.yaml").write_text(shown)
    again = gthulhu("apply", "-f", "shown.yaml", "--diff")
    assert (again.returncode, again.stdout) == (0, "")


def test_single_strategies_are_changed_suspended_and_resumed(gthulhu: Command, installation: Installation) -> None:
    before = installation.untouched
    gthulhu("apply", "-f", "git")
    installation.wait(lambda: installation.weights()[0] > before[0], "the strategy was not in force")
    assert "selects no pods" in gthulhu("update", "web-first", "-l", "app=web", "-l", "none").stdout
    assert "selects 2 pods" in gthulhu("update", "web-first", "-l", "app").stdout
    gthulhu("update", "web-first", "-l", "app=web", "--description", "for the shop")
    (one,) = json.loads(gthulhu("get", "strategies", "web-first", "-o", "json").stdout)
    assert (one["priority"], one["description"]) == (3, "for the shop")
    assert "suspended" in gthulhu("suspend", "web-first", "batch-last").stdout
    installation.wait(lambda: installation.weights() == before, "a suspended strategy has no effect")
    assert gthulhu("resume", "web-first").stdout == "strategy default/web-first resumed, selects 1 pod\n"
    installation.wait(lambda: installation.weights()[0] > before[0], "the strategy was not in force again")
    assert "all strategies are paused" in gthulhu("pause").stdout
    installation.wait(lambda: installation.weights() == before, "a pause takes all effects away")
    assert "PAUSED" in gthulhu("get", "strategies").stdout
    gthulhu("resume")
    installation.wait(lambda: installation.weights()[0] > before[0], "the strategy was not in force again")


def test_a_pod_is_explained_with_what_its_processes_get(gthulhu: Command, installation: Installation) -> None:
    gthulhu("apply", "-f", "git")
    uid = installation.pods[0].uid
    installation.wait(lambda: "%" in gthulhu("explain", "web", "-n", "demo").stdout, "there were no decisions")
    answer = json.loads(gthulhu("explain", "web", "-n", "demo", "-o", "json").stdout)
    assert [(one["name"], one["matched"]) for one in answer["strategies"]] == [
        ("web-first", True),
        ("batch-last", False),
    ]
    (decision, *_) = answer["decisions"]
    assert decision["strategyId"] == answer["strategies"][0]["strategyId"]
    assert decision["cpuShare"] >= 0
    assert decision["waitShare"] >= 0
    pids = json.loads(gthulhu("get", "pids", NODE, "-o", "json").stdout)
    its = {process["pid"] for pod in pids if pod["podID"] == uid for process in pod["processes"]}
    assert {one["pid"] for one in answer["decisions"]} <= its


def test_intents_are_watched_as_they_change(gthulhu: Command, folder: pathlib.Path) -> None:
    gthulhu("apply", "-f", "git/web.yaml")
    with subprocess.Popen(
        [sys.executable, "-m", "gthulhu", "get", "intents", "--watch"],
        cwd=folder,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder / ".config")},
        stdout=subprocess.PIPE,
        text=True,
    ) as watch:
        assert watch.stdout
        try:
            assert "demo/web" in watch.stdout.readline()
            gthulhu("delete", "web-first")
            while not (line := watch.stdout.readline()).startswith("REMOVED"):
                assert line, "the watch ended"
            assert "demo/web" in line
        finally:
            watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=10) == 130


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("explain", "nobody"), "POD_NOT_FOUND: there is no pod nobody in default"),
        (("get", "pids", "nowhere"), "NODE_NOT_FOUND"),
        (("suspend", "none"), "STRATEGY_NOT_FOUND: there is no strategy default/none"),
        (("update", "none", "--priority", "3"), "STRATEGY_NOT_FOUND"),
        (("apply", "-f", "git", "--set", "No Name"), "applySet"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(gthulhu: Command, arguments: tuple[str, ...], says: str) -> None:
    done = gthulhu(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
