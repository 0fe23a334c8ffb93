"""Pods that come, move, change and go: preview, explain and intents through the gateway answer right at every step."""

import dataclasses
import json
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gthulhu.cli.demo import workload

from .conftest import NODE, Installation

SELECT_WEB = {"labelSelectors": [{"key": "run", "value": "web"}], "priority": 3}


@dataclasses.dataclass
class Cluster:
    """The inventory file, and what the manager says of the pods in it."""

    installation: Installation
    pods: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def put(self, name: str, *, namespace: str = "prod", **fields: object) -> str:
        """Let there be a pod of that name, or change it; returns its UID."""
        before = self.pods.get(name, {"uid": str(uuid.uuid4()), "node": NODE, "labels": {"run": "web"}})
        self.pods[name] = {"name": name, "namespace": namespace, **before, **fields}
        self._write()
        return str(self.pods[name]["uid"])

    def remove(self, *names: str) -> None:
        """Let pods be gone."""
        for name in names:
            del self.pods[name]
        self._write()

    def _write(self) -> None:
        path = self.installation.plan.inventory
        content = yaml.safe_load(workload.inventory(NODE, self.installation.pods))
        content["pods"] += self.pods.values()
        new = path.with_suffix(".new")
        new.write_text(yaml.safe_dump(content, allow_unicode=True))
        new.replace(path)

    def create(self, **fields: object) -> str:
        """Create a strategy; returns its id."""
        status, answer = self.installation.request("POST", "/api/v1/strategies", SELECT_WEB | fields)
        assert status == 200, answer
        return str(answer["data"]["id"])

    def preview(self, **fields: object) -> dict[str, list[str]]:
        """Return the names of the pods that a strategy would select, by node."""
        status, answer = self.installation.request("POST", "/api/v1/strategies/preview", SELECT_WEB | fields)
        assert status == 200, answer
        return {one["nodeID"]: [pod["podName"] for pod in one["pods"]] for one in answer["data"]["nodes"]}

    def explain(self, name: str, *, namespace: str = "prod") -> dict[str, Any]:
        """Return a pod's explanation; with the code of the refusal where there is none."""
        path = f"/api/v1/pods/{namespace}/{urllib.parse.quote(name)}/explain"
        status, answer = self.installation.request("GET", path)
        return answer["data"] if status == 200 else {"code": answer["code"]}

    def why(self, name: str) -> tuple[bool, str]:
        """Return whether the only strategy selects a pod, and why."""
        (considered,) = self.explain(name)["strategies"]
        return considered["matched"], considered["reason"]

    def states(self, strategy: str) -> dict[str, str]:
        """Return the states of a strategy's intents, by the pods' UIDs."""
        return {
            one["podID"]: f"{one['state']} {one['stateReason']}".strip() for one in self.installation.intents(strategy)
        }

    def wait_for(self, strategy: str, **states: str) -> None:
        """Wait until a strategy has these intents and no others; pods are named."""
        expected = {str(self.pods[name.replace("_", "-")]["uid"]): state for name, state in states.items()}
        self.installation.wait(lambda: self.states(strategy) == expected, f"the intents were not {states}")


@pytest.fixture
def cluster(installation: Installation) -> Iterator[Cluster]:
    """Return the cluster with nothing but the demonstration's pods, and no strategy; it is left so."""
    made = Cluster(installation)
    yield made
    for one in installation.request("GET", "/api/v1/strategies")[1]["data"]["strategies"]:
        installation.request("DELETE", "/api/v1/strategies", {"strategyId": one["id"]})
    made.remove(*list(made.pods))
    installation.wait(lambda: not made.preview(allPods=True, labelSelectors=[], k8sNamespace=["prod"]), "pods stayed")


def test_a_pod_that_gets_its_node_later(cluster: Cluster) -> None:
    strategy = cluster.create()
    cluster.put("late", node="")
    cluster.wait_for(strategy, late="PENDING NODE_NOT_ASSIGNED")
    assert cluster.preview() == {"": ["late"]}
    assert cluster.explain("late")["nodeID"] == ""
    assert cluster.explain("late")["nodeError"] == ""
    (before,) = cluster.installation.intents(strategy)
    cluster.put("late", node=NODE)
    cluster.wait_for(strategy, late="APPLIED NO_MATCHING_PROCESS")
    assert cluster.preview() == {NODE: ["late"]}
    assert cluster.explain("late")["nodeID"] == NODE
    (after,) = cluster.installation.intents(strategy)
    assert (after["id"], after["nodeID"]) == (before["id"], NODE)


def test_a_pod_that_finishes_and_then_is_deleted(cluster: Cluster) -> None:
    strategy = cluster.create()
    cluster.put("job")
    cluster.wait_for(strategy, job="APPLIED NO_MATCHING_PROCESS")
    cluster.put("job", phase="Succeeded")
    cluster.wait_for(strategy)
    assert cluster.why("job") == (False, "the pod is finished")
    assert cluster.preview() == {}
    cluster.remove("job")
    cluster.installation.wait(lambda: cluster.explain("job") == {"code": "POD_NOT_FOUND"}, "the pod was still known")


