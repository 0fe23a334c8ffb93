"""An agent's session with a manager that speaks session.proto over mTLS."""

import asyncio
import contextlib
import os
import pathlib
import signal
import sys
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from gthulhu.agent import config
from gthulhu.agent.session import client
from tests.integration.agent import rig
from tests.integration.agent.rig import Installation, Response, StubManager, intent, until


async def test_a_delta_is_on_disk_and_in_force_before_it_is_acknowledged(
    installation: Installation, manager: StubManager
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10, 11)
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery) as node:
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a", priority=3)], revision=7)
        await until(lambda: manager.acks)
        assert node.enforcer.decided == {"pod-a": {10: 3, 11: 3}}
        assert b'"id":"a"' in (installation.folder / "agent" / "intents.held").read_bytes()
        assert (manager.acks[0].nonce, len(manager.acks[0].rejected)) == ("n1", 0)
        await until(lambda: manager.outcome("a"))
        outcome = manager.outcome("a")
        assert outcome
        assert (outcome.processes, outcome.threads, outcome.version) == (2, 2, "1")


async def test_the_hello_says_who_what_and_how_far(installation: Installation, manager: StubManager) -> None:
    async with installation.manager(manager), rig.running(installation.config()) as node:
        await until(lambda: manager.hellos)
        hello = manager.hellos[0]
        assert (hello.node, dict(hello.held), hello.revisions.store) == (rig.NODE, {}, 0)
        assert hello.agent_address.endswith(f":{node.agent.grpc_port}")
        assert hello.capabilities.enforcer == "external"
        assert hello.boot_id
        assert manager.authorizations[0].startswith("Bearer ey")
        await manager.delta("n1", [intent("a")], revision=7)
        await until(lambda: manager.acks)
        manager.cut.set()
        await until(lambda: len(manager.hellos) == 2)
        hello = manager.hellos[1]
        assert (dict(hello.held), hello.revisions.store, hello.revisions.inventory_source) == ({"a": "1"}, 7, "memory")


async def test_half_a_delta_is_never_seen(installation: Installation, manager: StubManager) -> None:
    """The connection is cut between two chunks: nothing of the delta is in force, on disk, or said to be held."""
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    discovery.put("pod-b", 20)
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery) as node:
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a", priority=3)])
        await until(lambda: manager.acks)
        file = (installation.folder / "agent" / "intents.held").read_bytes()
        await manager.say(manager.chunk("n2", 1, 2, [intent("a", version="2", priority=8), intent("b", pod="pod-b")]))
        manager.cut.set()
        await until(lambda: len(manager.hellos) == 2)
        assert dict(manager.hellos[1].held) == {"a": "1"}
        assert node.enforcer.decided == {"pod-a": {10: 3}}
        assert (installation.folder / "agent" / "intents.held").read_bytes() == file
        # The same delta, whole this time, comes into force as a whole.
        await manager.delta("n3", [intent("a", version="2", priority=8)], [intent("b", pod="pod-b")])
        await until(lambda: len(manager.acks) == 2)
        assert node.enforcer.decided == {"pod-a": {10: 8}, "pod-b": {20: 3}}


@pytest.mark.parametrize(
    "messages",
    [
        [StubManager.chunk("n1", 1, 2, []), StubManager.chunk("n2", 2, 2, [])],
        [StubManager.chunk("n1", 2, 2, [intent("a")])],
        [StubManager.chunk("n1", 1, 2, [intent("a")]), Response(digest=Response.Digest(digest="", intents=0))],
    ],
    ids=["two deltas mixed", "the first chunk missing", "something between chunks"],
)
async def test_what_the_protocol_does_not_allow_ends_the_session_and_changes_nothing(
    installation: Installation, manager: StubManager, messages: list[Response]
) -> None:
    async with installation.manager(manager), rig.running(installation.config()) as node:
        await until(lambda: manager.hellos)
        for message in messages:
            await manager.say(message)
        await until(lambda: len(manager.hellos) == 2)
        assert not node.held
        assert not manager.acks


