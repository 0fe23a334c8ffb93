"""What a manager serves besides sessions: users' calls through the gateway's identity, samples, health, metrics."""

import asyncio
import contextlib
import datetime
import pathlib
import urllib.request
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.manager import app, config
from gthulhu.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    cluster_pb2,
    cluster_pb2_grpc,
    metric_pb2,
    metric_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
    system_pb2,
    system_pb2_grpc,
)
from tests.integration.manager.rig import LIMIT, Installation, until

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def manager(installation: Installation) -> AsyncIterator[app.Manager]:
    its = installation.config()
    account = config.Account(admin_password=PASSWORD)
    server = its.server.model_copy(update={"reflection": True})
    async with app.build_manager(its.model_copy(update={"account": account, "server": server})) as started:
        assert await started.parts.world.wait_for(timeout=LIMIT)
        yield started


@pytest.fixture
async def gateway(installation: Installation, manager: app.Manager) -> AsyncIterator[grpc.aio.Channel]:
    folder = installation.folder / "gateway"
    installation.authority.issue("gateway", folder)
    async with opened(manager, folder, "gateway") as made:
        yield made


@contextlib.asynccontextmanager
async def opened(manager: app.Manager, folder: pathlib.Path, role: str) -> AsyncIterator[grpc.aio.Channel]:
    credentials = tls.channel_credentials(folder / f"{role}.crt", folder / f"{role}.key", folder / "ca.crt")
    target = f"127.0.0.1:{manager.grpc_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as made:
        yield made


async def test_a_user_logs_in_and_creates_a_strategy(gateway: grpc.aio.Channel) -> None:
    login = await auth_pb2_grpc.AuthServiceStub(gateway).Login(
        auth_pb2.LoginRequest(username="admin", password=PASSWORD)
    )
    metadata = (("authorization", f"Bearer {login.access_token}"),)
    strategies = strategy_pb2_grpc.StrategyServiceStub(gateway)
    created = await strategies.CreateStrategy(
        strategy_pb2.CreateStrategyRequest(
            strategy=strategy_pb2.ScheduleStrategy(
                label_selectors=[strategy_pb2.LabelSelector(key="app", value="web")], priority=3
            )
        ),
        metadata=metadata,
    )
    assert created.id
    listed = await strategies.ListStrategies(strategy_pb2.ListStrategiesRequest(), metadata=metadata)
    assert [one.id for one in listed.strategies] == [created.id]


async def test_without_a_token_nothing_but_health_and_version(gateway: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await strategy_pb2_grpc.StrategyServiceStub(gateway).ListStrategies(strategy_pb2.ListStrategiesRequest())
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    health = await system_pb2_grpc.SystemServiceStub(gateway).GetHealth(system_pb2.GetHealthRequest())
    assert dict(health.checks) == {"store": "ok", "inventory": "ok"}


async def test_who_shows_no_certificate_of_ours_does_not_get_in(
    installation: Installation, manager: app.Manager
) -> None:
    credentials = tls.anonymous_channel_credentials(installation.folder / "pki" / "ca.crt")
    target = f"127.0.0.1:{manager.grpc_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as made:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await system_pb2_grpc.SystemServiceStub(made).GetHealth(system_pb2.GetHealthRequest(), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_gateway_is_no_agent(gateway: grpc.aio.Channel, installation: Installation) -> None:
    metadata = (("authorization", f"Bearer {installation.node_token('node-1')}"),)
    call = metric_pb2_grpc.MetricServiceStub(gateway).StreamMetrics(metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_samples_of_a_node_are_shown_with_their_age(
    installation: Installation, manager: app.Manager, gateway: grpc.aio.Channel
) -> None:
    folder = installation.folder / "agent"
    installation.authority.issue_agent("node-1", folder)
    metadata = (("authorization", f"Bearer {installation.node_token('node-1')}"),)
    async with opened(manager, folder, "agent") as made:
        call = metric_pb2_grpc.MetricServiceStub(made).StreamMetrics(metadata=metadata)
        assert (await call.read()).interval.ToTimedelta() > datetime.timedelta()
        sample = metric_pb2.StreamMetricsRequest(
            node="node-1",
            source="kernel",
            sequence=7,
            metric_set=metric_pb2.MetricSet(nr_running=3),
            pods=[metric_pb2.PodMetrics(pod_id="u", run_ns=5)],
        )
        await call.write(sample)
        assert (await call.read()).received == 7
        await call.write(metric_pb2.StreamMetricsRequest(node="node-2"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    login = await auth_pb2_grpc.AuthServiceStub(gateway).Login(
        auth_pb2.LoginRequest(username="admin", password=PASSWORD)
    )
    shown = await cluster_pb2_grpc.ClusterServiceStub(gateway).GetNodeMetrics(
        cluster_pb2.GetNodeMetricsRequest(node="node-1"),
        metadata=(("authorization", f"Bearer {login.access_token}"),),
    )
    assert (shown.source, shown.metric_set.nr_running, shown.pods[0].run_ns) == ("kernel", 3, 5)
    assert shown.age.ToTimedelta().total_seconds() < LIMIT


async def test_grpc_health_says_that_it_serves(gateway: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(gateway).Watch(health_pb2.HealthCheckRequest())
    async with asyncio.timeout(LIMIT):
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
    watch.cancel()


async def test_reflection_lists_the_services_where_it_is_on(gateway: grpc.aio.Channel) -> None:
    call = reflection_pb2_grpc.ServerReflectionStub(gateway).ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {one.name for one in (await call.read()).list_services_response.service}
    assert {"gthulhu.v1.StrategyService", "gthulhu.v1.SessionService", "grpc.health.v1.Health"} <= names
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="gthulhu.v1.StrategyService"))
    (content, *_) = (await call.read()).file_descriptor_response.file_descriptor_proto
    assert descriptor_pb2.FileDescriptorProto.FromString(content).package == "gthulhu.v1"
    call.cancel()


async def test_prometheus_reads_how_it_is(installation: Installation, manager: app.Manager) -> None:
    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{manager.metrics_port}/metrics", timeout=LIMIT) as answer:
            return str(answer.read().decode())

    agent = installation.agent(manager)
    async with agent.connected():
        await until(lambda: len(manager.parts.sessions) == 1)
        text = await asyncio.to_thread(read)
    assert "gthulhu_manager_synced 1.0" in text
    assert "gthulhu_manager_sessions 1.0" in text
    assert "gthulhu_manager_sessions_opened_total 1.0" in text


async def test_a_manager_without_an_inventory_says_what_to_set(installation: Installation) -> None:
    its = installation.config().model_copy(update={"inventory": config.Inventory()})
    with pytest.raises(errors.PreconditionError, match=r"inventory\.file"):
        app.build_manager(its)


async def test_an_address_that_is_taken_is_named_and_nothing_stays_behind(
    installation: Installation, manager: app.Manager, tmp_path: pathlib.Path
) -> None:
    its = installation.config()
    taken = its.server.model_copy(update={"grpc_address": f"127.0.0.1:{manager.grpc_port}"})
    other = its.model_copy(
        update={"server": taken, "store": config.Store(path=tmp_path / "other.sqlite3"), "account": its.account}
    )
    with pytest.raises(errors.PreconditionError, match="grpc_address"):
        async with app.build_manager(other, clock=clocks.SystemClock()):
            pass
    async with app.build_manager(other.model_copy(update={"server": its.server})):
        pass
