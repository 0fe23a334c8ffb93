"""Generate what in deploy/ is written down elsewhere already; with `--check`, only tell whether it is stale.

The Grafana dashboard from the registries of metrics, the alert rules' other forms from
deploy/observability/alerts.yaml, deploy/kind, for plain `kubectl apply -f`, from the kustomize overlay `kind`, and what
makes a replica set of a new MongoDB from the base.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

import docs

DEPLOY = docs.ROOT / "deploy"
KIND_FOLDERS = {
    "mongo": ("mongodb",),
    "manager": ("pki", "manager", "gateway"),
    "decisionmaker": ("agent",),
}
"""By the components that they hold; what belongs to none goes with the manager, the namespace with each."""
GENERATED = "# Made by scripts/deploy.py.\n"

Object = Mapping[str, Any]


def dashboard(reference: str) -> str:
    """Return a Grafana dashboard with a panel for every metric of the reference (docs/reference/metrics.md)."""
    panels: list[Object] = []
    for part in ("Manager", "Agent"):
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", _section(reference, part), re.MULTILINE)
        panels.append(_row(part, panels))
        panels += [_panel(*row, number=number, top=_bottom(panels)) for number, row in enumerate(sorted(rows))]
    return json.dumps(
        {
            "uid": "gthulhu",
            "title": "Gthulhu",
            "tags": ["gthulhu"],
            "schemaVersion": 39,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
            "panels": [{**panel, "id": number} for number, panel in enumerate(panels, start=1)],
        },
        indent=1,
    )


def _section(reference: str, title: str) -> str:
    return reference.partition(f"## {title}\n")[2].partition("\n## ")[0]


def _bottom(panels: Sequence[Object]) -> int:
    return max((one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels if one["type"] == "row"), default=0)


def _row(title: str, before: Sequence[Object]) -> Object:
    top = max((one["gridPos"]["y"] + one["gridPos"]["h"] for one in before), default=0)
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}


def _panel(name: str, kind: str, text: str, *, number: int, top: int) -> Object:
    match kind:
        case "counter":
            expression, unit = f"rate({name}[$__rate_interval])", "ops"
        case "histogram":
            expression = f"histogram_quantile(0.99, sum by (le) (rate({name}_bucket[$__rate_interval])))"
            unit = "s"
        case _:
            expression, unit = name, "s" if name.endswith("_seconds") else "short"
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": "timeseries",
        "title": name.removeprefix("gthulhu_"),
        "description": text,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": "A", "datasource": source, "expr": expression}],
        "gridPos": {"x": 8 * (number % 3), "y": top + 8 * (number // 3), "w": 8, "h": 8},
    }


def rules(alerts: str) -> str:
    """Return the alert rules as an object for the Prometheus operator."""
    about = {"name": "gthulhu", "namespace": "gthulhu-system"}
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": about}
    return GENERATED + _yaml([{**rule, "spec": yaml.safe_load(alerts)}])


def kustomize(folder: pathlib.Path) -> list[Object]:
    """Return the objects of a kustomization."""
    kubectl = pathlib.Path(sys.executable).with_name("kubectl")
    done = subprocess.run([str(kubectl), "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(done.stdout))


def kind(objects: Sequence[Object]) -> Mapping[str, str]:
    """Return the content of deploy/kind's folders, by name; each can be applied alone."""
    held: dict[str, list[Object]] = {name: [] for name in KIND_FOLDERS}
    for one in objects:
        component = one["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        owner = next((name for name, components in KIND_FOLDERS.items() if component in components), "manager")
        for name in held if one["kind"] == "Namespace" else (owner,):
            held[name].append(one)
    return {name: GENERATED + _yaml(found) for name, found in held.items()}


def _yaml(objects: Iterable[Object]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


def main() -> int:
    """Write the files, or compare them; 1 where they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    alerts = (DEPLOY / "observability" / "alerts.yaml").read_text()
    wanted = {
        DEPLOY / "observability" / "dashboard.json": dashboard(docs.metrics()) + "\n",
        DEPLOY / "kubernetes" / "components" / "monitoring" / "rules.yaml": rules(alerts),
        DEPLOY / "helm" / "gthulhu" / "files" / "alerts.yaml": alerts,
    }
    objects = kustomize(DEPLOY / "kubernetes" / "base")
    (script,) = (one["data"]["initiate.js"] for one in objects if one["kind"] == "ConfigMap")
    wanted[DEPLOY / "local" / "initiate.js"] = script
    for name, text in kind(kustomize(DEPLOY / "kubernetes" / "overlays" / "kind")).items():
        wanted[DEPLOY / "kind" / name / "gthulhu.yaml"] = text
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(docs.ROOT)} is stale: run `make docs`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
