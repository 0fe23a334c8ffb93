"""Puts an agent together from its parts, starts it and stops it: the only place where all of them meet."""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import logging
import os
import pathlib
import random
import socket
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gthulhu.agent import config as configs
from gthulhu.agent import held, reconciler, wanted
from gthulhu.agent.discovery import base as discovering
from gthulhu.agent.discovery import node as node_discovery
from gthulhu.agent.enforcement import base as enforcing
from gthulhu.agent.enforcement import probe
from gthulhu.agent.enforcement.sched_ext import enforcer as sched_ext
from gthulhu.agent.kernel import procfs
from gthulhu.agent.metrics import collector as collecting
from gthulhu.agent.metrics import exposition as expositions
from gthulhu.agent.metrics import probe as metrics_probe
from gthulhu.agent.metrics import sampler
from gthulhu.agent.services import authorization, decision_maker, node, strategies, system, tokens
from gthulhu.agent.session import client, credentials, enrollment, metrics_stream, presence, stream
from gthulhu.common import backoff, errors, exposition, release
from gthulhu.common import clock as clocks
from gthulhu.common.grpc import access, channel, context, validation
from gthulhu.common.grpc import errors as grpc_errors
from gthulhu.common.identity import tls
from gthulhu.common.identity import tokens as identity_tokens
from gthulhu.v1 import decision_maker_pb2_grpc, node_pb2_grpc, system_pb2_grpc

_log = logging.getLogger(__name__)

_STOP_SECONDS = 1.0
"""How long calls may go on when the agent stops."""
_SOCKET_MODE = 0o660
"""The agent's own gateway may run as another user of the same group."""
_LONGEST_SOCKET = 107
"""Bytes of a unix socket's path (unix(7))."""

Service = tuple[str, Callable[[Any, grpc.aio.Server], None], object]
"""Name, what adds it to a server, and what serves it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one agent is made of."""

    config: configs.AgentConfig
    clock: clocks.Clock
    reconciler: reconciler.Reconciler
    collector: collecting.Collector
    wanted: wanted.Wanted
    presence: presence.Presence
    exposition: expositions.Exposition
    sampler: sampler.Sampler
    tokens: tokens.ClientTokens
    enrollment: enrollment.Enrollment | None
    """None: somebody else keeps the identity fresh."""


def build_agent(
    config: configs.AgentConfig,
    *,
    clock: clocks.Clock | None = None,
    discovery: discovering.Discovery | None = None,
    enforcer: enforcing.Enforcer | None = None,
    collector: collecting.Collector | None = None,
) -> "Agent":
    """Return an agent that is not started.

    Args:
        config: Says everything about it.
        clock: In place of the machine's.
        discovery: In place of the node's cgroups.
        enforcer: In place of the one that node and configuration allow.
        collector: In place of the one that node and configuration allow.

    Raises:
        PreconditionError: The configuration names what is not there: a key, an enforcer, cgroups.
    """
    clock = clock or clocks.SystemClock()
    enforcer = enforcer or probe.choose_enforcer(config, clock=clock)
    collector = collector or metrics_probe.choose_collector(config)
    reconciling = reconciler.Reconciler(
        discovery=discovery or node_discovery.from_config(config),
        enforcer=enforcer,
        clock=clock,
        collector=collector,
        verify_seconds=config.enforcement.verify_seconds,
    )
    shown = expositions.Exposition(version=release.version(), enforcer=enforcer.capabilities().enforcer)
    return Agent(
        Parts(
            config=config,
            clock=clock,
            reconciler=reconciling,
            collector=collector,
            wanted=wanted.Wanted(
                reconciler=reconciling,
                manager_file=held.HeldFile(config.state_dir / "intents.held"),
                posted_file=held.HeldFile(config.state_dir / "posted.held"),
            ),
            presence=presence.Presence(clock=clock, exposition=shown),
            exposition=shown,
            sampler=sampler.Sampler(
                clock=clock,
                usage=reconciling.usage,
                proc_root=config.node.proc_root,
                own=functools.partial(_own_scheduler, enforcer),
            ),
            tokens=_client_tokens(config, clock=clock, exposition=shown),
            enrollment=enrollment.of_config(config, clock=clock),
        )
    )


def _own_scheduler(enforcer: enforcing.Enforcer) -> sampler.MetricSet | None:
    """Return what our own scheduler has counted; None where another one schedules the node."""
    counted = enforcer.counters() if isinstance(enforcer, sched_ext.SchedExt) else None
    if counted is None:
        return None
    return sampler.MetricSet(
        nr_queued=counted.queued,
        nr_running=counted.running,
        nr_online_cpus=os.sysconf("SC_NPROCESSORS_ONLN"),
        nr_kernel_dispatches=counted.dispatches + counted.direct_dispatches,
        nr_cancel_dispatches=counted.cancelled,
        nr_bounce_dispatches=counted.throttled,
        nr_sched_congested=counted.bounded,
    )


