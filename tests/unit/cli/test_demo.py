"""The parts of the demo that need no kernel."""

import json
import pathlib

import pytest
import yaml

from gthulhu.agent.discovery import paths
from gthulhu.cli.demo import cgroups, show, workload

GOOD = show.Result(before=50.0, during=87.46, after=49.9, enforcer="stock", strategy_to_kernel_ms=81.27)


def test_a_result_is_one_line_of_json() -> None:
    assert json.loads(GOOD.line()) == {
        "before": 50.0,
        "during": 87.5,
        "after": 49.9,
        "enforcer": "stock",
        "strategy_to_kernel_ms": 81.3,
    }


@pytest.mark.parametrize(
    ("shares", "missing"),
    [
        ((50, 87, 50), []),
        ((61, 87, 50), ["before"]),
        ((50, 79.9, 50), ["during"]),
        ((39, 50, 88), ["before", "after", "during"]),
    ],
)
def test_what_was_not_seen_is_named(shares: tuple[float, float, float], missing: list[str]) -> None:
    before, during, after = shares
    result = show.Result(before=before, during=during, after=after, enforcer="stock", strategy_to_kernel_ms=1.0)
    assert [line.split()[0] for line in result.missing()] == missing


def test_shares_are_parts_of_what_all_of_them_ran() -> None:
    first, second = show.shares([workload.Usage(3_000_000, 500_000), workload.Usage(1_000_000, 1_500_000)], seconds=0.5)
    assert (first.percent, second.percent) == (75, 25)
    assert (first.wait_ms_per_s, second.wait_ms_per_s) == (1, 3)


def test_cgroups_are_laid_out_as_a_kubelet_does_and_removed(tmp_path: pathlib.Path) -> None:
    uid, container = "0daba9d1-2aba-4b2f-b1de-2d4d0e77ab23", "ab" * 32
    hierarchy = cgroups.simulated(tmp_path)
    with cgroups.PodTree(hierarchy=hierarchy, real=False) as tree:
        tree.add(uid=uid, container=container, pid=1)
        (scope,) = tree.pod(uid).glob("*.scope")
        found = paths.parse(str(scope.relative_to(hierarchy.root)))
        assert found
        assert (found.pod_uid, found.container_id, found.qos) == (uid, container, "Guaranteed")
        assert (scope / "cgroup.procs").read_text() == "1\n"
        assert tree.weight(uid) == 1024
    assert [path.name for path in hierarchy.root.iterdir() if path.is_dir()] == []


def test_what_a_killed_demo_has_left_is_removed_by_the_next(tmp_path: pathlib.Path) -> None:
    hierarchy = cgroups.simulated(tmp_path)
    abandoned = hierarchy.root / f"{cgroups.PREFIX}999999999"
    (abandoned / "kubepods.slice").mkdir(parents=True)
    with cgroups.PodTree(hierarchy=hierarchy, real=False):
        assert not abandoned.exists()


def test_the_inventory_names_the_pods() -> None:
    pod = workload.DemoPod(name="web", uid="u-1", container="c", pid=1)
    content = yaml.safe_load(workload.inventory("n", (pod,)))
    assert content["nodes"] == [{"name": "n"}]
    assert content["pods"][0]["labels"] == {"app": "web", "part-of": "gthulhu-demo"}
