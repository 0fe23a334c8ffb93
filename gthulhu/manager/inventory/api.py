"""The Kubernetes API over HTTP, as far as an informer needs it: pages of a list, and the events of a watch.

Only the client's transport is used (TLS, proxies, tokens that are reread, kubeconfig with its plugins): its own Watch
replays events and takes 410 for the end. See "Efficient detection of changes" in the Kubernetes API concepts:
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import contextlib
import json
import pathlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import config as kubeconfig
from kubernetes.aio.client import api_client, configuration

_CONNECT_SECONDS = 10.0
_LIST_SECONDS = 60.0
"""For one page."""
_SILENCE_SECONDS = 90.0
"""Of a watch: servers send a bookmark about every minute, so that longer silence means a connection that is lost."""

Object = Mapping[str, Any]
"""As JSON."""


class TroubleError(Exception):
    """It did not work, and may work later."""

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        """Take what happened, and how many seconds the server wants to be left alone."""
        super().__init__(message)
        self.retry_after = retry_after


class GoneError(Exception):
    """The server has forgotten the resource version, or the position in a list: list again from the start."""


class Api:
    """Reads lists and watches; connects when it is first used."""

    def __init__(self, connect: Callable[[], Awaitable[api_client.ApiClient]]) -> None:
        """Take what makes the client: see `in_cluster` and `from_file`."""
        self._connect = connect
        self._client: api_client.ApiClient | None = None

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def page(self, path: str, *, limit: int, position: str) -> Object:
        """Return a page of a list, from a position ("": the start) that the page before gave."""
        query = {"limit": str(limit)} | ({"continue": position} if position else {})
        async with self._request(path, query, limits=aiohttp.ClientTimeout(total=_LIST_SECONDS)) as response:
            content = await response.read()
        page = await asyncio.to_thread(json.loads, content)  # some megabytes: too long for the event loop
        if not isinstance(page, dict):
            raise TroubleError("a list that is none")
        return page

    async def watch(self, path: str, *, version: str, seconds: int) -> AsyncGenerator[Object, None]:
        """Yield events after a resource version, bookmarks too; ends when the server has had enough.

        Raises:
            GoneError: The version is too old.
            TroubleError: Anything else.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
        async with self._request(path, query, limits=limits) as response:
            async for line in _lines(response.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    _raise_status(event["object"].get("code", 0), str(event["object"].get("message", "")), None)
                _ = event["object"]["metadata"]["resourceVersion"]  # an event without is no event
                yield event

    @contextlib.asynccontextmanager
    async def _request(
        self, path: str, query: Mapping[str, str], *, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            if self._client is None:
                self._client = await self._connect()
            method, url, headers, *_ = await self._client.param_serialize(
                "GET",
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            answer = await self._client.rest_client.request(method, url, headers=headers, _request_timeout=limits)
            async with answer.response as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                    _raise_status(response.status, await response.text(), response.headers.get("Retry-After"))
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, kubeconfig.ConfigException) as error:
            raise TroubleError(f"{path}: {error or type(error).__name__}") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines of any length; what comes after the last line break was cut off, and is dropped."""
    rest = bytearray()
    async for piece in content.iter_any():
        *lines, last = piece.split(b"\n")
        if lines:
            yield bytes(rest) + lines[0]
            for line in lines[1:]:
                yield line
            rest.clear()
        rest += last


def _raise_status(status: int, text: str, retry_after: str | None) -> None:
    if status == 410:  # noqa: PLR2004 - HTTP's Gone
        raise GoneError(text)
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    raise TroubleError(f"status {status}: {text[:200]}", retry_after=seconds)


def in_cluster() -> Callable[[], Awaitable[api_client.ApiClient]]:
    """Return what connects with a pod's service account."""

    async def connect() -> api_client.ApiClient:
        settings = configuration.Configuration()
        kubeconfig.load_incluster_config(client_configuration=settings)
        return api_client.ApiClient(configuration=settings)

    return connect


def from_file(path: pathlib.Path) -> Callable[[], Awaitable[api_client.ApiClient]]:
    """Return what connects as a kubeconfig file says."""

    async def connect() -> api_client.ApiClient:
        client: api_client.ApiClient = await kubeconfig.new_client_from_config(
            config_file=str(path), persist_config=False
        )
        return client

    return connect
