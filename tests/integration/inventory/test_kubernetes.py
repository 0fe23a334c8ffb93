"""The informer against a double of the API server: whatever goes wrong, in the end it shows what the server holds."""

import asyncio
import contextlib
import datetime
import pathlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.aio.client import api_client

from gthulhu.common import clock as clocks
from gthulhu.common.identity import pki
from gthulhu.manager.domain import pod as pods
from gthulhu.manager.inventory import api, base, kubernetes
from tests.integration.inventory.apiserver import ApiServer, Fault, a_node, a_pod
from tests.integration.inventory.clusters import connecting

LIMIT = 10.0
_SPEED = 100


class QuickClock:
    """A second of waiting takes 10 ms: back-off is real, and soon over."""

    def now(self) -> datetime.datetime:
        return clocks.SystemClock().now()

    def monotonic(self) -> float:
        return clocks.SystemClock().monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / _SPEED)


class Seen:
    """What a consumer of the inventory knows, by applying its changes."""

    def __init__(self) -> None:
        self.pods: dict[str, pods.Pod] = {}
        self.nodes: dict[str, pods.Node] = {}
        self.changes: list[base.InventoryChange] = []
        self._news = asyncio.Event()

    async def follow(self, inventory: base.Inventory) -> None:
        async for change in inventory.watch():
            if change.complete:
                self.pods.clear()
                self.nodes.clear()
            self.pods |= {one.uid: one for one in change.pods}
            self.nodes |= {one.name: one for one in change.nodes}
            for uid in change.removed_pods:
                self.pods.pop(uid, None)
            for name in change.removed_nodes:
                self.nodes.pop(name, None)
            self.changes.append(change)
            self._news.set()

    async def until(self, condition: Callable[["Seen"], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    def is_as(self, server: ApiServer) -> bool:
        labels = {uid: item["metadata"]["labels"] for uid, item in server.objects["pods"].items()}
        return {
            uid: dict(one.labels) for uid, one in self.pods.items()
        } == labels and self.nodes.keys() == server.objects["nodes"].keys()


@contextlib.asynccontextmanager
async def followed(connect: Callable[[], Awaitable[api_client.ApiClient]], *, page: int = 500) -> AsyncIterator[Seen]:
    inventory = kubernetes.KubernetesInventory(
        server=api.Api(connect), source="kubernetes:test", clock=QuickClock(), page=page
    )
    seen = Seen()
    following = asyncio.create_task(seen.follow(inventory))
    try:
        yield seen
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    made = ApiServer()
    await made.put("nodes", "node-1", a_node("node-1"))
    for number in range(5):
        await made.put("pods", f"uid-web-{number}", a_pod(f"web-{number}", labels={"app": "web"}))
    async with made.running():
        yield made


@pytest.fixture
async def seen(server: ApiServer) -> AsyncIterator[Seen]:
    async with followed(connecting(server.url), page=2) as following:
        await following.until(lambda one: one.is_as(server))
        async with asyncio.timeout(LIMIT):
            await server.watched()
        yield following


async def test_the_first_change_is_complete_and_read_page_by_page(server: ApiServer, seen: Seen) -> None:
    assert seen.changes[0].complete
    assert len(seen.changes[0].pods) == 5
    assert server.pages.count(2) == 2
    assert seen.pods["uid-web-0"] == pods.Pod(
        uid="uid-web-0", name="web-0", namespace="default", node="node-1", labels={"app": "web"}
    )


async def test_what_happens_to_a_pod_is_told_as_it_happens(server: ApiServer, seen: Seen) -> None:
    await server.put("pods", "u", a_pod("new", uid="u", node=""))
    await seen.until(lambda one: "u" in one.pods and not one.pods["u"].node)
    await server.put("pods", "u", a_pod("new", uid="u", node="node-1"))
    await seen.until(lambda one: one.pods["u"].node == "node-1")
    await server.put("pods", "u", a_pod("new", uid="u", phase="Succeeded"))
    await seen.until(lambda one: one.pods["u"].finished)
    await server.delete("pods", "u")
    await seen.until(lambda one: "u" not in one.pods)
    await server.put("nodes", "node-1", a_node("node-1", ready=False))
    await seen.until(lambda one: not one.nodes["node-1"].ready)
    assert server.lists == 2  # one for each resource: all else came by the watches


async def test_an_update_of_what_nobody_needs_is_no_change_of_pods(server: ApiServer, seen: Seen) -> None:
    before = len(seen.changes)
    changed = a_pod("web-0", labels={"app": "web"})
    changed["status"]["message"] = "something new"
    await server.put("pods", "uid-web-0", changed)
    await seen.until(lambda one: len(one.changes) > before)
    assert seen.changes[-1].pods == ()


async def test_a_bookmark_tells_how_far_it_is_and_a_watch_goes_on_from_there(server: ApiServer, seen: Seen) -> None:
    version = seen.changes[-1].version
    await server.bookmark()
    await seen.until(lambda one: one.changes[-1].seen == server.version)
    assert seen.changes[-1].version == version
    await server.forget()  # everything before the bookmark
    await server.cut()
    await server.put("pods", "u", a_pod("new", uid="u"))
    await seen.until(lambda one: one.is_as(server))
    assert server.lists == 2


@pytest.mark.parametrize("fault", [Fault.GONE_EVENT, Fault.GONE_STATUS])
async def test_a_version_that_is_gone_means_to_list_again_and_the_last_view_stays_meanwhile(
    server: ApiServer, seen: Seen, fault: Fault
) -> None:
    lists = server.lists
    if fault is Fault.GONE_EVENT:
        await server.fail(fault)
    else:
        await server.put("pods", "u", a_pod("new", uid="u"))
        await server.forget()
        server.faults.extend([fault])
        await server.cut()
    await server.delete("pods", "uid-web-1")
    await seen.until(lambda one: server.lists > lists and one.is_as(server))
    assert seen.changes[-1].complete or any(one.complete for one in seen.changes[1:])
    assert all(one.pods for one in seen.changes if one.complete)


@pytest.mark.parametrize(
    "fault", [Fault.CUT, Fault.CUT_IN_EVENT, Fault.DUPLICATES, Fault.THROTTLED, Fault.UNAVAILABLE, Fault.GARBAGE]
)
async def test_a_watch_that_breaks_goes_on_where_it_was_without_listing_again(
    server: ApiServer, seen: Seen, fault: Fault
) -> None:
    server.faults.append(fault)
    if fault in (Fault.THROTTLED, Fault.UNAVAILABLE):
        await server.cut()
    await server.put("pods", "u", a_pod("new", uid="u"))
    await server.put("pods", "uid-web-0", a_pod("web-0", labels={"app": "api"}))
    await server.delete("pods", "uid-web-1")
    await seen.until(lambda one: one.is_as(server))
    assert server.lists == 2
    assert sum(one.complete for one in seen.changes) == 1


async def test_a_continue_token_that_has_expired_means_to_begin_the_list_again(server: ApiServer) -> None:
    server.faults.append(Fault.EXPIRED_CONTINUE)
    async with followed(connecting(server.url), page=2) as seen:
        await seen.until(lambda one: one.is_as(server))
    assert seen.changes[0].complete
    assert len(seen.changes[0].pods) == 5


async def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    server = ApiServer()
    server.faults.extend([Fault.UNAVAILABLE, Fault.THROTTLED, Fault.UNAVAILABLE])
    await server.put("pods", "u", a_pod("web", uid="u"))
    async with server.running() as url, followed(connecting(url)) as seen:
        await seen.until(lambda one: one.is_as(server))


async def test_over_tls_with_a_token_as_a_kubeconfig_says(tmp_path: pathlib.Path) -> None:
    authority = pki.Authority.create(tmp_path / "ca", trust_domain="gthulhu.local")
    authority.issue("manager", tmp_path / "server")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "server" / "manager.crt", tmp_path / "server" / "manager.key")
    server = ApiServer()
    server.token = "made-up"
    await server.put("pods", "u", a_pod("web", uid="u"))
    async with server.running(tls=tls) as url:
        path = tmp_path / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [
                        {"name": "c", "cluster": {"server": url, "certificate-authority": str(tmp_path / "ca/ca.crt")}}
                    ],
                    "users": [{"name": "u", "user": {"token": "made-up"}}],
                }
            )
        )
        async with followed(api.from_file(path)) as seen:
            await seen.until(lambda one: one.is_as(server))