async def test_an_intent_that_cannot_be_taken_is_rejected_and_the_rest_is_in_force(
    installation: Installation, manager: StubManager
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery) as node:
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a", regex="ng")])
        await until(lambda: manager.acks)
        bad = [intent("a", version="2", regex="("), intent("b", priority=21), intent("c", slice_ns=5)]
        await manager.delta("n2", [*bad, intent("d", priority=2)])
        await until(lambda: len(manager.acks) == 2)
        rejected = {one.intent_id: (one.version, one.reason) for one in manager.acks[1].rejected}
        assert set(rejected) == {"a", "b", "c"}
        assert rejected["a"][0] == "2"
        assert "missing )" in rejected["a"][1]
        assert "21" in rejected["b"][1]
        assert "5" in rejected["c"][1]
        assert node.held == {"a": "1", "d": "1"}, "the version before stays in force"
        assert node.enforcer.decided == {"pod-a": {10: 2}}


async def test_a_removed_intent_is_withdrawn(installation: Installation, manager: StubManager) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery) as node:
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a")])
        await manager.delta("n2", [], removed=["a"])
        await until(lambda: len(manager.acks) == 2)
        assert not node.held
        assert not node.enforcer.decided


async def test_outcomes_are_sent_when_they_change_and_only_then(
    installation: Installation, manager: StubManager
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager), rig.running(installation.config(), discovery=discovery):
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a"), intent("b", pod="pod-b")])
        await until(lambda: manager.outcome("a") and manager.outcome("b"))
        said = len(manager.applied)
        for pid in range(11, 20):
            discovery.put("pod-a", *range(10, pid + 1))
        await until(lambda: (one := manager.outcome("a")) and one.processes == 10)
        later = [one.intent_id for applied in manager.applied[said:] for one in applied.intents]
        assert set(later) == {"a"}
        assert len(later) < 9, "what changes together is reported together"


async def test_a_digest_that_fits_says_nothing_and_one_that_does_not_starts_a_new_session(
    installation: Installation, manager: StubManager
) -> None:
    async with installation.manager(manager), rig.running(installation.config()):
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a")])
        await until(lambda: manager.acks)
        await manager.digest({"a": "1"})
        await manager.delta("n2", [intent("b")])
        await until(lambda: len(manager.acks) == 2)
        assert len(manager.hellos) == 1
        await manager.digest({"a": "1"})
        await until(lambda: len(manager.hellos) == 2)


async def test_on_drain_the_agent_reconnects(installation: Installation, manager: StubManager) -> None:
    async with installation.manager(manager), rig.running(installation.config()):
        await until(lambda: manager.hellos)
        await manager.say(Response(drain=Response.Drain()))
        await until(lambda: len(manager.hellos) == 2)


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE])
async def test_trouble_that_passes_is_tried_again(
    installation: Installation, manager: StubManager, code: grpc.StatusCode
) -> None:
    manager.refuse_with = code
    async with installation.manager(manager), rig.running(installation.config()) as node:
        await until(lambda: len(manager.hellos) >= 3)
        assert not node.task.done()


async def test_an_agent_that_is_taken_for_another_nodes_stops(installation: Installation, manager: StubManager) -> None:
    manager.refuse_with = grpc.StatusCode.PERMISSION_DENIED
    async with installation.manager(manager), rig.running(installation.config()) as node:
        with pytest.raises(client.ManagerRefusedError, match="PERMISSION_DENIED"):
            async with asyncio.timeout(rig.LIMIT):
                await node.task


async def test_a_new_token_is_given_to_the_manager_before_the_old_one_ends(
    installation: Installation, manager: StubManager
) -> None:
    installation.write_token(installation.node_token(seconds=100, age=90))
    async with installation.manager(manager), rig.running(installation.config()):
        await until(lambda: manager.hellos)
        fresh = installation.node_token(seconds=200)
        installation.write_token(fresh)
        await until(lambda: manager.tokens)
        assert manager.tokens == [fresh]
        assert len(manager.hellos) == 1


