"""Intents over a real gRPC server: what they are, how far they have come, and how they change."""

import asyncio
import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator

import grpc
import pytest

from gthulhu.common.identity import tokens
from gthulhu.manager.domain import intent
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.store import base
from gthulhu.v1 import intent_pb2 as pb
from gthulhu.v1 import strategy_pb2
from tests.unit.manager.services import served

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
PODS = tuple(
    Pod(uid=f"u{name}", name=name, namespace=namespace, node=node, labels={"app": "web"})
    for name, namespace, node in (("w1", "prod", "a"), ("w2", "prod", "b"), ("w3", "dev", "a"), ("w4", "dev", ""))
)


@pytest.fixture
async def it(tmp_path: pathlib.Path, keys: tokens.KeyRing) -> AsyncIterator[served.Served]:
    async with served.serve(tmp_path, keys, *PODS) as running:
        yield running


async def create(it: served.Served, name: str = "web", user: str = "admin", **fields: object) -> str:
    made = await it.strategies.CreateStrategy(
        strategy_pb2.CreateStrategyRequest(
            strategy=strategy_pb2.ScheduleStrategy(
                **({"name": name, "label_selectors": [strategy_pb2.LabelSelector(key="app")]} | fields)
            )
        ),
        **it.as_user(user),
    )
    return made.id


async def report(it: served.Served, node: str, **fields: object) -> None:
    """Report on all intents of a node, as the replica that holds its session does."""
    session = next(one for one in await it.store.list_sessions() if one.node == node)
    reports = tuple(
        intent.Report(intent_id=one.id, version=one.version, node=node, reported_at=NOW, enforcer="stock", **fields)
        for one in it.world.intents_of(node).values()
    )
    assert not await it.store.save_sessions([base.SessionUpdate(session=session, reports=reports)])


async def listed(it: served.Served, user: str = "admin", **filters: object) -> list[str]:
    answer = await it.intents.ListIntents(pb.ListIntentsRequest(**filters), **it.as_user(user))
    return [one.pod_name for one in answer.intents]


async def test_one_for_each_pod_with_its_state(it: served.Served) -> None:
    strategy_id = await create(it, priority=3, execution_time=1_000_000, command_regex="web")
    await it.connect("a")
    await report(it, "a", processes=2, threads=5, limits=("LIMITED_BY_QOS",))
    answer = await it.intents.ListIntents(pb.ListIntentsRequest(), **it.as_user("admin"))
    assert [(one.k8s_namespace, one.pod_name, one.state, one.state_reason) for one in answer.intents] == [
        ("dev", "w3", pb.ScheduleIntent.APPLIED, ""),
        ("dev", "w4", pb.ScheduleIntent.PENDING, "NODE_NOT_ASSIGNED"),
        ("prod", "w1", pb.ScheduleIntent.APPLIED, ""),
        ("prod", "w2", pb.ScheduleIntent.PENDING, "AGENT_DISCONNECTED"),
    ]
    assert dict(answer.state_counts) == {"APPLIED": 2, "PENDING": 2}
    first = answer.intents[0]
    assert (first.strategy_id, first.pod_id, first.node_id) == (strategy_id, "uw3", "a")
    assert (first.priority, first.execution_time, first.command_regex) == (3, 1_000_000, "web")
    assert dict(first.pod_labels) == {"app": "web"}
    assert (first.applied_processes, first.applied_threads, first.enforcer) == (2, 5, "stock")
    assert list(first.limits) == ["LIMITED_BY_QOS"]
    assert first.update_time.ToDatetime(tzinfo=datetime.UTC) == NOW


async def test_a_report_on_an_earlier_version_counts_for_nothing(it: served.Served) -> None:
    strategy_id = await create(it)
    await it.connect("a", behind_since=NOW)
    await report(it, "a", processes=1)
    request = strategy_pb2.UpdateStrategyRequest(strategy_id=strategy_id, all_pods=True, priority=1)
    await it.strategies.UpdateStrategy(request, **it.as_user("admin"))
    answer = await it.intents.ListIntents(pb.ListIntentsRequest(node="a"), **it.as_user("admin"))
    assert {one.state for one in answer.intents} == {pb.ScheduleIntent.SENT}


async def test_filters(it: served.Served) -> None:
    web, other = await create(it), await create(it, "other", k8s_namespace=["dev"])
    await it.connect("a")
    await report(it, "a", superseded_by=web)
    assert await listed(it, node="b") == ["w2"]
    assert await listed(it, namespace="dev", strategy=web) == ["w3", "w4"]
    assert await listed(it, strategy=other) == ["w3", "w4"]
    assert await listed(it, pod="w1") == await listed(it, pod="uw1") == ["w1"]
    assert await listed(it, pod="w1", namespace="prod") == ["w1"]
    assert await listed(it, pod="w1", namespace="dev") == []
    assert await listed(it, state=pb.ScheduleIntent.SUPERSEDED) == ["w3", "w3", "w1"]
    assert await listed(it, node="nowhere") == []


async def test_pages(it: served.Served) -> None:
    await create(it)
    names, token = [], ""
    for _ in range(2):
        answer = await it.intents.ListIntents(
            pb.ListIntentsRequest(page_size=2, page_token=token), **it.as_user("admin")
        )
        names.append([one.pod_name for one in answer.intents])
        token = answer.next_page_token
        assert dict(answer.state_counts) == {"PENDING": 4}
    assert (names, token) == ([["w3", "w4"], ["w1", "w2"]], "")


