"""What no manifest may do, whichever way it is made."""

import copy
import re
import subprocess

import pytest

from scripts import manifests
from scripts.manifests import Object
from tests.kernel.deploy import privileges

Everything = dict[str, tuple[Object, ...]]

AGENTS = {"gthulhu-agent", "gthulhu-remove"}
"""What works on the host: agents, and what cleans up after them."""
WRITABLE = {"/sys/fs/cgroup", "/var/lib/gthulhu"}
BPFFS = "/sys/fs/bpf"
CAPABILITIES = {
    "base": privileges.STOCK,
    "remove": privileges.STOCK,
    "components bpf": privileges.BPF,
    "components process-events": privileges.PROCESS_EVENTS,
    "components sched-ext": privileges.SCHED_EXT,
}
"""The least that works: tests/kernel/deploy runs them."""


def agents(objects: tuple[Object, ...]) -> list[Object]:
    return [pod for name, pod in manifests.pods(objects) if name in AGENTS]


def test_a_field_that_kubernetes_does_not_know_is_told(everything: Everything) -> None:
    service = copy.deepcopy(manifests.by_name(everything["base"])["Service", "gthulhu-manager"])
    assert list(manifests.problems({"base": [service]})) == []
    service["spec"]["portz"] = []
    (problem,) = manifests.problems({"base": [service]})
    assert "portz" in problem


def test_nothing_is_privileged(everything: Everything) -> None:
    for name, objects in everything.items():
        for owner, pod in manifests.pods(objects):
            for one in manifests.containers(pod):
                context = one["securityContext"]
                assert not context.get("privileged"), (name, owner)
                assert context["allowPrivilegeEscalation"] is False, (name, owner)
                assert context["readOnlyRootFilesystem"] is True, (name, owner)
                assert context["capabilities"]["drop"] == ["ALL"], (name, owner)


def test_only_agents_leave_the_restricted_profile(everything: Everything) -> None:
    for name, objects in everything.items():
        for owner, pod in manifests.pods(objects):
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, (name, owner)
            if owner in AGENTS:
                continue
            assert pod["securityContext"]["runAsNonRoot"] is True, (name, owner)
            assert pod["securityContext"]["runAsUser"] > 0, (name, owner)
            assert not {"hostPID", "hostNetwork", "hostIPC"} & set(pod), (name, owner)
            assert not any("hostPath" in volume for volume in pod["volumes"]), (name, owner)
            assert not any(one["securityContext"]["capabilities"].get("add") for one in manifests.containers(pod))


def test_agents_have_the_capabilities_of_their_mode_and_no_others(everything: Everything) -> None:
    for name, wanted in CAPABILITIES.items():
        (pod,) = agents(everything[name])
        contexts = [one["securityContext"]["capabilities"] for one in manifests.containers(pod)]
        assert {name.lower() for context in contexts for name in context.get("add", ())} == wanted, name


def test_agents_write_to_two_folders_of_the_host_and_to_bpffs_where_links_are_pinned(everything: Everything) -> None:
    for name, objects in everything.items():
        for pod in agents(objects):
            paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
            assert paths == WRITABLE | ({BPFFS} if "pinned" in name else set()), name
            assert bool(pod.get("hostNetwork")) == ("process-events" in name), name
            assert not pod.get("hostIPC")


def test_everything_has_requests_and_limits(everything: Everything) -> None:
    for name, objects in everything.items():
        for owner, pod in manifests.pods(objects):
            for one in manifests.containers(pod):
                for part in ("requests", "limits"):
                    assert set(one["resources"][part]) >= {"cpu", "memory"}, (name, owner)
            for volume in pod["volumes"]:
                assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], (name, owner)


def test_no_role_has_a_wildcard_and_none_reads_secrets_by_list(everything: Everything) -> None:
    for name, objects in everything.items():
        for one in objects:
            for rule in one.get("rules", ()) if one["kind"] in ("Role", "ClusterRole") else ():
                granted = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
                assert "*" not in granted, (name, one["metadata"]["name"])
                if "secrets" in rule["resources"]:
                    assert one["kind"] == "Role"
                    assert rule["verbs"] == ["create"] or rule.get("resourceNames"), name


