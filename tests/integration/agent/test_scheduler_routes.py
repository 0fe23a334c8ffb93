"""The routes that external schedulers poll, over the agent's unix socket."""

import contextlib
import datetime
import json
import pathlib
from collections.abc import AsyncIterator

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api import httpbody_pb2

from gthulhu.agent import config
from gthulhu.common import clock as clocks
from gthulhu.common.identity import tokens
from gthulhu.v1 import decision_maker_pb2 as pb2
from gthulhu.v1 import decision_maker_pb2_grpc, metric_pb2, system_pb2, system_pb2_grpc
from tests.integration.agent import rig, scheduler
from tests.integration.agent.rig import Installation, StubManager, intent, until

SLICE = 20_000_000


class Keys:
    """Public keys of the scheduler and of a manager of the older protocol."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir()
        self.scheduler = self._write(folder / "scheduler.pem")
        self.manager = self._write(folder / "manager.pem")
        self.token = config.Token(
            scheduler_public_key_file=folder / "scheduler.pem", manager_public_key_file=folder / "manager.pem"
        )

    @staticmethod
    def _write(path: pathlib.Path) -> str:
        public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        path.write_bytes(pem)
        return pem.decode()


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> Keys:
    return Keys(tmp_path / "clients")


@contextlib.asynccontextmanager
async def connected(installation: Installation) -> AsyncIterator[grpc.aio.Channel]:
    path = installation.folder / "agent" / "agent.sock"
    async with grpc.aio.insecure_channel(f"unix:{path}", options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        yield channel


async def token_of(stub: decision_maker_pb2_grpc.DecisionMakerServiceStub, pem: str) -> tuple[tuple[str, str]]:
    answer = await stub.IssueToken(pb2.IssueTokenRequest(public_key=pem))
    return (("authorization", "Bearer " + json.loads(answer.data)["data"]["token"]),)


async def test_the_schedulers_table_ends_equal_to_the_decisions_whatever_happens(
    installation: Installation, manager: StubManager, keys: Keys
) -> None:
    """Intents change, the agent restarts, the token goes on to be good."""
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10, 11)
    discovery.put("pod-b", 20)
    async with installation.manager(manager):
        settings = installation.config(token=keys.token)
        async with connected(installation) as channel:
            client = scheduler.SchedulerClient(channel, public_key=keys.scheduler)
            async with rig.running(settings, discovery=discovery) as node:
                await until(lambda: manager.hellos)
                await channel.channel_ready()
                await client.tick()
                assert client.table == {}
                await manager.delta(
                    "n1", [intent("a", priority=3), intent("b", pod="pod-b", priority=15, slice_ns=5_000_000)]
                )
                await until(lambda: manager.acks)
                await client.tick()
                assert client.table == {10: (3, SLICE), 11: (3, SLICE), 20: (15, 5_000_000)}
                discovery.put("pod-a", 10, 12)  # as many processes as before, but others
                await until(lambda: 12 in node.enforcer.decided["pod-a"])
                await client.tick()
                assert client.table == {10: (3, SLICE), 12: (3, SLICE), 20: (15, 5_000_000)}
            async with rig.running(settings, discovery=discovery) as node:
                await until(lambda: len(manager.hellos) == 2)
                await channel.channel_ready()
                await client.tick()
                assert client.table == {10: (3, SLICE), 12: (3, SLICE), 20: (15, 5_000_000)}
                await manager.delta("n2", [], removed=["a", "b"])
                await until(lambda: len(manager.acks) == 2)
                await client.tick()
                assert client.table == {}, "an empty list, not null: null would leave the old table"
                assert client.tokens_asked == 1, "a token outlives the agent's process"
                assert node.agent.parts.sampler.scheduler()[1] == "external"


async def test_the_answer_is_what_that_client_was_compiled_for(
    installation: Installation, manager: StubManager, keys: Keys
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 101)
    async with (
        installation.manager(manager),
        rig.running(installation.config(token=keys.token), discovery=discovery),
        connected(installation) as channel,
    ):
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        authorization = await token_of(stub, keys.scheduler)
        await until(lambda: manager.hellos)
        await manager.delta("n1", [intent("a", priority=5, slice_ns=10_000_000, regex="nginx")])
        await until(lambda: manager.acks)
        answer: httpbody_pb2.HttpBody = await stub.GetSchedulingStrategies(
            pb2.GetSchedulingStrategiesRequest(), metadata=authorization
        )
        assert answer.content_type == "application/json"
        content = json.loads(answer.data)
        timestamp = datetime.datetime.fromisoformat(content.pop("timestamp"))
        assert abs(timestamp - clocks.SystemClock().now()) < datetime.timedelta(minutes=1)
        assert content.pop("message")
        assert content == {
            "success": True,
            "scheduling": [
                {
                    "priority": 5,
                    "execution_time": 10_000_000,
                    "pid": 101,
                    "selectors": [{"key": "app", "value": "web"}],
                    "command_regex": "nginx",
                }
            ],
        }


async def test_tokens(installation: Installation, keys: Keys) -> None:
    """Only the holder of a configured public key gets one, and each opens what is its client's."""
    stranger = Keys._write(installation.folder / "stranger.pem")
    async with rig.running(installation.config(token=keys.token)), connected(installation) as channel:
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        for pem in (stranger, "", "no PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
            with pytest.raises(grpc.aio.AioRpcError, match="Public key verification failed") as raised:
                await stub.IssueToken(pb2.IssueTokenRequest(public_key=pem))
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        answer = await stub.IssueToken(pb2.IssueTokenRequest(public_key=keys.scheduler.replace("\n", "\r\n")))
        issued = json.loads(answer.data)
        assert issued["success"] is True
        day = clocks.SystemClock().now().timestamp() + 24 * 3600
        assert issued["data"]["expired_at"] == pytest.approx(day, abs=60)

        of_scheduler, of_manager = await token_of(stub, keys.scheduler), await token_of(stub, keys.manager)
        await stub.ListPodPids(pb2.ListPodPidsRequest(), metadata=of_scheduler)
        await stub.ListPodPids(pb2.ListPodPidsRequest(), metadata=of_manager)
        await stub.ReplaceIntents(pb2.ReplaceIntentsRequest(), metadata=of_manager)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ReplaceIntents(pb2.ReplaceIntentsRequest(), metadata=of_scheduler)
        assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_what_is_no_valid_token_of_this_agent_opens_nothing(installation: Installation, keys: Keys) -> None:
    async with rig.running(installation.config(token=keys.token)), connected(installation) as channel:
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        own = tokens.KeyRing.load_or_create(installation.folder / "agent" / "tokens")
        now = clocks.SystemClock().now()
        hour = datetime.timedelta(hours=1)
        made = [
            own.issue(subject="scheduler", audience="gthulhu-agent", kind=kind, lifetime=hour, now=when, claims=claims)
            for kind, when, claims in (
                ("scheduler", now - 2 * hour, {"scope": "SCHEDULER"}),
                ("access", now, {"scope": "SCHEDULER"}),
                ("scheduler", now, {}),
                ("scheduler", now, {"scope": "EVERYTHING"}),
            )
        ]
        for text in (*made, installation.node_token(), "x.y.z", ""):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.GetSchedulingStrategies(
                    pb2.GetSchedulingStrategiesRequest(), metadata=(("authorization", f"Bearer {text}"),)
                )
            assert raised.value.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


async def test_posted_intents_are_a_set_of_their_own_and_the_streams_set_wins(
    installation: Installation, manager: StubManager, keys: Keys
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("pod-a", 10)
    discovery.put("pod-b", 20)

    def posted(*names: tuple[str, int], node: str = rig.NODE) -> pb2.ReplaceIntentsRequest:
        return pb2.ReplaceIntentsRequest(
            intents=[
                pb2.ReplaceIntentsRequest.Intent(pod_name=name, pod_id=name, node_id=node, priority=priority)
                for name, priority in names
            ]
        )

    async with installation.manager(manager):
        settings = installation.config(token=keys.token)
        async with rig.running(settings, discovery=discovery) as node, connected(installation) as channel:
            stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
            authorization = await token_of(stub, keys.manager)
            answer = await stub.ReplaceIntents(posted(("pod-a", 1), ("pod-b", 2)), metadata=authorization)
            assert answer.intents == 2
            assert node.enforcer.decided == {"pod-a": {10: 1}, "pod-b": {20: 2}}
            await until(lambda: manager.hellos)
            assert not manager.hellos[0].held
            await manager.delta("n1", [intent("a", priority=7)])
            await until(lambda: manager.acks)
            assert node.enforcer.decided == {"pod-a": {10: 7}, "pod-b": {20: 2}}
            await manager.delta("n2", [], removed=["a"])
            await until(lambda: len(manager.acks) == 2)
            assert node.enforcer.decided == {"pod-a": {10: 1}, "pod-b": {20: 2}}
            ignored = await stub.ReplaceIntents(posted(("pod-a", 1), node="another"), metadata=authorization)
            assert ignored.intents == 0
            assert not node.enforcer.decided
            await stub.ReplaceIntents(posted(("pod-b", 4)), metadata=authorization)
        async with rig.running(settings, discovery=discovery) as node:
            await until(lambda: node.enforcer.decided == {"pod-b": {20: 4}})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"pod_id": "p", "priority": 21}, "priority"),
        ({"pod_id": "p", "execution_time": -1}, "executionTime"),
        ({"pod_id": ""}, "podID"),
        ({"pod_id": "p", "command_regex": "("}, "commandRegex"),
    ],
)
async def test_a_posted_intent_that_cannot_be_taken_refuses_the_whole_set(
    installation: Installation, keys: Keys, wrong: dict[str, object], field: str
) -> None:
    discovery = rig.MemoryDiscovery()
    discovery.put("p", 10)
    async with (
        rig.running(installation.config(token=keys.token), discovery=discovery) as node,
        connected(installation) as channel,
    ):
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        authorization = await token_of(stub, keys.manager)
        good = pb2.ReplaceIntentsRequest.Intent(pod_id="p", priority=3)
        request = pb2.ReplaceIntentsRequest(intents=[good, pb2.ReplaceIntentsRequest.Intent(**wrong)])
        with pytest.raises(grpc.aio.AioRpcError, match=field) as raised:
            await stub.ReplaceIntents(request, metadata=authorization)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "intents[1]" in (raised.value.details() or "")
        assert not node.enforcer.decided


