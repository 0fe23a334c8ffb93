"""Whether this manager can serve, and what it is."""

import asyncio
import importlib.metadata
from typing import Any

import grpc

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.common.grpc import errors as grpc_errors
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.services import convert
from gthulhu.manager.store import base
from gthulhu.v1 import system_pb2, system_pb2_grpc

NAME = "gthulhu-manager"
OK = "ok"
API_VERSIONS = ("v1",)

_CHECK_SECONDS = 2.0
_UNHEALTHY = (grpc_errors.REST_STATUS, "503")


class SystemService(system_pb2_grpc.SystemServiceServicer):
    """See the schema."""

    def __init__(
        self, *, world: worlds.World, store: base.Store, clock: clocks.Clock, git_revision: str = "unknown"
    ) -> None:
        """Check a store and a world; `git_revision` is what the package was built from."""
        self._world = world
        self._store = store
        self._clock = clock
        self._git_revision = git_revision

    async def GetHealth(  # noqa: N802 - the schema's name
        self, _request: system_pb2.GetHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> system_pb2.GetHealthResponse:
        """See the schema."""
        checks = {"store": await self._check_store(), "inventory": self._check_inventory()}
        healthy = all(check == OK for check in checks.values())
        if not healthy:
            context.set_trailing_metadata((_UNHEALTHY,))
        return system_pb2.GetHealthResponse(
            status="healthy" if healthy else "unhealthy",
            service=NAME,
            timestamp=convert.timestamp(self._clock.now()),
            checks=checks,
        )

    async def GetVersion(  # noqa: N802 - the schema's name
        self, _request: system_pb2.GetVersionRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> system_pb2.GetVersionResponse:
        """See the schema."""
        return system_pb2.GetVersionResponse(
            version=importlib.metadata.version("gthulhu"), git_revision=self._git_revision, api_versions=API_VERSIONS
        )

    async def _check_store(self) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._store.check()
        except errors.DomainError as error:
            return error.message
        except TimeoutError:
            return f"no answer in {_CHECK_SECONDS:g} s"
        return OK

    def _check_inventory(self) -> str:
        return OK if self._world.inventory_synced else "not read yet"
