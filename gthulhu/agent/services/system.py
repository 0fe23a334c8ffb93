"""Whether this agent works, and what it is."""

from collections.abc import Callable, Mapping

import grpc

from gthulhu.common import clock as clocks
from gthulhu.common import release
from gthulhu.v1 import system_pb2, system_pb2_grpc

SERVICE = "gthulhu-agent"
OK = "ok"


class SystemService(system_pb2_grpc.SystemServiceServicer):
    """See the schema."""

    def __init__(self, *, checks: Callable[[], Mapping[str, str]], clock: clocks.Clock) -> None:
        """Take what tells of each part `ok`, or what is wrong with it."""
        self._checks = checks
        self._clock = clock

    async def GetHealth(
        self,
        request: system_pb2.GetHealthRequest,
        context: grpc.aio.ServicerContext[system_pb2.GetHealthRequest, system_pb2.GetHealthResponse],
    ) -> system_pb2.GetHealthResponse:
        """See the schema; the gateway takes the HTTP status from the metadata."""
        checks = self._checks()
        healthy = all(text == OK for text in checks.values())
        if not healthy:
            await context.send_initial_metadata((("x-rest-status", "503"),))
        response = system_pb2.GetHealthResponse(
            status="healthy" if healthy else "unhealthy", service=SERVICE, checks=checks
        )
        response.timestamp.FromDatetime(self._clock.now())
        return response

    async def GetVersion(
        self,
        request: system_pb2.GetVersionRequest,
        context: grpc.aio.ServicerContext[system_pb2.GetVersionRequest, system_pb2.GetVersionResponse],
    ) -> system_pb2.GetVersionResponse:
        """See the schema."""
        return system_pb2.GetVersionResponse(
            version=release.version(), git_revision=release.git_revision(), api_versions=release.API_VERSIONS
        )
