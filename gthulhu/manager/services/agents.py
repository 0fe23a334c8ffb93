"""Asks a node's agent, from whichever replica was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import grpc

from gthulhu.common import errors
from gthulhu.common.grpc import channel as channels
from gthulhu.common.identity import pki
from gthulhu.manager.distribution import links
from gthulhu.v1 import node_pb2, node_pb2_grpc

TIMEOUT_SECONDS = 2.0


class AgentCaller:
    """Calls agents' NodeService over mTLS; people ask seldom, so a channel lives for one call only."""

    def __init__(
        self,
        *,
        nodes: links.Links,
        credentials: Callable[[], grpc.ChannelCredentials],
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Take what knows where agents are, what returns the manager's own credentials, and the seconds to wait."""
        self._nodes = nodes
        self._credentials = credentials
        self._timeout = timeout

    async def processes(self, node: str) -> node_pb2.ListPodProcessesResponse:
        """Return a node's pods and their processes; `UnavailableError` (`NODE_UNREACHABLE`)."""
        async with self._reach(node) as stub:
            answer: node_pb2.ListPodProcessesResponse = await stub.ListPodProcesses(node_pb2.ListPodProcessesRequest())
            return answer

    async def decisions(self, node: str, *, pod_uid: str) -> node_pb2.ListDecisionsResponse:
        """Return what the processes of a pod get, and have got; `UnavailableError` (`NODE_UNREACHABLE`)."""
        async with self._reach(node) as stub:
            answer: node_pb2.ListDecisionsResponse = await stub.ListDecisions(
                node_pb2.ListDecisionsRequest(pod_uid=pod_uid)
            )
            return answer

    @contextlib.asynccontextmanager
    async def _reach(self, node: str) -> AsyncIterator[node_pb2_grpc.NodeServiceStub]:
        session = await self._nodes.session(node)
        if session is None or not session.agent_address:
            raise _unreachable(node, "its agent has no live session")
        try:
            async with (
                asyncio.timeout(self._timeout),
                channels.open_channel(
                    session.agent_address, self._credentials(), server_name=pki.agent_server_name(node)
                ) as channel,
            ):
                yield node_pb2_grpc.NodeServiceStub(channel)
        except TimeoutError:
            raise _unreachable(node, f"no answer from {session.agent_address} in {self._timeout:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise _unreachable(node, f"{session.agent_address} answered {error.code().name}") from error


def _unreachable(node: str, why: str) -> errors.UnavailableError:
    return errors.UnavailableError("NODE_UNREACHABLE", f"node {node} cannot be asked now: {why}", retry_after=1)
