"""A double of the Kubernetes API server that speaks its real protocol: pages, watches, bookmarks, and what goes wrong.

What it does follows the API concepts of Kubernetes' documentation, and what its API server sends on the wire.
"""

import asyncio
import bisect
import contextlib
import enum
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

Object = dict[str, Any]


class Fault(enum.Enum):
    """What goes wrong with the next request (or with the watch that is open)."""

    GONE_STATUS = "a watch is answered with status 410"
    GONE_EVENT = "a watch sends an ERROR event with code 410"
    EXPIRED_CONTINUE = "the continue token of a list has expired"
    THROTTLED = "status 429 with Retry-After"
    UNAVAILABLE = "status 503"
    CUT_IN_EVENT = "the connection breaks in the middle of an event"
    CUT = "the connection breaks between events"
    DUPLICATES = "a watch sends what it has sent already again"
    GARBAGE = "an event that is no JSON"


_OF_STREAMS = (Fault.GONE_EVENT, Fault.CUT, Fault.CUT_IN_EVENT, Fault.DUPLICATES, Fault.GARBAGE)


class ApiServer:
    """Holds pods and nodes; every change has a resource version of one counter, as in etcd."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[str, dict[str, Object]] = {"pods": {}, "nodes": {}}
        self.history: dict[str, list[tuple[int, str, Object]]] = {"pods": [], "nodes": []}
        self.forgotten = 0
        """Watches from before this version get 410."""
        self.faults: deque[Fault] = deque()
        self.token = ""
        """If set: the bearer token that every request must carry."""
        self.watching = 0
        """Watches that are open."""
        self.lists = 0
        """Lists that were read to the end."""
        self.pages: list[int] = []
        self._lists: dict[str, tuple[int, list[Object]]] = {}
        """What the pages of a resource's list are cut from, and of which version that is."""
        self._news = asyncio.Condition()
        self._stamp = 0
        self._cuts = 0
        self._bookmarks = 0
        self.url = ""
        self.further_routes: list[web.RouteDef] = []
        """What else is answered, for tests of other parts."""

    @contextlib.asynccontextmanager
    async def running(self, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Serve on loopback; the value is the base URL."""
        application = web.Application()
        application.add_routes([web.get("/api/v1/{resource}", self._answer), *self.further_routes])
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"{'https' if tls else 'http'}://{host}:{port}"
            yield self.url
        finally:
            await runner.cleanup()

    # What happens in the cluster.

    async def put(self, resource: str, key: str, item: Object) -> None:
        """Create or change an object."""
        known = key in self.objects[resource]
        await self._record(resource, "MODIFIED" if known else "ADDED", key, item)

    async def delete(self, resource: str, key: str) -> None:
        if key in self.objects[resource]:
            await self._record(resource, "DELETED", key, self.objects[resource][key])

    async def forget(self) -> None:
        """Compact the history: older versions are gone."""
        self.forgotten = self.version

    async def bookmark(self) -> None:
        """Tell all watches how far they are."""
        self.version += 1  # something else in the cluster has changed
        self._bookmarks += 1
        await self._notify()

    async def cut(self) -> None:
        """Break all watches."""
        self._cuts += 1
        await self._notify()

    async def fail(self, fault: Fault) -> None:
        """Let the next request that it can happen to, or an open watch, run into a fault."""
        self.faults.append(fault)
        await self._notify()

    async def _notify(self) -> None:
        async with self._news:
            self._stamp += 1
            self._news.notify_all()

    async def _record(self, resource: str, kind: str, key: str, item: Object) -> None:
        self.version += 1
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        if kind == "DELETED":
            del self.objects[resource][key]
        else:
            self.objects[resource][key] = item
        self.history[resource].append((self.version, kind, item))
        await self._notify()

    # How it is told.

    def _fault(self, *kinds: Fault) -> Fault | None:
        if self.faults and self.faults[0] in kinds:
            return self.faults.popleft()
        return None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.token and request.headers.get("Authorization", "").lower() != f"bearer {self.token}":
            return _status(401, "Unauthorized")
        match self._fault(Fault.THROTTLED, Fault.UNAVAILABLE):
            case Fault.THROTTLED:
                return _status(429, "too many requests", {"Retry-After": "1"})
            case Fault.UNAVAILABLE:
                return _status(503, "apiserver not ready")
        resource = request.match_info["resource"]
        if request.query.get("watch") == "true":
            return await self._watch(resource, request)
        return self._list(resource, request)

    def _list(self, resource: str, request: web.Request) -> web.Response:
        position = request.query.get("continue", "")
        if position and self._fault(Fault.EXPIRED_CONTINUE):
            return _status(410, "The provided continue parameter is too old")
        # A list is consistent: later pages show what the first one was made of.
        version, start = map(int, position.split(":")) if position else (self.version, 0)
        of_version, everything = self._lists.get(resource, (0, []))
        if of_version != version:
            state = self._as_of(resource, version)
            everything = [state[key] for key in sorted(state)]
            self._lists[resource] = version, everything
        limit = int(request.query.get("limit", "0")) or len(everything)
        items = everything[start : start + limit]
        rest = len(everything) - start - len(items)
        about = {"resourceVersion": str(version)}
        if rest > 0:
            about["continue"] = f"{version}:{start + len(items)}"
        else:
            self.lists += 1
        self.pages.append(len(items))
        return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": about, "items": items})

    def _as_of(self, resource: str, version: int) -> dict[str, Object]:
        state: dict[str, Object] = {}
        for changed_at, kind, item in self.history[resource]:
            if changed_at <= version:
                key = item["metadata"].get("uid") if resource == "pods" else item["metadata"]["name"]
                state.pop(key, None) if kind == "DELETED" else state.update({key: item})
        return state

    async def _watch(self, resource: str, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.forgotten or self._fault(Fault.GONE_STATUS):
            return _status(410, "too old resource version")
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        await response.prepare(request)
        self.watching += 1
        try:
            await self._stream(resource, response, since=since)
        except ConnectionError:
            assert request.transport is not None
            request.transport.abort()
        finally:
            self.watching -= 1
        return response

    async def _stream(self, resource: str, response: web.StreamResponse, *, since: int) -> None:
        """Send events until a fault ends it; `ConnectionError` where it should break."""
        cuts, bookmarks = self._cuts, self._bookmarks
        await self._notify()
        while True:
            stamp = self._stamp
            if fault := self._fault(*_OF_STREAMS):
                await self._spoil(fault, resource, response, since=since)
                if fault is Fault.GONE_EVENT:
                    return
            for version, kind, item in self._after(resource, since):
                await _send(response, {"type": kind, "object": item})
                since = version
            if self._cuts > cuts:
                raise ConnectionError
            if self._bookmarks > bookmarks:
                bookmarks = self._bookmarks
                about = {"resourceVersion": str(self.version), "creationTimestamp": None}
                await _send(response, {"type": "BOOKMARK", "object": {"metadata": about}})
            async with self._news:
                await self._news.wait_for(lambda: self._stamp != stamp)  # noqa: B023 - before the next round

    def _after(self, resource: str, since: int) -> list[tuple[int, str, Object]]:
        history = self.history[resource]
        return history[bisect.bisect_right(history, since, key=lambda change: change[0]) :]

    async def _spoil(self, fault: Fault, resource: str, response: web.StreamResponse, *, since: int) -> None:
        match fault:
            case Fault.GONE_EVENT:
                gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                await _send(response, {"type": "ERROR", "object": gone})
            case Fault.GARBAGE:
                await response.write(b"{garbage}\n")
            case Fault.DUPLICATES:
                for version, kind, item in self.history[resource]:
                    if version <= since:
                        await _send(response, {"type": kind, "object": item})
            case Fault.CUT_IN_EVENT:
                await response.write(b'{"type": "ADDED", "object": {"metadata": {"ui')
                raise ConnectionError
            case Fault.CUT:
                raise ConnectionError

    async def watched(self) -> None:
        """Return when both resources are watched."""
        async with self._news:
            await self._news.wait_for(lambda: self.watching >= len(self.objects))


async def _send(response: web.StreamResponse, event: Object) -> None:
    await response.write(json.dumps(event).encode() + b"\n")


def _status(code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return web.json_response(body, status=code, headers=headers)


def a_pod(
    name: str, *, uid: str = "", node: str = "node-1", labels: dict[str, str] | None = None, phase: str = "Running"
) -> Object:
    """Return a pod as the API shows it, with more in it than anybody needs."""
    return {
        "kind": "Pod",
        "metadata": {
            "uid": uid or f"uid-{name}",
            "name": name,
            "namespace": "default",
            "labels": labels or {},
            "managedFields": [{"manager": "kubelet"}],
        },
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "example"}]} if node else {},
        "status": {"phase": phase, "qosClass": "Burstable"},
    }


def a_node(name: str, *, ready: bool = True) -> Object:
    """Return a node as the API shows it."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [condition]}}
