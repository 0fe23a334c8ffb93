"""What the informer shows of any cluster: of the double always, of a real API server where there is one."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gthulhu.manager.domain import pod as pods
from tests.integration.inventory import clusters
from tests.integration.inventory.test_kubernetes import Seen, followed


@pytest.fixture(params=clusters.KINDS)
async def cluster(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[clusters.Cluster]:
    async with clusters.running(request.param, tmp_path) as made:
        await made.put_node("node-1")
        yield made


def named(seen: Seen, name: str) -> pods.Pod | None:
    """Return the pod that has the name."""
    return next((one for one in seen.pods.values() if one.name == name), None)


async def test_everything_is_there_at_first_however_many_pages_it_takes(cluster: clusters.Cluster) -> None:
    for number in range(7):
        await cluster.put_pod(f"web-{number}", labels={"app": "web"}, node="node-1")
    async with followed(cluster.connect(), page=3) as seen:
        await seen.until(lambda one: len(one.pods) == 7)
        assert seen.changes[0].complete
        assert set(seen.nodes) == {"node-1"}
        assert seen.nodes["node-1"].ready
        its = named(seen, "web-3")
        assert its is not None
        assert (its.namespace, its.node, dict(its.labels)) == ("default", "node-1", {"app": "web"})


async def test_the_life_of_a_pod(cluster: clusters.Cluster) -> None:
    async with followed(cluster.connect()) as seen:
        await cluster.put_pod("web", labels={"app": "web"}, phase="Pending")
        await seen.until(lambda one: (its := named(one, "web")) is not None and not its.node)
        await cluster.put_pod("web", labels={"app": "web"}, node="node-1")
        await seen.until(lambda one: named(one, "web").node == "node-1")
        await cluster.put_pod("web", labels={"example.com/Tier_x.y": "V1.2_b-c", "empty": ""}, node="node-1")
        await seen.until(lambda one: named(one, "web").labels == {"example.com/Tier_x.y": "V1.2_b-c", "empty": ""})
        await cluster.put_pod("web", labels={}, node="node-1", phase="Succeeded")
        await seen.until(lambda one: named(one, "web").finished)
        before = named(seen, "web").uid
        await cluster.delete_pod("web")
        await seen.until(lambda one: named(one, "web") is None)
        await cluster.put_pod("web", labels={}, node="node-1")
        await seen.until(lambda one: (its := named(one, "web")) is not None and its.uid != before)


operations = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 4), st.sampled_from(["a", "b", ""])),
    st.tuples(st.just("delete"), st.integers(0, 4), st.just("")),
)


@pytest.mark.timeout(600)  # a real server is started anew for each example
@pytest.mark.parametrize("kind", clusters.KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.lists(operations, max_size=10), min_size=1, max_size=3))
def test_after_any_changes_it_shows_what_the_cluster_holds(
    kind: str, steps: list[list[tuple[str, int, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def run() -> None:
        expected: dict[str, dict[str, str]] = {}
        async with (
            clusters.running(kind, tmp_path_factory.mktemp(kind)) as cluster,
            followed(cluster.connect(), page=2) as seen,
        ):
            for some in steps:
                for what, number, label in some:
                    name = f"p{number}"
                    if what == "put":
                        await cluster.put_pod(name, labels={"l": label})
                        expected[name] = {"l": label}
                    elif expected.pop(name, None) is not None:
                        await cluster.delete_pod(name)
                await seen.until(lambda one: {its.name: dict(its.labels) for its in one.pods.values()} == expected)

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(run())