async def test_a_manager_that_comes_back_resends_nothing(installation: Installation, manager: StubManager) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager):
        pass  # to know the port
    async with rig.running(installation.config(), discovery=discovery) as node:
        async with installation.manager(manager):
            await until(lambda: manager.hellos)
            await manager.delta("n1", [intent("a")])
            await until(lambda: manager.acks)
        moments = len(node.enforcer.moments)
        again = StubManager()
        async with installation.manager(again):
            await until(lambda: again.hellos)
            assert dict(again.hellos[0].held) == {"a": "1"}
            await again.digest({"a": "1"})
            await until(lambda: again.outcome("a"))
        assert len(node.enforcer.moments) == moments, "the kernel is not touched"
        assert node.enforcer.decided == {"pod-a": {10: 3}}


async def test_samples_come_at_the_pace_that_the_manager_asks_for(
    installation: Installation, manager: StubManager
) -> None:
    manager.sample_interval = 0.1
    async with installation.manager(manager), rig.running(installation.config()):
        await until(lambda: len(manager.samples) >= 4)
        assert [one.sequence for one in manager.samples[:4]] == sorted(one.sequence for one in manager.samples[:4])
        sample = manager.samples[-1]
        assert (sample.node, sample.source) == (rig.NODE, "kernel")
        assert sample.metric_set.nr_online_cpus == os.sysconf("SC_NPROCESSORS_ONLN")


async def test_a_manager_that_takes_no_samples_delays_no_intents(
    installation: Installation, manager: StubManager
) -> None:
    manager.sample_interval, manager.take_samples = 0.1, False
    async with installation.manager(manager), rig.running(installation.config()) as node:
        await until(lambda: manager.hellos)
        for number in range(5):
            began = time.monotonic()
            await manager.delta(f"n{number}", [intent("a", version=str(number))])
            await until(lambda: len(manager.acks) > number)  # noqa: B023 - awaited within the round
            assert time.monotonic() - began < 1
        assert node.held == {"a": "4"}


async def test_after_too_long_without_a_manager_everything_is_withdrawn_and_comes_back(
    installation: Installation, manager: StubManager
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    async with installation.manager(manager):
        pass  # to know the port
    settings = installation.config(enforcement=config.Enforcement(enforcer="external", max_stale_seconds=1))
    async with rig.running(settings, discovery=discovery) as node:
        async with installation.manager(manager):
            await until(lambda: manager.hellos)
            await manager.delta("n1", [intent("a")])
            await until(lambda: manager.acks)
        await until(lambda: not node.enforcer.decided)
        assert node.held == {"a": "1"}, "it stays held"
        async with installation.manager(StubManager()):
            await until(lambda: node.enforcer.decided == {"pod-a": {10: 3}})


@contextlib.asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    script = pathlib.Path(__file__).with_name("processes.py")
    root = pathlib.Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, env=os.environ | {"PYTHONPATH": str(root)}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_an_agent_that_is_killed_holds_the_same_set_when_it_is_back(
    installation: Installation, manager: StubManager
) -> None:
    async with installation.manager(manager):
        arguments = ("agent", str(installation.folder / "agent"), str(installation.port))
        async with _process(*arguments) as process:
            await until(lambda: manager.hellos)
            await manager.delta("n1", [intent("a"), intent("b")], [intent("c")], revision=9)
            await until(lambda: manager.acks)
            await manager.say(manager.chunk("n2", 1, 2, [intent("d")]))
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with _process(*arguments):
            await until(lambda: len(manager.hellos) == 2)
            assert dict(manager.hellos[1].held) == {"a": "1", "b": "1", "c": "1"}
            assert manager.hellos[1].revisions.store == 9
            await until(lambda: manager.outcome("c"))


async def test_a_frozen_manager_is_noticed_within_5_seconds(installation: Installation) -> None:
    port_file = installation.folder / "port"
    async with _process("manager", str(installation.folder / "manager"), str(port_file)) as process:
        await until(port_file.exists)
        installation.port = int(port_file.read_text())
        async with rig.running(installation.config()) as node:
            presence = node.agent.parts.presence
            await until(lambda: presence.connected)
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            await until(lambda: not presence.connected)
            assert time.monotonic() - began < 5
            process.send_signal(signal.SIGCONT)
            await until(lambda: presence.connected)
