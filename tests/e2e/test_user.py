"""The `gthulhu` command as a user types it, over native gRPC through a real Envoy."""

import json
import pathlib

import grpc
import pytest
from grpc_reflection.v1alpha import proto_reflection_descriptor_database as reflection

from .conftest import NODE, Command, Installation

STRATEGIES = """\
apiVersion: gthulhu.io/v1
kind: SchedulingStrategy
metadata: {name: web-first}
spec:
  labelSelectors: [{key: app, value: web}]
  priority: 3
  executionTime: 20000000
---
apiVersion: gthulhu.io/v1
kind: SchedulingStrategy
metadata: {name: nothing-yet}
spec:
  labelSelectors: [{key: app, value: none}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the user's folder, with manifests."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "strategies.yaml").write_text(STRATEGIES)
    (folder / "wrong.yaml").write_text(STRATEGIES.replace("labelSelectors", "labelSelector"))
    (folder / "out-of-range.yaml").write_text(STRATEGIES.replace("priority: 3", "priority: 33"))
    return folder


def test_strategies_are_applied_shown_and_deleted(gthulhu: Command, installation: Installation) -> None:
    before = installation.untouched
    preview = gthulhu("preview", "-f", "strategies.yaml").stdout
    assert f"web-first would select 1 pod\n  {NODE}  demo/web\n" in preview
    assert "nothing-yet would select no pods" in preview

    assert "default/web-first created, selects 1 pod\n" in gthulhu("apply", "-f", "strategies.yaml").stdout
    assert "default/web-first unchanged" in gthulhu("apply", "-f", "strategies.yaml").stdout
    shown = json.loads(gthulhu("get", "strategies", "-o", "json").stdout)
    assert [(one["name"], one["matchedPods"], one["executionTime"]) for one in shown] == [
        ("nothing-yet", 0, 0),
        ("web-first", 1, 20_000_000),
    ]
    installation.wait(
        lambda: "APPLIED" in gthulhu("get", "intents", "--strategy", "web-first").stdout, "the intent was not applied"
    )
    status = gthulhu("status").stdout
    assert "strategies  2 (2 ACTIVE)" in status
    assert "intents     1 (1 APPLIED)" in status
    assert "1 SYNCED" in status

    assert gthulhu("delete", "-f", "strategies.yaml").stdout.count("deleted") == 2
    assert gthulhu("get", "strategies").stdout == "no strategies\n"
    installation.wait(lambda: installation.weights() == before, "the weights were not put back")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("apply", "-f", "wrong.yaml"), "did you mean labelSelectors?"),
        (("apply", "-f", "out-of-range.yaml"), "33 is not allowed"),
        (("apply", "-f", "missing.yaml"), "missing.yaml"),
        (("delete", "no-such-strategy"), "STRATEGY_NOT_FOUND"),
    ],
)
def test_what_is_wrong_is_one_clear_line(gthulhu: Command, arguments: tuple[str, ...], says: str) -> None:
    done = gthulhu(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("gthulhu: ")
    assert done.stderr.count("\n") == 1


def test_the_services_can_be_listed_by_reflection(installation: Installation) -> None:
    with grpc.insecure_channel(installation.plan.listen) as channel:
        services = set(reflection.ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"gthulhu.v1.AuthService", "gthulhu.v1.StrategyService", "gthulhu.v1.IntentService"} <= services