async def test_an_external_schedulers_counters_are_the_nodes(installation: Installation, keys: Keys) -> None:
    async with rig.running(installation.config(token=keys.token)), connected(installation) as channel:
        stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        authorization = await token_of(stub, keys.scheduler)
        text = (await stub.GetMetrics(pb2.GetMetricsRequest())).data.decode()
        assert 'gthulhu_agent_scheduler_nr_queued{source="kernel"}' in text
        await stub.ReportMetrics(
            metric_pb2.MetricSet(nr_queued=12, nr_user_dispatches=2**64 - 1), metadata=authorization
        )
        answer = await stub.GetMetrics(pb2.GetMetricsRequest())
        assert answer.content_type.startswith("text/plain; version=0.0.4")
        assert 'gthulhu_agent_scheduler_nr_queued{source="external"} 12.0' in answer.data.decode()
        assert 'gthulhu_agent_token_requests_total{outcome="issued"} 1.0' in answer.data.decode()


async def test_health_and_version_need_no_token(installation: Installation) -> None:
    async with rig.running(installation.config()), connected(installation) as channel:
        stub = system_pb2_grpc.SystemServiceStub(channel)
        health = await stub.GetHealth(system_pb2.GetHealthRequest())
        assert (health.status, health.service) == ("healthy", "gthulhu-agent")
        assert set(health.checks.values()) == {"ok"}
        version = await stub.GetVersion(system_pb2.GetVersionRequest())
        assert (version.api_versions, bool(version.version)) == (["v1"], True)


async def test_a_set_that_cannot_be_read_is_set_aside_and_the_kernel_left_alone(
    installation: Installation, manager: StubManager
) -> None:
    """Not knowing what is wanted is no reason to withdraw: health says so until a manager has said it."""
    file = installation.folder / "agent" / "intents.held"
    file.write_bytes(b"torn")
    async with (
        installation.manager(manager),
        rig.running(installation.config()) as node,
        connected(installation) as channel,
    ):
        await until(lambda: manager.hellos)
        assert not node.enforcer.moments
        assert file.with_name("intents.held.unusable").read_bytes() == b"torn"
        stub = system_pb2_grpc.SystemServiceStub(channel)
        call = stub.GetHealth(system_pb2.GetHealthRequest())
        assert (await call).status == "unhealthy"
        assert dict(await call.initial_metadata())["x-rest-status"] == "503"
        await manager.delta("n1", [intent("a")])
        await until(lambda: manager.acks)
        assert (await stub.GetHealth(system_pb2.GetHealthRequest())).status == "healthy"