def test_the_manager_may_read_what_it_needs_and_nothing_else(everything: Everything) -> None:
    role = manifests.by_name(everything["base"])["ClusterRole", "gthulhu-manager"]
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        ("", "pods"): {"get", "list", "watch"},
        ("", "nodes"): {"get", "list", "watch"},
        ("", "namespaces"): {"get", "list"},
        ("authentication.k8s.io", "tokenreviews"): {"create"},
    }


def test_only_who_asks_the_api_gets_a_token_for_it(everything: Everything) -> None:
    for objects in everything.values():
        mounting = {owner for owner, pod in manifests.pods(objects) if pod.get("automountServiceAccountToken")}
        assert mounting <= {"gthulhu-manager", "gthulhu-pki"}
        for one in objects:
            if one["kind"] == "ServiceAccount":
                assert one["automountServiceAccountToken"] is False


def test_no_secret_is_in_any_file(everything: Everything) -> None:
    for name, objects in everything.items():
        assert not [one for one in objects if one["kind"] == "Secret"], name
        for _, pod in manifests.pods(objects):
            for one in manifests.containers(pod):
                for variable in one.get("env", ()):
                    assert not re.search(r"PASSWORD$|SECRET$|KEY_PEM$", variable["name"]) or "valueFrom" in variable
    files = subprocess.run(
        ["git", "ls-files", "--", "deploy", ".github"],  # noqa: S607 - git is wherever it is
        check=True,
        capture_output=True,
        text=True,
        cwd=manifests.ROOT,
    )
    for path in files.stdout.split():
        text = (manifests.ROOT / path).read_text()
        assert not re.search(r"-----BEGIN|mongodb(\+srv)?://[^:@\s$]+:[^@$A-Z…\s]+@", text), path


def test_everything_is_denied_that_no_policy_allows(everything: Everything) -> None:
    for name in ("base", "overlay production", "chart"):
        found = manifests.by_name(everything[name])
        deny = found["NetworkPolicy", "gthulhu-default-deny"]["spec"]
        assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_name_that_a_pod_mentions_is_there_or_made_by_the_job(everything: Everything) -> None:
    made = {"gthulhu-ca", "gthulhu-trust", "gthulhu-manager-tls", "gthulhu-gateway-tls", "gthulhu-tokens"}
    made |= {"gthulhu-admin", "gthulhu-mongodb"}
    for objects in (everything["base"], everything["chart"]):
        found = manifests.by_name(objects)
        for _, pod in manifests.pods(objects):
            assert "serviceAccountName" not in pod or ("ServiceAccount", pod["serviceAccountName"]) in found
            for volume in pod["volumes"]:
                sources = volume.get("projected", {}).get("sources", [volume])
                for secret in [one["secret"] for one in sources if "secret" in one]:
                    assert (secret.get("name") or secret["secretName"]) in made
                if "configMap" in volume:
                    assert ("ConfigMap", volume["configMap"]["name"]) in found
        for (kind, _), one in found.items():
            if kind == "Service":
                labels = one["spec"]["selector"].items()
                templates = [two["spec"]["template"] for two in objects if "template" in two.get("spec", {})]
                (chosen,) = [two for two in templates if labels <= two["metadata"]["labels"].items()]
                ports = {port["name"] for two in chosen["spec"]["containers"] for port in two["ports"]}
                assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports


@pytest.mark.parametrize("owner", ["gthulhu-manager", "gthulhu-gateway"])
def test_pods_have_time_to_drain(everything: Everything, owner: str) -> None:
    pod = dict(manifests.pods(everything["base"]))[owner]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] >= container["lifecycle"]["preStop"]["sleep"]["seconds"] + 10
    assert ("PodDisruptionBudget", owner) in manifests.by_name(everything["base"])