operations = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 5), st.sampled_from(["a", "b"])),
    st.tuples(st.just("delete"), st.integers(0, 5), st.just("")),
    st.tuples(st.just("fault"), st.sampled_from(list(Fault)), st.just("")),
    st.tuples(st.sampled_from(["cut", "forget", "bookmark", "breathe"]), st.just(0), st.just("")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, max_size=25))
def test_after_any_sequence_of_changes_and_faults_it_shows_what_the_server_holds(
    steps: list[tuple[str, int | Fault, str]],
) -> None:
    async def run() -> None:
        server = ApiServer()
        await server.put("nodes", "node-1", a_node("node-1"))
        async with server.running() as url, followed(connecting(url), page=2) as seen:
            for step in steps:
                match step:
                    case ("put", int(number), label):
                        await server.put(
                            "pods", f"u{number}", a_pod(f"p{number}", uid=f"u{number}", labels={"l": label})
                        )
                    case ("delete", int(number), _):
                        await server.delete("pods", f"u{number}")
                    case ("fault", Fault() as fault, _):
                        await server.fail(fault)
                    case ("cut", _, _):
                        await server.cut()
                    case ("forget", _, _):
                        await server.forget()
                    case ("bookmark", _, _):
                        await server.bookmark()
                    case _:
                        await asyncio.sleep(0.002)  # let some of it be seen
            await server.put("pods", "last", a_pod("last", uid="last", labels={"l": "last"}))
            await seen.until(lambda one: one.is_as(server))
            versions = [one.version for one in seen.changes]
            assert versions == sorted(versions)
            assert seen.changes[0].complete

    asyncio.run(run())
