"""Whose service-account token is taken, and for which node: asked of an API that speaks as Kubernetes does."""

import contextlib
import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import errors
from gthulhu.manager.inventory import api
from gthulhu.manager.services import token_review
from tests.integration.identity.rig import Cluster, PodToken
from tests.integration.inventory.apiserver import a_pod


@contextlib.asynccontextmanager
async def reviewing(folder: pathlib.Path, cluster: Cluster) -> AsyncIterator[token_review.TokenReview]:
    async with cluster.running(folder) as kubeconfig:
        yield token_review.TokenReview(
            connect=api.from_file(kubeconfig), service_account="gthulhu-system/gthulhu-agent"
        )


async def test_a_token_of_an_agents_pod_proves_the_node_in_it(tmp_path: pathlib.Path) -> None:
    cluster = Cluster()
    cluster.tokens["t"] = PodToken(node="node-7")
    async with reviewing(tmp_path, cluster) as review:
        assert await review.node_of("t") == "node-7"
    assert [one["spec"] for one in cluster.reviews] == [{"token": "t", "audiences": ["gthulhu-manager"]}]


async def test_in_older_clusters_the_pod_says_where_it_runs(tmp_path: pathlib.Path) -> None:
    cluster = Cluster()
    cluster.tokens["t"] = PodToken(node="")
    async with reviewing(tmp_path, cluster) as review:
        cluster.pods["gthulhu-agent-x7k2p"] = a_pod("gthulhu-agent-x7k2p", node="node-8")
        assert await review.node_of("t") == "node-8"
        cluster.pods["gthulhu-agent-x7k2p"] = a_pod("gthulhu-agent-x7k2p", node="node-8", uid="of-its-successor")
        await refused(review, "t")
        cluster.pods["gthulhu-agent-x7k2p"] = a_pod("gthulhu-agent-x7k2p")
        del cluster.pods["gthulhu-agent-x7k2p"]["spec"]["nodeName"]
        await refused(review, "t")
        del cluster.pods["gthulhu-agent-x7k2p"]
        await refused(review, "t")


@pytest.mark.parametrize(
    "token",
    [
        PodToken(audiences=("https://kubernetes.default.svc.cluster.local",)),
        PodToken(username="system:serviceaccount:gthulhu-system:default"),
        PodToken(username="system:serviceaccount:team-a:gthulhu-agent"),
        PodToken(username="system:node:node-1"),
        PodToken(expired=True),
        PodToken(node="", pod=""),
    ],
    ids=["other audience", "other account", "other namespace", "no account", "expired", "of no pod"],
)
async def test_what_is_not_of_an_agents_pod_is_refused(tmp_path: pathlib.Path, token: PodToken) -> None:
    cluster = Cluster()
    cluster.tokens["t"] = token
    async with reviewing(tmp_path, cluster) as review:
        await refused(review, "t")
        await refused(review, "unknown")


async def test_a_server_that_does_not_check_audiences_proves_nothing(tmp_path: pathlib.Path) -> None:
    cluster = Cluster()
    cluster.knows_audiences = False
    cluster.tokens["t"] = PodToken()
    async with reviewing(tmp_path, cluster) as review:
        await refused(review, "t")


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_trouble_with_the_cluster_is_no_verdict(tmp_path: pathlib.Path, status: int) -> None:
    cluster = Cluster()
    cluster.broken = status
    async with reviewing(tmp_path, cluster) as review:
        with pytest.raises(errors.UnavailableError) as raised:
            await review.node_of("t")
    assert raised.value.reason == "KUBERNETES_UNAVAILABLE"
    with pytest.raises(errors.UnavailableError):  # and now it is not there at all
        await review.node_of("t")


async def refused(review: token_review.TokenReview, token: str) -> None:
    with pytest.raises(errors.UnauthenticatedError) as raised:
        await review.node_of(token)
    assert raised.value.reason == "SERVICE_ACCOUNT_TOKEN_INVALID"