async def test_roles_limit_what_is_seen(it: served.Served) -> None:
    await create(it)
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    await it.add_user("zoo", *served.everything(policy_namespace="zoo"))
    assert await listed(it, "dev") == ["w3", "w4"]
    assert await listed(it, "zoo") == []
    await create(it, "own", "dev")
    own = await it.intents.ListOwnIntents(pb.ListOwnIntentsRequest(), **it.as_user("dev"))
    assert [one.pod_name for one in own.intents] == ["w3", "w4"]


async def test_a_finished_pod_has_none(it: served.Served) -> None:
    await create(it)
    it.inventory.change(pods=(dataclasses.replace(PODS[0], finished=True),), removed_pods=("uw2",))
    assert await it.world.wait_for(inventory_version=2, timeout=5)
    assert await listed(it) == ["w3", "w4"]


class Watching:
    """A watch, read event by event."""

    def __init__(self, it: served.Served, user: str = "admin", *, rest: bool = False, **filters: str) -> None:
        arguments = it.as_user(user) | {"timeout": 30}
        if rest:
            arguments["metadata"] = (*arguments["metadata"], ("x-rest-stream", "true"))
        self.call = it.intents.WatchIntents(pb.WatchIntentsRequest(**filters), **arguments)
        self.cursor = ""

    async def next(self) -> pb.WatchIntentsResponse:
        async with asyncio.timeout(10):
            event = await self.call.read()
        if event is grpc.aio.EOF:
            raise AssertionError(await self.call.details())
        self.cursor = event.cursor or self.cursor
        return event

    async def until_synced(self) -> list[str]:
        names = []
        while not (event := await self.next()).synced:
            names.append(event.updated.pod_name or event.removed_id)
        return sorted(names)

    async def names(self, count: int) -> list[tuple[str, int]]:
        """Return pod (or id of what is removed) and state of the next events, sorted."""
        events = [await self.next() for _ in range(count)]
        return sorted((one.updated.pod_name or one.removed_id, one.updated.state) for one in events)


async def test_a_watch_sends_what_there_is_and_then_what_changes(it: served.Served) -> None:
    strategy_id = await create(it, k8s_namespace=["prod"])
    watch = Watching(it, namespace="prod")
    assert await watch.until_synced() == ["w1", "w2"]
    await it.connect("a")
    await report(it, "a", processes=1)
    assert await watch.names(1) == [("w1", pb.ScheduleIntent.APPLIED)]
    ids = sorted(one.id for node in ("a", "b") for one in it.world.intents_of(node).values())
    await it.strategies.DeleteStrategy(
        strategy_pb2.DeleteStrategyRequest(strategy_id=strategy_id), **it.as_user("admin")
    )
    assert await watch.names(2) == [(one, 0) for one in ids]
    watch.call.cancel()


async def test_a_watch_resumes_where_it_was(it: served.Served) -> None:
    await create(it)
    watch = Watching(it)
    assert await watch.until_synced() == ["w1", "w2", "w3", "w4"]
    watch.call.cancel()
    it.inventory.change(pods=(Pod(uid="u5", name="w5", namespace="prod", node="a", labels={"app": "x"}),))
    assert await it.world.wait_for(inventory_version=2, timeout=5)
    assert await Watching(it, since=watch.cursor).until_synced() == ["w5"]
    assert await Watching(it, since="elsewhere-7").until_synced() == ["w1", "w2", "w3", "w4", "w5"]


async def test_a_watch_ends_when_what_may_be_seen_changes(it: served.Served) -> None:
    await create(it)
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    watch = Watching(it, "dev")
    assert await watch.until_synced() == ["w3", "w4"]
    await it.set_policies("dev", *served.everything(k8s_namespace="prod"))
    async with served.refused(grpc.StatusCode.UNAVAILABLE, "PERMISSIONS_CHANGED"):
        await watch.next()
    watch = Watching(it, "dev")
    assert await watch.until_synced() == ["w1", "w2"]
    await it.set_policies("dev", served.policy("metrics.read"))
    async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"):
        await watch.next()


async def test_over_rest_the_last_event_tells_why_a_watch_ends(it: served.Served) -> None:
    await create(it)
    await it.add_user("dev", *served.everything(k8s_namespace="dev"))
    watch = Watching(it, "dev", rest=True)
    assert await watch.until_synced() == ["w3", "w4"]
    await it.set_policies("dev", *served.everything(k8s_namespace="prod"))
    assert (await watch.next()).error.code == "PERMISSIONS_CHANGED"
    async with served.refused(grpc.StatusCode.UNAVAILABLE, "PERMISSIONS_CHANGED"):
        await watch.next()
    watch = Watching(it, "dev", rest=True)
    await watch.until_synced()
    await it.set_policies("dev", served.policy("metrics.read"))
    error = (await watch.next()).error
    assert (error.code, error.text) == ("PERMISSION_DENIED", "this needs the permission schedule_intent.read")
    async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"):
        await watch.next()
    refused = Watching(it, "dev", rest=True)
    async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"):
        await refused.next()