def test_a_pod_whose_labels_change(cluster: Cluster) -> None:
    strategy = cluster.create()
    cluster.put("web", labels={"run": "other"})
    cluster.installation.wait(lambda: "strategies" in cluster.explain("web"), "the pod was not seen")
    assert cluster.why("web") == (False, 'label run is "other", not "web"')
    cluster.put("web", labels={"run": "web"})
    cluster.wait_for(strategy, web="APPLIED NO_MATCHING_PROCESS")
    assert cluster.why("web") == (True, "the pod has run=web")
    cluster.put("web", labels={})
    cluster.wait_for(strategy)
    assert cluster.why("web") == (False, "the pod has no label run")
    assert cluster.preview() == {}


def test_a_pod_that_is_recreated_under_its_name(cluster: Cluster) -> None:
    strategy = cluster.create()
    first = cluster.put("db-0")
    cluster.wait_for(strategy, db_0="APPLIED NO_MATCHING_PROCESS")
    (before,) = cluster.installation.intents(strategy)
    second = cluster.put("db-0", uid=str(uuid.uuid4()))
    cluster.wait_for(strategy, db_0="APPLIED NO_MATCHING_PROCESS")
    (after,) = cluster.installation.intents(strategy)
    assert (before["podID"], after["podID"]) == (first, second)
    assert before["id"] != after["id"]
    assert cluster.explain("db-0")["podID"] == second


@pytest.mark.parametrize(
    ("labels", "selectors", "matched", "why"),
    [
        ({}, {"a": ""}, False, "the pod has no label a"),
        ({}, {"a": "1"}, False, "the pod has no label a"),
        ({"a": ""}, {"a": ""}, True, "the pod has a"),
        ({"a": ""}, {"a": "1"}, False, 'label a is "", not "1"'),
        ({"a": "1"}, {"a": ""}, True, "the pod has a"),
        ({"a": "A"}, {"a": "a"}, False, 'label a is "A", not "a"'),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, True, "the pod has a=1, b=2"),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": ""}, False, 'label b is "2", not "3"; the pod has no label c'),
        ({"executionTime": "5"}, {"executionTime": "5"}, True, "the pod has executionTime=5"),
        (
            {"sub-1.example.com/Tier_x.y-z": "V1.2_b-c"},
            {"sub-1.example.com/Tier_x.y-z": "V1.2_b-c"},
            True,
            "the pod has sub-1.example.com/Tier_x.y-z=V1.2_b-c",
        ),
        ({"k" * 63: "v" * 63}, {"k" * 63: "v" * 63}, True, f"the pod has {'k' * 63}={'v' * 63}"),
        ({"a": "true", "b": "0"}, {"a": "true", "b": "0"}, True, "the pod has a=true, b=0"),
    ],
)
def test_labels_as_odd_as_they_may_be(
    cluster: Cluster, labels: dict[str, str], selectors: dict[str, str], *, matched: bool, why: str
) -> None:
    selected = [{"key": key, "value": value} for key, value in selectors.items()]
    name = f"pod.{'x' * 200}.0"
    strategy = cluster.create(labelSelectors=selected)
    uid = cluster.put(name, labels=labels)
    cluster.installation.wait(lambda: cluster.explain(name).get("podID") == uid, "the pod was not seen")
    assert cluster.why(name) == (matched, why)
    assert cluster.preview(labelSelectors=selected) == ({NODE: [name]} if matched else {})
    assert set(cluster.states(strategy)) == ({uid} if matched else set())
    assert cluster.explain(name)["podLabels"] == labels


@pytest.mark.parametrize(
    "selector", [{"key": ""}, {"key": "a b"}, {"key": "-a"}, {"key": "a", "value": "ü"}, {"key": "a", "value": "x/y"}]
)
def test_selectors_that_no_label_can_have_are_refused(cluster: Cluster, selector: dict[str, str]) -> None:
    body = SELECT_WEB | {"labelSelectors": [selector]}
    for path in ("/api/v1/strategies", "/api/v1/strategies/preview"):
        status, answer = cluster.installation.request("POST", path, body)
        assert (status, answer["code"]) == (400, "INVALID_ARGUMENT")
        assert answer["fields"][0]["field"].startswith("strategy.labelSelectors[0].")