class Agent:
    """One agent; `async with` binds its addresses, `serve` makes it work until cancelled."""

    def __init__(self, parts: Parts) -> None:
        """Take everything that it is made of."""
        self.parts = parts
        self.grpc_port = 0
        """Where it listens, once entered; made up by the kernel where the configured port is 0."""
        self.metrics_port = 0
        """As above, of its Prometheus metrics; 0 where there are none."""
        self._servers: list[grpc.aio.Server] = []
        self._stack = contextlib.AsyncExitStack()
        self._serving = False

    async def __aenter__(self) -> Self:
        """Enrol where there is no identity yet, and bind; no call is answered before `serve`.

        Raises:
            PreconditionError: There is no usable identity, or an address cannot be used.
        """
        config = self.parts.config
        if self.parts.enrollment is not None:
            await self.parts.enrollment.obtain()
        table = strategies.Strategies(
            view=self.parts.reconciler, default_slice_ns=config.enforcement.external_slice_ms * 1_000_000
        )
        self.parts.exposition.follow(_readings(self.parts, table))
        async with contextlib.AsyncExitStack() as stack:
            if config.server.grpc_address:
                self.grpc_port = await self._bind(
                    _node_services(self.parts), config.server.grpc_address, _credentials(config)
                )
            await self._bind(_gateway_services(self.parts, table, self._checks), f"unix:{_socket(config)}", None)
            if config.server.health_address:
                await self._bind((), config.server.health_address, None)
            if config.server.metrics_address:
                self.metrics_port = await stack.enter_async_context(
                    exposition.serving(address=config.server.metrics_address, text=self.parts.exposition.text)
                )
            for server in self._servers:
                stack.push_async_callback(server.stop, _STOP_SECONDS)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        """Stop answering, and put everything back if the configuration says so."""
        await self._stack.aclose()
        self.parts.collector.close()
        if self.parts.config.enforcement.restore_on_exit:
            await self.parts.reconciler.withdraw_all()

    async def serve(self) -> None:
        """Work until cancelled: first with what was accepted before, then with what managers say.

        Raises:
            ManagerRefusedError: Managers take this agent for another node's.
        """
        parts = self.parts
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(parts.reconciler.run(), name="reconciler")
                await parts.wanted.load()
                for server in self._servers:
                    await server.start()
                _socket(parts.config).chmod(_SOCKET_MODE)
                self._serving = True
                _log.info("%d intents are in force; looking for a manager", len(parts.wanted.in_force))
                if max_stale := parts.config.enforcement.max_stale_seconds:
                    group.create_task(
                        parts.presence.enforce(max_stale=max_stale, wanted=parts.wanted), name="max stale"
                    )
                if parts.enrollment is not None:
                    group.create_task(parts.enrollment.run(), name="enrollment")
                group.create_task(_client(parts, grpc_port=self.grpc_port).run(), name="session client")
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise
        finally:
            self._serving = False

    async def _bind(self, services: Sequence[Service], address: str, credentials: grpc.ServerCredentials | None) -> int:
        server = channel.create_server(
            (
                context.ContextInterceptor(trust_domain=self.parts.config.identity.trust_domain),
                grpc_errors.ErrorInterceptor(),
                authorization.AuthorizationInterceptor(rules=access.rules(), client_tokens=self.parts.tokens),
                validation.ValidationInterceptor(),
            )
        )
        state = health.aio.HealthServicer()
        for name, add, servicer in services:
            add(servicer, server)
            await state.set(name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        try:
            port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError:
            raise errors.PreconditionError("ADDRESS_UNUSABLE", f"{address} cannot be listened on") from None
        self._servers.append(server)
        return port

    def _checks(self) -> Mapping[str, str]:
        known = self.parts.wanted.known
        return {
            "reconciler": system.OK if self._serving else "it does not run yet",
            "intents": system.OK if known else "the file was unusable, and no manager has said since what is wanted",
        }


def _identity(config: configs.AgentConfig) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    folder = config.path(config.identity.folder)
    return folder / "agent.crt", folder / "agent.key", folder / "ca.crt"


def _credentials(config: configs.AgentConfig) -> grpc.ServerCredentials:
    return tls.server_credentials(*_identity(config), require_client=True)


def _socket(config: configs.AgentConfig) -> pathlib.Path:
    path = config.path(config.server.socket).absolute()
    if len(bytes(path)) > _LONGEST_SOCKET:
        raise errors.PreconditionError(
            "SOCKET_PATH_TOO_LONG", f"server.socket: {path} has more than {_LONGEST_SOCKET} bytes; set a shorter one"
        )
    return path


def _client_tokens(
    config: configs.AgentConfig, *, clock: clocks.Clock, exposition: expositions.Exposition
) -> tokens.ClientTokens:
    own = config.token.rsa_private_key_pem.get_secret_value()
    files: dict[tokens.Scope, pathlib.Path | None] = {
        "SCHEDULER": config.token.scheduler_public_key_file,
        "MANAGER_CLIENT": config.token.manager_public_key_file,
    }
    try:
        clients = {scope: path.read_bytes() for scope, path in files.items() if path}
    except OSError as error:
        raise errors.PreconditionError("KEY_UNUSABLE", f"{error.filename} cannot be read: {error.strerror}") from None
    return tokens.ClientTokens(
        ring=identity_tokens.KeyRing.from_pem(own.encode(), source="token.rsa_private_key_pem")
        if own
        else identity_tokens.KeyRing.load_or_create(config.state_dir / "tokens"),
        clients=clients,
        lifetime=datetime.timedelta(hours=config.token.token_duration_hr),
        clock=clock,
        count=lambda outcome: exposition.tokens.labels(outcome=outcome).inc(),
    )


def _readings(parts: Parts, table: strategies.Strategies) -> expositions.Readings:
    def decisions() -> tuple[int, int]:
        found = parts.reconciler.decisions()
        return len(found), sum(1 for one in found if one.effect.failure)

    return expositions.Readings(
        scheduler=parts.sampler.scheduler,
        usage=parts.reconciler.usage,
        in_force=lambda: parts.wanted.in_force,
        held=lambda: len(parts.wanted.held.intents),
        posted=lambda: len(parts.wanted.posted.intents),
        decisions=decisions,
        silence_seconds=parts.presence.silence,
        omitted=lambda: table.omitted,
    )


def _node_services(parts: Parts) -> Sequence[Service]:
    return (
        (
            "gthulhu.v1.NodeService",
            node_pb2_grpc.add_NodeServiceServicer_to_server,
            node.NodeService(view=parts.reconciler),
        ),
    )


def _gateway_services(
    parts: Parts, table: strategies.Strategies, checks: Callable[[], Mapping[str, str]]
) -> Sequence[Service]:
    return (
        (
            "gthulhu.v1.DecisionMakerService",
            decision_maker_pb2_grpc.add_DecisionMakerServiceServicer_to_server,
            decision_maker.DecisionMakerService(
                node_name=parts.config.node.name,
                view=parts.reconciler,
                table=table,
                posted=parts.wanted,
                client_tokens=parts.tokens,
                report=parts.sampler.report,
                metrics=parts.exposition.text,
                clock=parts.clock,
            ),
        ),
        (
            "gthulhu.v1.SystemService",
            system_pb2_grpc.add_SystemServiceServicer_to_server,
            system.SystemService(checks=checks, clock=parts.clock),
        ),
    )


def _client(parts: Parts, *, grpc_port: int) -> client.Client:
    config, clock = parts.config, parts.clock
    token_file = credentials.TokenFile(
        config.path(config.identity.folder) / "node.token", clock=clock, random=random.SystemRandom()
    )
    own_address = f"{socket.gethostname()}:{grpc_port}" if grpc_port else ""
    me = stream.Node(
        name=config.node.name,
        agent_version=release.version(),
        agent_address=config.server.advertise_address or own_address,
        boot_id=procfs.boot_id(str(config.node.proc_root)),
    )
    return client.Client(
        open_channel=lambda: channel.open_channel(
            config.manager.address,
            tls.channel_credentials(*_identity(config)),
            server_name=config.manager.server_name,
        ),
        identity_renewed=tls.Watched(*_identity(config)).refresh,
        session=lambda: stream.Session(
            node=me,
            wanted=parts.wanted,
            reconciler=parts.reconciler,
            tokens=token_file,
            clock=clock,
            observer=parts.presence,
        ),
        samples=metrics_stream.MetricsStream(
            node=config.node.name,
            sampler=parts.sampler,
            tokens=token_file,
            clock=clock,
            backoff=backoff.FullJitter(clock=clock),
            observer=parts.presence,
        ),
        clock=clock,
        backoff=backoff.FullJitter(clock=clock),
        observer=parts.presence,
    )
