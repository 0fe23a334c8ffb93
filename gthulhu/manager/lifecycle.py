"""One replica's life: what is started in which order, and stopped in which other."""

import asyncio
import contextlib
import dataclasses
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.grpc import channel
from gthulhu.common.identity import tls
from gthulhu.manager import config as configs
from gthulhu.manager import metrics as expositions
from gthulhu.manager.distribution import sessions, world
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.store import base as stores

_LOG = logging.getLogger(__name__)

_STOP_SECONDS = 2.0
"""How long calls may go on when the manager stops, after agents have gone."""
_HEALTH_SECONDS = 5.0
"""How often it is looked whether the manager is able to serve."""

_LIVE = "live"
"""The health service's name for: it runs, whatever its store and inventory do."""

Service = tuple[str, Callable[[Any, grpc.aio.Server], None], object]
"""Name, what adds it to a server, and what serves it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one replica is made of."""

    config: configs.ManagerConfig
    clock: clocks.Clock
    replica: str
    """Its name in the store."""
    store: stores.Store
    inventory: inventories.Inventory
    world: world.World
    sessions: sessions.Sessions
    exposition: expositions.Exposition
    services: Sequence[Service]
    enrollment: Service | None
    """Served beside the others, and on a listener of its own to agents that have no certificate yet."""
    interceptors: Sequence[grpc.aio.ServerInterceptor]
    """The outermost first."""
    background: Sequence[Callable[[], Coroutine[object, object, None]]]
    """What runs beside them."""
    prepare: Callable[[], Awaitable[None]]
    """Makes, in the opened store, what has to be there before anybody may call."""
    close: Callable[[], None]
    """Releases what the services hold."""


class Manager:
    """One replica; `async with` starts it, and drains and stops it at the end."""

    def __init__(self, parts: Parts) -> None:
        """Take everything that it is made of."""
        self.parts = parts
        self.grpc_port = 0
        """Where it listens, once started; made up by the kernel where the configured port is 0."""
        self.enrollment_port = 0
        """As above, for agents that have no certificate yet; 0 where there is no such listener."""
        self.health_port = 0
        """As above, of its health without TLS."""
        self.metrics_port = 0
        """As above, of its Prometheus metrics; 0 where there are none."""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the store, start to follow it and the inventory, and listen.

        Raises:
            DomainError: The store, the identity or an address cannot be used; says why.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> bool | None:
        """Ask agents to go, let calls end, and stop."""
        return await self._stack.__aexit__(kind, error, traceback)

    async def serve(self) -> None:
        """Serve until cancelled; what fails in the background ends the `async with`, which raises it."""
        await asyncio.Event().wait()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        parts = self.parts
        await parts.store.open()
        stack.push_async_callback(parts.store.close)
        stack.callback(parts.close)
        await parts.prepare()
        checks = health.aio.HealthServicer()
        await checks.set(_LIVE, health_pb2.HealthCheckResponse.SERVING)
        await checks.set(health.OVERALL_HEALTH, health_pb2.HealthCheckResponse.NOT_SERVING)  # not before it is synced
        server = self._listen(checks)
        enrolling = self._listen_for_enrollment()
        probed = self._listen_for_probes(checks)
        if parts.config.server.metrics_address:
            self.metrics_port = stack.enter_context(parts.exposition.served(parts.config.server.metrics_address))
        # What can be wrong with the configuration has been seen by now: a task group wraps what is raised within it.
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for work in (
            parts.world.run(store=parts.store, inventory=parts.inventory),
            parts.sessions.run(),
            self._follow_health(checks),
            *(begin() for begin in parts.background),
        ):
            stack.callback(tasks.create_task(work).cancel)
        if probed is not None:
            await probed.start()
            stack.push_async_callback(probed.stop, _STOP_SECONDS)
        await server.start()
        stack.push_async_callback(self._stop, server, checks)
        if enrolling is not None:
            await enrolling.start()
            stack.push_async_callback(enrolling.stop, _STOP_SECONDS)
            _LOG.info("agents can enrol on port %d", self.enrollment_port)
        _LOG.info("manager %s listens on port %d", parts.replica, self.grpc_port)

    def _listen(self, checks: health.aio.HealthServicer) -> grpc.aio.Server:
        parts = self.parts
        server = channel.create_server(parts.interceptors)
        services = (*parts.services, parts.enrollment) if parts.enrollment else parts.services
        for _, add, servicer in services:
            add(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        if parts.config.server.reflection:
            names = (name for name, _, _ in services)
            reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        self.grpc_port = self._bind(server, "grpc_address", require_client=True)
        return server

    def _listen_for_enrollment(self) -> grpc.aio.Server | None:
        """Return a server that knows nothing but how to enrol, for clients that show no certificate."""
        parts = self.parts
        if parts.enrollment is None or not parts.config.server.enrollment_address:
            return None
        server = channel.create_server(parts.interceptors)
        _, add, servicer = parts.enrollment
        add(servicer, server)
        self.enrollment_port = self._bind(server, "enrollment_address", require_client=False)
        return server

    def _listen_for_probes(self, checks: health.aio.HealthServicer) -> grpc.aio.Server | None:
        """Return a server that knows nothing but how the manager is, for a kubelet, which shows no certificate."""
        if not self.parts.config.server.health_address:
            return None
        server = channel.create_server(())
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        self.health_port = self._bind(server, "health_address", require_client=None)
        return server

    def _bind(self, server: grpc.aio.Server, setting: str, *, require_client: bool | None) -> int:
        """Let a server listen on the address of a setting, without TLS for None; returns the port."""
        config = self.parts.config
        folder = config.path(config.identity.folder)
        address = getattr(config.server, setting)
        try:
            if require_client is None:
                return server.add_insecure_port(address)
            credentials = tls.server_credentials(
                folder / "manager.crt", folder / "manager.key", folder / "ca.crt", require_client=require_client
            )
            return server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise errors.PreconditionError("ADDRESS_UNUSABLE", f"server.{setting} {address!r}: {error}") from error

    async def _follow_health(self, checks: health.aio.HealthServicer) -> None:
        """Tell gRPC's health service whether the manager is able to serve."""
        while True:
            able = await self.parts.world.wait_for(timeout=_HEALTH_SECONDS)
            try:
                await self.parts.store.check()
            except errors.UnavailableError as error:
                _LOG.warning("the store cannot be used: %s", error.message)
                able = False
            status = health_pb2.HealthCheckResponse
            await checks.set(health.OVERALL_HEALTH, status.SERVING if able else status.NOT_SERVING)
            await self.parts.clock.sleep(_HEALTH_SECONDS if able else 0)

    async def _stop(self, server: grpc.aio.Server, checks: health.aio.HealthServicer) -> None:
        await checks.enter_graceful_shutdown()
        await self.parts.sessions.drain()
        await server.stop(_STOP_SECONDS)