def test_two_strategies_on_one_pod_and_both_see_it(cluster: Cluster) -> None:
    weaker = cluster.create(name="weaker", priority=5)
    cluster.put("web")
    cluster.wait_for(weaker, web="APPLIED NO_MATCHING_PROCESS")
    status, answer = cluster.installation.request(
        "POST", "/api/v1/strategies/preview", SELECT_WEB | {"name": "stronger", "priority": 2}
    )
    assert status == 200
    assert answer["data"]["nodes"][0]["pods"][0]["supersedes"] == [weaker]
    stronger = cluster.create(name="stronger", priority=2)
    assert [one["strategyId"] for one in cluster.explain("web")["strategies"]] == [stronger, weaker]
    suspended = SELECT_WEB | {"strategyId": stronger, "name": "stronger", "priority": 2, "suspended": True}
    assert cluster.installation.request("PUT", "/api/v1/strategies", suspended)[0] == 200
    assert cluster.states(stronger) == {}
    first, second = cluster.explain("web")["strategies"]
    assert (first["strategyId"], second["strategyId"]) == (weaker, stronger)
    assert second["reason"] == "the pod has run=web; but the strategy is SUSPENDED"


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    """Return the token of a user who may do everything with strategies in team-a."""
    keys = ["create", "read", "update", "delete"]
    policies = [{"permissionKey": f"schedule_strategy.{key}", "k8sNamespace": "team-a"} for key in keys]
    policies += [
        {"permissionKey": key, "k8sNamespace": "team-a"} for key in ("schedule_intent.read", "pod_pid_mapping.read")
    ]
    ask = installation.request
    assert ask("POST", "/api/v1/roles", {"name": "team-a", "rolePolicies": policies})[0] == 200
    user = {"username": "ann", "email": "ann@example.com", "password": "first-password-1", "roles": ["team-a"]}
    assert ask("POST", "/api/v1/users", user)[0] == 200

    def log_in(password: str) -> str:
        return ask("POST", "/api/v1/auth/login", {"username": "ann", "password": password}, token="")[1]["data"][
            "accessToken"
        ]

    change = {"oldPassword": "first-password-1", "newPassword": "second-password-2"}
    status, _ = ask("PUT", "/api/v1/users/self/password", change, token=log_in("first-password-1"))
    assert status == 200
    return log_in("second-password-2")


class TestAUserOfOneNamespace:
    """Sees, selects and previews nothing beyond it."""

    @pytest.fixture(autouse=True)
    def _pods(self, cluster: Cluster) -> None:
        cluster.create(name="of-the-admin", k8sNamespace=["prod"])
        cluster.put("theirs")
        cluster.put("hers", namespace="team-a")
        cluster.put("dns", namespace="kube-system")
        cluster.installation.wait(
            lambda: cluster.preview(labelSelectors=[{"key": "run"}]) == {NODE: ["theirs", "hers"]}, "pods were not seen"
        )

    def test_selects_there_only(self, cluster: Cluster, token: str) -> None:
        ask = cluster.installation.request
        for namespaces in (["prod"], ["team-a", "prod"]):
            body = SELECT_WEB | {"k8sNamespace": namespaces}
            status, answer = ask("POST", "/api/v1/strategies", body, token=token)
            assert (status, answer["code"]) == (403, "K8S_NAMESPACE_NOT_ALLOWED")
            status, answer = ask("POST", "/api/v1/strategies/preview", body, token=token)
            assert "theirs" not in json.dumps(answer)
        status, made = ask("POST", "/api/v1/strategies", SELECT_WEB, token=token)
        assert (status, made["data"]["matchedPods"]) == (200, 1)
        assert set(cluster.states(made["data"]["id"])) == {cluster.pods["hers"]["uid"]}
        wider = SELECT_WEB | {"strategyId": made["data"]["id"], "k8sNamespace": ["prod"]}
        assert ask("PUT", "/api/v1/strategies", wider, token=token)[0] == 403

    def test_previews_there_only(self, cluster: Cluster, token: str) -> None:
        status, answer = cluster.installation.request(
            "POST", "/api/v1/strategies/preview", {"allPods": True, "priority": 3}, token=token
        )
        assert status == 200
        assert [pod["podName"] for node in answer["data"]["nodes"] for pod in node["pods"]] == ["hers"]
        assert "dns" not in json.dumps(answer)

    def test_sees_there_only(self, cluster: Cluster, token: str) -> None:
        def seen(path: str, key: str) -> list[dict[str, Any]]:
            status, answer = cluster.installation.request("GET", path, token=token)
            assert status == 200, answer
            return answer["data"][key]

        assert seen("/api/v1/strategies", "strategies") == []
        assert seen("/api/v1/intents", "intents") == []
        cluster.create(name="for-her", k8sNamespace=["team-a"])
        assert [one["name"] for one in seen("/api/v1/strategies", "strategies")] == ["for-her"]
        assert [one["podName"] for one in seen("/api/v1/intents", "intents")] == ["hers"]
        assert seen(f"/api/v1/nodes/{NODE}/pods/pids", "pods") == []

    def test_explains_there_only(self, cluster: Cluster, token: str) -> None:
        def explain(path: str) -> tuple[int, dict[str, Any]]:
            return cluster.installation.request("GET", f"/api/v1/pods/{path}/explain", token=token)

        for path in ("prod/theirs", "prod/nobody", "kube-system/dns"):
            status, answer = explain(path)
            assert (status, answer["code"]) == (403, "K8S_NAMESPACE_NOT_ALLOWED")
        status, answer = explain("team-a/hers")
        assert (status, answer["data"]["strategies"]) == (200, [])
