"""Agents' sessions with a real manager: what has changed is sent, whole or not at all, to the one who may have it."""

import asyncio
import datetime
from collections.abc import AsyncIterator

import grpc
import pytest

from gthulhu.common import clock as clocks
from gthulhu.manager import app
from gthulhu.manager import config as configs
from tests.integration.manager.rig import (
    LIMIT,
    Installation,
    Request,
    add_admin,
    delete_strategy,
    put_strategy,
    until,
)


@pytest.fixture
async def manager(installation: Installation) -> AsyncIterator[app.Manager]:
    async with app.build_manager(installation.config()) as started:
        await add_admin(started.parts.store)
        yield started


async def ending(reader: "asyncio.Task[None]") -> grpc.aio.AioRpcError:
    """Return the status that the stream ends with."""
    async with asyncio.timeout(LIMIT):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await reader
    return ended.value


async def test_a_strategy_and_a_pod_meet_on_the_agent_and_leave_it_again(
    installation: Installation, manager: app.Manager
) -> None:
    agent = installation.agent(manager)
    async with agent.connected():
        installation.set_pods("web-1", "web-2")
        await put_strategy(manager.parts.store)
        await until(lambda: agent.names == {"web-1", "web-2"})
        assert {one.priority for one in agent.held.values()} == {3}
        assert {one.labels["app"] for one in agent.held.values()} == {"web"}
        installation.set_pods("web-2")
        await until(lambda: agent.names == {"web-2"})
        await delete_strategy(manager.parts.store)
        await until(lambda: not agent.held)


async def test_pods_of_other_nodes_are_not_sent(installation: Installation, manager: app.Manager) -> None:
    installation.set_pods("web-1", node="node-2")
    await put_strategy(manager.parts.store)
    here, there = installation.agent(manager), installation.agent(manager, node="node-2")
    async with here.connected(), there.connected():
        await until(lambda: there.names == {"web-1"})
        assert here.deltas == []


