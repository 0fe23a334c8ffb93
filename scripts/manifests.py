"""Every manifest that can be made of deploy/: by kustomize, by Helm, and as it stands.

Run as a program it tells of fields that Kubernetes does not know, and of what Helm finds wrong with the chart.
"""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import helm_python
import kubernetes_validate
import yaml

Object = dict[str, Any]

KUBERNETES = "1.37"

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "gthulhu"
NAMESPACE = "gthulhu-system"

COMBINATIONS: Mapping[str, Sequence[str]] = {
    "bpf": ("bpf",),
    "process-events": ("process-events",),
    "bpf-process-events": ("bpf", "process-events"),
    "sched-ext": ("sched-ext",),
    "sched-ext-pinned": ("sched-ext", "sched-ext-pinned"),
    "cert-manager": ("cert-manager",),
    "monitoring": ("monitoring",),
}
"""Components over the base, in an order that holds."""
VALUES: Mapping[str, Mapping[str, Any]] = {
    "bpf": {"agent": {"bpf": True}},
    "process-events": {"agent": {"processEvents": True}},
    "bpf-process-events": {"agent": {"bpf": True, "processEvents": True}},
    "sched-ext": {"agent": {"schedExt": True}},
    "sched-ext-pinned": {"agent": {"schedExt": True, "schedExtPinned": True}},
    "cert-manager": {"pki": {"certManager": True}},
    "monitoring": {"monitoring": {"enabled": True}},
}
"""What makes the same of the chart."""
ADVICE = 1
"""The severity of what Helm would like better: it misses an icon."""
CRDS = frozenset({"Certificate", "Issuer", "PrometheusRule", "ServiceMonitor"})
"""Kinds that Kubernetes itself does not know."""


@functools.cache
def kustomized(folder: pathlib.Path) -> tuple[Object, ...]:
    """Return what kustomize makes of a folder."""
    kubectl = pathlib.Path(sys.executable).with_name("kubectl")
    done = subprocess.run([str(kubectl), "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return tuple(yaml.safe_load_all(done.stdout))


@functools.cache
def base() -> tuple[Object, ...]:
    """Return the base."""
    return kustomized(DEPLOY / "kubernetes" / "base")


def with_components(name: str, folder: pathlib.Path) -> tuple[Object, ...]:
    """Return the base with a combination of components; the kustomization for it is written to a folder."""
    kubernetes = DEPLOY / "kubernetes"
    away = pathlib.Path(*[".."] * (len(folder.resolve().parts) - 1), *kubernetes.resolve().parts[1:])
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [str(away / "base")],
        "components": [str(away / "components" / one) for one in COMBINATIONS[name]],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return kustomized(folder)


def rendered(values: Mapping[str, Any], *, hooks: bool = False) -> tuple[Object, ...]:
    """Return what the chart makes of values; hooks are what only `helm test` makes."""
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(values=dict(values), name="gthulhu", namespace=NAMESPACE)
    found = [one for name, text in texts.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text) if one]
    return tuple(one for one in found if hooks or "helm.sh/hook" not in one["metadata"].get("annotations", {}))


def plain() -> Iterator[tuple[pathlib.Path, tuple[Object, ...]]]:
    """Yield the files that are applied as they stand."""
    for path in sorted((DEPLOY / "kind").glob("*/*.yaml")):
        yield path, tuple(yaml.safe_load_all(path.read_text()))


def everything(folder: pathlib.Path) -> dict[str, tuple[Object, ...]]:
    """Return the objects of every way to deploy, by its name."""
    found = {"base": base(), "remove": kustomized(DEPLOY / "kubernetes" / "remove")}
    for overlay in sorted((DEPLOY / "kubernetes" / "overlays").iterdir()):
        found[f"overlay {overlay.name}"] = kustomized(overlay)
    for name in COMBINATIONS:
        own = folder / name
        own.mkdir()
        found[f"components {name}"] = with_components(name, own)
    found["chart"] = rendered({}, hooks=True)
    for name, values in VALUES.items():
        found[f"chart {name}"] = rendered(values)
    for path, objects in plain():
        found[str(path.relative_to(ROOT))] = objects
    return found


def by_name(objects: Sequence[Object]) -> dict[tuple[str, str], Object]:
    """Return objects by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def pods(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Yield the spec of every pod that would run, with its owner's name."""
    for one in objects:
        if one["kind"] == "Pod":
            yield one["metadata"]["name"], one["spec"]
        elif "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def problems(found: Mapping[str, Sequence[Object]]) -> Iterator[str]:
    """Yield what is wrong with objects that Kubernetes itself knows; what stands in several places is named once."""
    seen = set()
    for name, objects in found.items():
        for one in objects:
            text = json.dumps(one, sort_keys=True)
            if text in seen or one["kind"] in CRDS:
                continue
            seen.add(text)
            try:
                kubernetes_validate.validate(one, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name}: {one['kind']} {one['metadata']['name']}: {error.message}"


def main() -> int:
    """Check all of them; 1 where something is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = list(problems(everything(pathlib.Path(folder))))
    report = helm_python.lint(CHART, strict=True)
    wrong += [f"{one['path']}: {one['error']}" for one in report["messages"] if one["severity"] > ADVICE]
    wrong += report["errors"]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
