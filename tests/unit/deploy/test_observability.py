"""Alerts and dashboard speak of metrics that there are; each alert has its test and its page."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from scripts import manifests

FOLDER = manifests.DEPLOY / "observability"
REFERENCE = (manifests.ROOT / "docs" / "reference" / "metrics.md").read_text()
"""Made from the registries, and kept fresh by `make lint`."""


def metrics() -> dict[str, str]:
    """Return the type of every metric."""
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", REFERENCE, re.MULTILINE))


def alerts() -> list[dict[str, str]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def named(expression: str) -> set[str]:
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"gthulhu_\w+", expression)}


def test_alerts_name_metrics_that_there_are() -> None:
    assert set().union(*(named(rule["expr"]) for rule in alerts())) <= set(metrics())


def test_the_dashboard_has_a_panel_for_every_metric_and_no_other() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert set().union(*map(named, expressions)) == set(metrics())
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_where_its_page_is(rule: dict[str, dict[str, str]]) -> None:
    page = manifests.ROOT / rule["annotations"]["runbook"]
    assert page.name == f"{rule['alert']}.md"
    text = page.read_text()
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert heading in text
    assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_no_page_is_left_of_an_alert_that_is_gone() -> None:
    pages = {path.stem for path in (manifests.ROOT / "docs" / "runbook").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in alerts()}


def test_each_alert_is_tested_to_fire_and_to_be_quiet() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    for wanted in (True, False):
        assert {one["alertname"] for one in checks if bool(one["exp_alerts"]) == wanted} == {
            rule["alert"] for rule in alerts()
        }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is in Debian's package prometheus")
def test_promtool_agrees(tmp_path: pathlib.Path) -> None:
    for name in ("alerts.yaml", "alerts_test.yaml"):
        shutil.copy(FOLDER / name, tmp_path)
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yaml"],  # noqa: S607 - wherever the distribution puts it
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
