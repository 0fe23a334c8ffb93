"""Strategies as YAML: what is taken, and how clearly the rest is refused."""

import pathlib

import pytest
import yaml

from gthulhu.cli.user import manifests
from gthulhu.common import errors
from gthulhu.v1 import strategy_pb2

HEAD = "apiVersion: gthulhu.io/v1\nkind: SchedulingStrategy\n"
COMPLETE = f"""{HEAD}
metadata: {{name: web-first, namespace: team-a}}
spec:
  description: for the shop
  labelSelectors: [{{key: app, value: nginx}}]
  k8sNamespace: [prod]
  commandRegex: nginx
  priority: 3
  executionTime: 20000000
  expiresAt: 2030-01-01T00:00:00Z
"""


def read(folder: pathlib.Path, text: str) -> list:
    (folder / "one.yaml").write_text(text)
    return manifests.read([folder / "one.yaml"])


def test_every_field_arrives(tmp_path: pathlib.Path) -> None:
    (one,) = read(tmp_path, COMPLETE)
    assert (one.name, one.strategy_namespace, one.description) == ("web-first", "team-a", "for the shop")
    assert [(selector.key, selector.value) for selector in one.label_selectors] == [("app", "nginx")]
    assert list(one.k8s_namespace) == ["prod"]
    assert (one.command_regex, one.priority, one.execution_time) == ("nginx", 3, 20_000_000)
    assert one.expires_at.ToJsonString() == "2030-01-01T00:00:00Z"


def test_an_absent_priority_stays_absent(tmp_path: pathlib.Path) -> None:
    (one,) = read(tmp_path, f"{HEAD}metadata: {{name: a}}\nspec: {{allPods: true}}\n")
    assert not one.HasField("priority")


def test_folders_and_several_documents_are_read_in_order(tmp_path: pathlib.Path) -> None:
    document = HEAD + "metadata: {{name: {}}}\nspec: {{allPods: true}}\n"
    (tmp_path / "b.yml").write_text(document.format("third"))
    (tmp_path / "a.yaml").write_text(document.format("first") + "---\n" + document.format("second"))
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert [one.name for one in manifests.read([tmp_path])] == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}metadata: {{name: a}}\nspec: {{labelSelector: []}}", "did you mean labelSelectors?"),
        (f"{HEAD}metadata: {{name: a}}\nspec: {{labelSelectors: [{{keys: app}}]}}", "did you mean key?"),
        (f"{HEAD}metadata: {{nam: a}}\nspec: {{}}", "did you mean name?"),
        (f"{HEAD}metadata: {{name: a}}\nspec: {{}}\nstatus: {{}}", "status: is not known"),
        (f"{HEAD}metadata: {{name: a}}\nspec: {{matchedPods: 3}}", "matchedPods: is not known"),
        (f"{HEAD}metadata: {{name: a}}\nspec: {{name: b}}", "name: is not known"),
        (f"{HEAD}metadata: {{}}\nspec: {{}}", "metadata.name"),
        (f"{HEAD}metadata: {{name: a}}\nspec: {{priority: high}}", "priority"),
        (f"{HEAD}metadata: {{name: a}}\nspec: 3", "must be keys and values"),
        ("apiVersion: v1\nkind: Pod\n", "apiVersion"),
        ("- a\n- b\n", "must be keys and values"),
        ("a: [", "is no YAML"),
        ("", "no strategies"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: pathlib.Path, text: str, says: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"one\.yaml") as caught:
        read(tmp_path, text)
    assert says in caught.value.message


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"none\.yaml.*No such file"):
        manifests.read([tmp_path / "none.yaml"])


def test_what_was_written_compares_equal_however_defaults_were_spelt(tmp_path: pathlib.Path) -> None:
    (short,) = read(tmp_path, f"{HEAD}metadata: {{name: a}}\nspec: {{allPods: true}}")
    spelt = f"{HEAD}metadata: {{name: a, namespace: default}}\nspec: {{allPods: true, priority: 10, suspended: false}}"
    (long,) = read(tmp_path, spelt)
    assert manifests.written(short) == manifests.written(long)


def test_what_is_written_out_reads_back_without_what_the_manager_makes(
    tmp_path: pathlib.Path,
) -> None:
    (complete,) = read(tmp_path, COMPLETE)
    (plain,) = read(tmp_path, f"{HEAD}metadata: {{name: plain}}\nspec: {{allPods: true, priority: 0}}")
    stored = strategy_pb2.ScheduleStrategy(id="1", etag="e", matched_pods=3, apply_set="git", warnings=["odd"])
    stored.MergeFrom(complete)
    back = read(tmp_path, manifests.dump([stored, plain]))
    assert [manifests.written(one) for one in back] == [manifests.written(complete), manifests.written(plain)]
    assert list(yaml.safe_load_all(manifests.dump([plain]))) == [
        {
            "apiVersion": "gthulhu.io/v1",
            "kind": "SchedulingStrategy",
            "metadata": {"name": "plain", "namespace": "default"},
            "spec": {"allPods": True, "priority": 0},
        }
    ]


def test_one_name_cannot_be_written_twice(tmp_path: pathlib.Path) -> None:
    text = f"{HEAD}metadata: {{name: a}}\nspec: {{allPods: true}}\n"
    with pytest.raises(errors.InvalidInputError, match="default/a is written 2 times"):
        read(tmp_path, f"{text}---\n{text}")