async def test_resuming_sends_nothing_when_nothing_has_changed_and_else_only_what_has(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1", "web-2")
    await put_strategy(manager.parts.store)
    agent = installation.agent(manager)
    async with agent.connected():
        await until(lambda: len(agent.held) == 2)
    agent.deltas.clear()
    async with agent.connected():
        await until(lambda: len(manager.parts.sessions) == 1 and not len(manager.parts.sessions.convergence))
        assert agent.deltas == []
    installation.set_pods("web-1", "web-2", "web-3")
    async with agent.connected():
        await until(lambda: len(agent.held) == 3)
        assert [one.pod_name for part in agent.deltas[0] for one in part.set] == ["web-3"]


async def test_resuming_with_another_manager_of_the_same_store_sends_nothing_either(
    installation: Installation,
) -> None:
    installation.set_pods("web-1")
    async with app.build_manager(installation.config()) as first:
        await add_admin(first.parts.store)
        await put_strategy(first.parts.store)
        agent = installation.agent(first)
        async with agent.connected():
            await until(lambda: len(agent.held) == 1)
    agent.deltas.clear()
    async with app.build_manager(installation.config()) as second:
        again = installation.agent(second)
        again.held, again.revisions = agent.held, agent.revisions
        async with again.connected():
            await until(lambda: len(second.parts.sessions) == 1 and not len(second.parts.sessions.convergence))
            assert again.deltas == []


async def test_a_large_delta_comes_in_chunks_of_at_most_64_kib(
    installation: Installation, manager: app.Manager
) -> None:
    names = [f"web-{number}" for number in range(600)]
    installation.set_pods(*names, labels={"app": "web", "filler": "x" * 300})
    await put_strategy(manager.parts.store)
    agent = installation.agent(manager)
    async with agent.connected():
        await until(lambda: len(agent.held) == 600)
    whole = max(agent.deltas, key=len)
    assert len(whole) > 3
    assert [part.chunk for part in whole] == list(range(1, len(whole) + 1))
    assert {(part.nonce, part.chunks) for part in whole} == {(whole[0].nonce, len(whole))}
    assert all(part.ByteSize() <= 64 * 1024 for part in whole)


async def test_a_slow_agent_gets_the_newest_state_not_every_state(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1")
    store = manager.parts.store
    await put_strategy(store, priority=1)
    agent = installation.agent(manager)
    agent.answering.clear()
    async with agent.connected():
        await until(lambda: len(agent.deltas) == 1)
        for priority in (2, 3, 4, 5):
            await put_strategy(store, priority=priority)
            assert await manager.parts.world.wait_for(await store.revision(), timeout=LIMIT)
        agent.answering.set()
        await until(lambda: [one.priority for one in agent.held.values()] == [5])
        assert len(agent.deltas) == 2


async def test_a_rejected_intent_is_not_sent_again_until_it_changes(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1", "web-2")
    store = manager.parts.store
    agent = installation.agent(manager)
    agent.reject = lambda one: "no" if one.pod_name == "web-1" and one.priority == 3 else ""

    async def rejected() -> bool:
        return [one.failure for one in await store.list_reports(node="node-1")] == ["no"]

    await put_strategy(store, priority=3)
    async with agent.connected():
        await until(lambda: agent.names == {"web-2"})
        await until(rejected)
        installation.set_pods("web-1", "web-2", "web-3")
        await until(lambda: agent.names == {"web-2", "web-3"})
        assert [one.pod_name for part in agent.deltas[-1] for one in part.set] == ["web-3"]
    async with agent.connected():
        await until(lambda: len(manager.parts.sessions) == 1 and not len(manager.parts.sessions.convergence))
        await put_strategy(store, priority=4)
        await until(lambda: agent.names == {"web-1", "web-2", "web-3"})


async def test_what_an_agent_reports_is_in_the_store_until_the_intent_is_gone(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1")
    store = manager.parts.store
    await put_strategy(store)
    agent = installation.agent(manager)

    async def reported(*expected: tuple[int, int, str]) -> bool:
        reports = await store.list_reports(node="node-1")
        return [(one.processes, one.threads, one.enforcer) for one in reports] == list(expected)

    async with agent.connected():
        await until(lambda: len(agent.held) == 1)
        await agent.say(agent.applied(processes=3))
        await until(lambda: reported((3, 6, "stock")))
        await delete_strategy(store)
        await until(reported)


async def test_figures_on_what_was_never_sent_are_not_kept(installation: Installation, manager: app.Manager) -> None:
    agent = installation.agent(manager)
    async with agent.connected():
        await until(lambda: len(manager.parts.sessions) == 1)
        made_up = Request.Applied.Intent(intent_id="f" * 32, version="1", processes=9)
        await agent.say(Request(applied=Request.Applied(intents=[made_up])))
        installation.set_pods("web-1")
        await put_strategy(manager.parts.store)
        await until(lambda: len(agent.held) == 1)
    await until(lambda: not len(manager.parts.sessions))
    assert "f" * 32 not in {one.intent_id for one in await manager.parts.store.list_reports(node="node-1")}


async def test_the_store_tells_who_is_connected_and_how_far_it_is(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1")
    store = manager.parts.store
    await put_strategy(store)
    agent = installation.agent(manager)
    now = clocks.SystemClock().now

    async def in_sync() -> bool:
        (row,) = await store.list_sessions()
        return row.behind_since is None

    async def disconnected() -> bool:
        (row,) = await store.list_sessions()
        return row.lease_until <= now()

    async with agent.connected():
        await until(lambda: len(agent.held) == 1)
        await until(in_sync)
        (row,) = await store.list_sessions()
        assert (row.node, row.agent_address, row.enforcer, row.levers) == (
            "node-1",
            "127.0.0.1:1",
            "stock",
            ("pod-weight",),
        )
        assert row.acked_revision == row.wanted_revision == await store.revision()
        assert row.lease_until > now()
    await until(disconnected)


async def test_a_second_session_of_a_node_replaces_the_first(installation: Installation, manager: app.Manager) -> None:
    first, second = installation.agent(manager), installation.agent(manager)
    async with first.connected() as reader:
        await until(lambda: len(manager.parts.sessions) == 1)
        async with second.connected():
            ended = await ending(reader)
            assert ended.code() is grpc.StatusCode.UNAVAILABLE
            installation.set_pods("web-1")
            await put_strategy(manager.parts.store)
            await until(lambda: second.names == {"web-1"})
    assert not first.held


async def test_a_session_that_lost_its_epoch_to_another_replica_ends(
    installation: Installation, manager: app.Manager
) -> None:
    agent = installation.agent(manager)
    async with agent.connected() as reader:
        await until(lambda: len(manager.parts.sessions) == 1)
        row = (await manager.parts.store.list_sessions())[0]
        await manager.parts.store.open_session(row)  # as another replica does
        installation.set_pods("web-1")
        await put_strategy(manager.parts.store)
        assert (await ending(reader)).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_manager_that_stops_asks_agents_to_go_first(installation: Installation) -> None:
    async with app.build_manager(installation.config()) as manager:
        agent = installation.agent(manager)
        async with agent.connected():
            await until(lambda: len(manager.parts.sessions) == 1)
            stopping = asyncio.create_task(manager.__aexit__(None, None, None))
            async with asyncio.timeout(LIMIT):
                await agent.drained.wait()
            late = installation.agent(manager)
            async with late.connected() as reader:
                assert (await ending(reader)).code() is grpc.StatusCode.UNAVAILABLE
        async with asyncio.timeout(LIMIT):
            await stopping


async def test_a_session_ends_with_its_token(installation: Installation, manager: app.Manager) -> None:
    agent = installation.agent(manager, token=installation.node_token("node-1", seconds=1.0))
    async with agent.connected() as reader:
        await until(lambda: len(manager.parts.sessions) == 1)
        assert (await ending(reader)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_new_token_extends_it_and_one_of_another_node_ends_it(
    installation: Installation, manager: app.Manager
) -> None:
    agent = installation.agent(manager, token=installation.node_token("node-1", seconds=2.0))
    async with agent.connected() as reader:
        await until(lambda: len(manager.parts.sessions) == 1)
        await agent.say(Request(reauth=Request.Reauth(token=installation.node_token("node-1"))))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.shield(reader)
        await agent.say(Request(reauth=Request.Reauth(token=installation.node_token("node-2"))))
        assert (await ending(reader)).code() is grpc.StatusCode.PERMISSION_DENIED


async def test_certificate_token_and_hello_must_name_the_same_node(
    installation: Installation, manager: app.Manager
) -> None:
    agent = installation.agent(manager)
    async with agent.connected(node="node-2") as reader:
        assert (await ending(reader)).code() is grpc.StatusCode.PERMISSION_DENIED
    other = installation.agent(manager, token=installation.node_token("node-2"))
    async with other.connected() as reader:
        assert (await ending(reader)).code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_expired_or_forged_token_opens_nothing(installation: Installation, manager: app.Manager) -> None:
    past = clocks.SystemClock().now() - datetime.timedelta(hours=1)
    for token in (installation.node_token("node-1", seconds=1, now=past), "not.a.token"):
        agent = installation.agent(manager, token=token)
        async with agent.connected() as reader:
            assert (await ending(reader)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_answer_that_belongs_to_nothing_ends_the_session(
    installation: Installation, manager: app.Manager
) -> None:
    agent = installation.agent(manager)
    async with agent.connected() as reader:
        await until(lambda: len(manager.parts.sessions) == 1)
        await agent.say(Request(ack=Request.Ack(nonce="made up")))
        assert (await ending(reader)).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_something_other_than_hello_first_ends_it(installation: Installation, manager: app.Manager) -> None:
    agent = installation.agent(manager)
    async with agent.connected(hello=False) as reader:
        await agent.say(Request(ack=Request.Ack(nonce="n")))
        assert (await ending(reader)).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_manager_whose_inventory_cannot_be_read_yet_sends_nothing(installation: Installation) -> None:
    installation.set_pods("web-1")
    async with app.build_manager(installation.config()) as manager:
        await add_admin(manager.parts.store)
        await put_strategy(manager.parts.store)
        agent = installation.agent(manager)
        async with agent.connected():
            await until(lambda: len(agent.held) == 1)
    installation.inventory.write_text("pods: [")
    async with app.build_manager(installation.config()) as manager:
        again = installation.agent(manager)
        again.held, again.revisions = agent.held, agent.revisions
        async with again.connected() as reader:
            assert (await ending(reader)).code() is grpc.StatusCode.UNAVAILABLE
        assert again.names == {"web-1"}
        installation.set_pods("web-1", "web-2")
        assert await manager.parts.world.wait_for(timeout=LIMIT)
        async with again.connected():
            await until(lambda: again.names == {"web-1", "web-2"})


async def test_an_agent_that_has_seen_more_than_the_store_holds_is_served_when_the_store_was_restored(
    installation: Installation, manager: app.Manager
) -> None:
    installation.set_pods("web-1")
    await put_strategy(manager.parts.store)
    agent = installation.agent(manager)
    agent.revisions.store = 1_000_000
    async with agent.connected():
        await until(lambda: agent.names == {"web-1"})


async def test_a_change_waits_for_the_burst_to_end(installation: Installation) -> None:
    config = installation.config(distribution=configs.Distribution(debounce_quiet_ms=300, debounce_max_ms=5000))
    async with app.build_manager(config) as manager:
        await add_admin(manager.parts.store)
        installation.set_pods("web-1")
        agent = installation.agent(manager)
        async with agent.connected():
            await until(lambda: len(manager.parts.sessions) == 1 and not len(manager.parts.sessions.convergence))
            for priority in range(5):
                await put_strategy(manager.parts.store, priority=priority)
            await until(lambda: [one.priority for one in agent.held.values()] == [4])
            assert len(agent.deltas) == 1
