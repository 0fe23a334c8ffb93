"""The chart: it makes what kustomize makes, and refuses values that it does not know."""

import copy
import json
import pathlib

import helm_python
import pytest
import yaml

from scripts import manifests
from scripts.manifests import Object


def comparable(objects: tuple[Object, ...]) -> dict[tuple[str, str], Object]:
    """Return objects without what the installer decides: the namespace, and the namespace itself."""
    found = manifests.by_name(copy.deepcopy(objects))
    for one in found.values():
        one["metadata"].pop("namespace", None)
        one["metadata"].pop("labels", None) if one["kind"] in manifests.CRDS else None
    return {key: one for key, one in found.items() if one["kind"] != "Namespace"}


def test_with_default_values_it_is_the_kustomize_base() -> None:
    assert comparable(manifests.rendered({})) == comparable(manifests.base())


@pytest.mark.parametrize("name", sorted(set(manifests.VALUES)))
def test_with_the_values_of_a_component_it_is_the_base_with_that_component(
    name: str, everything: dict[str, tuple[Object, ...]]
) -> None:
    wanted = comparable(everything[f"components {name}"])
    made = comparable(everything[f"chart {name}"])
    assert set(made) == set(wanted)
    for key, one in made.items():
        if one["kind"] == "DaemonSet":
            for both in (one, wanted[key]):
                (container,) = both["spec"]["template"]["spec"]["containers"]
                container["env"].sort(key=lambda variable: str(variable["name"]))
        if one["kind"] in ("NetworkPolicy", "Service") and key not in comparable(manifests.base()):
            for both in (one, wanted[key]):
                both["metadata"].pop("labels", None)
        assert one == wanted[key], key


def test_helm_finds_nothing_wrong() -> None:
    report = helm_python.lint(manifests.CHART, strict=True)
    assert [one for one in report["messages"] if one["severity"] > manifests.ADVICE] == []
    assert report["errors"] == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 3}, "replicas"),
        ({"manager": {"replica": 3}}, "replica"),
        ({"manager": {"replicas": 0}}, "minimum"),
        ({"manager": {"env": {"PATH": "/bin"}}}, "PATH"),
        ({"agent": {"privileged": True}}, "privileged"),
        ({"agent": {"schedExtPinned": True}}, "schedExt"),
        ({"agent": {"resources": {"limits": {"gpu": "1"}}}}, "gpu"),
        ({"gateway": {"service": {"type": "ExternalName"}}}, "type"),
    ],
)
def test_values_that_it_does_not_know_are_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(helm_python.HelmError, match=named):
        manifests.rendered(values)


def test_every_object_of_the_schema_is_closed() -> None:
    schema = json.loads((manifests.CHART / "values.schema.json").read_text())

    def open_objects(node: object, path: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        found = [path] if node.get("type") == "object" and "additionalProperties" not in node else []
        return found + [one for key, inner in node.items() for one in open_objects(inner, f"{path}/{key}")]

    assert open_objects(schema, "") == ["/properties/global"]  # Helm's own


def test_every_value_is_in_the_schema_and_every_property_has_a_default() -> None:
    schema = json.loads((manifests.CHART / "values.schema.json").read_text())
    values = yaml.safe_load((manifests.CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            assert set(inner["properties"]) == set(values[name])


def test_values_reach_the_objects() -> None:
    found = manifests.by_name(
        manifests.rendered(
            {
                "image": {"repository": "registry.example/gthulhu", "tag": "1.2.3"},
                "imagePullSecrets": [{"name": "pull"}],
                "trustDomain": "example.org",
                "deniedNamespaces": ["kube-system", "istio-system"],
                "pki": {"gatewayNames": ["gthulhu.example.org"]},
                "manager": {"replicas": 5, "logLevel": "debug", "env": {"GTHULHU_MANAGER_SERVER__REFLECTION": "true"}},
                "gateway": {"tlsSecret": "web-tls", "configMap": "own-envoy", "service": {"type": "LoadBalancer"}},
                "mongodb": {"enabled": False, "secret": "my-mongodb"},
                "networkPolicies": {"enabled": False},
            }
        )
    )
    manager = found["Deployment", "gthulhu-manager"]["spec"]
    (container,) = manager["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert (manager["replicas"], container["image"]) == (5, "registry.example/gthulhu:1.2.3")
    assert env["GTHULHU_MANAGER_LOGGING__LEVEL"] == "debug"
    assert env["GTHULHU_MANAGER_SERVER__REFLECTION"] == "true"
    assert env["GTHULHU_MANAGER_IDENTITY__TRUST_DOMAIN"] == "example.org"
    denied = json.loads(env["GTHULHU_MANAGER_INVENTORY__DENIED_NAMESPACES"])
    assert denied == ["kube-system", "istio-system", "gthulhu-system"]
    volumes = {one["name"]: one for one in manager["template"]["spec"]["volumes"]}
    assert volumes["mongodb"]["secret"]["secretName"] == "my-mongodb"
    gateway = found["Deployment", "gthulhu-gateway"]["spec"]["template"]["spec"]
    assert {"name": "config", "configMap": {"name": "own-envoy"}} in gateway["volumes"]
    assert gateway["imagePullSecrets"] == [{"name": "pull"}]
    assert found["Service", "gthulhu-gateway"]["spec"]["type"] == "LoadBalancer"
    (job,) = found["Job", "gthulhu-pki"]["spec"]["template"]["spec"]["containers"]
    assert job["args"] == ["pki", "cluster", "--trust-domain=example.org", "--dns=gthulhu.example.org"]
    assert not [key for key in found if key[0] in ("NetworkPolicy", "StatefulSet")]


def test_it_is_packaged(tmp_path: pathlib.Path) -> None:
    archive = helm_python.package(manifests.CHART, destination=tmp_path)
    with helm_python.Chart.load(archive) as chart:
        assert chart.metadata["name"] == "gthulhu"


def test_the_charts_version_is_the_projects() -> None:
    chart = yaml.safe_load((manifests.CHART / "Chart.yaml").read_text())
    version = (manifests.ROOT / "setup.cfg").read_text().partition("version = ")[2].partition("\n")[0]
    assert (chart["version"], chart["appVersion"]) == (version, version)
    images = {one["image"] for _, pod in manifests.pods(manifests.base()) for one in pod["containers"]}
    assert images == {f"gthulhu/gthulhu:{version}", f"gthulhu/gthulhu-gateway:{version}", "mongo:7.0"}
