"""Pods and nodes of a cluster, live: an informer of our own over `api`.

For each of both resources there is one endless stream, in layers: a watch ends now and then, or breaks, and goes on
from where it was; a version that the server has forgotten means to list again (`_follow`). What both streams say is
merged into one view, from which the consumer takes what has changed since it last looked (`_View`): so a slow consumer
costs no memory, and nothing is shown before both lists are complete.
"""

import asyncio
import contextlib
import gc
import logging
import random
import sys
from collections.abc import AsyncIterator

from gthulhu.common import backoff
from gthulhu.common import clock as clocks
from gthulhu.manager.domain import pod as pods
from gthulhu.manager.inventory import api, base, tables

_LOG = logging.getLogger(__name__)

_PAGE = 500
"""What Kubernetes' own clients use."""
_WATCH_SECONDS = (240, 480)
"""A watch ends after a time between these: replicas that began together do not come back together."""
_SHORT_SECONDS = 1.0
"""A watch that ends sooner has not worked."""
_FINISHED = ("Succeeded", "Failed")


class KubernetesInventory:
    """See `base.Inventory`."""

    def __init__(self, *, server: api.Api, source: str, clock: clocks.Clock, page: int = _PAGE) -> None:
        """Follow a cluster.

        Args:
            server: Its API.
            source: Names the cluster: the same for all replicas.
            clock: Paces what is tried again.
            page: Objects of one page of a list.
        """
        self.source = source
        self._api = server
        self._clock = clock
        self._page = page

    async def watch(self) -> AsyncIterator[base.InventoryChange]:
        """See `base.Inventory.watch`."""
        view = _View()
        tasks = [
            asyncio.create_task(self._feed(view, view.pods), name="inventory: pods"),
            asyncio.create_task(self._feed(view, view.nodes), name="inventory: nodes"),
        ]
        for task in tasks:
            task.add_done_callback(lambda _: view.news.set())
        try:
            while True:
                await view.news.wait()
                for task in tasks:
                    if task.done():
                        task.result()
                if (change := view.take()) is not None:
                    yield change
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._api.close()

    async def _feed(self, view: "_View", table: tables.Table[pods.Pod] | tables.Table[pods.Node]) -> None:
        """Follow one resource: lists, watches, and lists again where the server has forgotten too much."""
        pause = backoff.FullJitter(clock=self._clock)
        following = False
        while True:
            wanted = 0.0
            began = self._clock.monotonic()
            try:
                if not following:
                    await self._list(table)
                    following = True
                    view.news.set()
                await self._watch(view, table)
            except api.GoneError:
                _LOG.info("%s: listing again, because the server has forgotten version %s", table.path, table.version)
                following = False
            except api.TroubleError as error:
                _LOG.warning("%s; the last good view stays in use", error)
                wanted = error.retry_after
            if self._clock.monotonic() - began >= _SHORT_SECONDS and not wanted:
                pause.reset()
            else:
                await self._clock.sleep(max(wanted, pause.next()))

    async def _list(self, table: tables.Table[pods.Pod] | tables.Table[pods.Node]) -> None:
        """Replace a table's content, when the last page is there."""
        listing = table.listing()
        position = ""
        while True:
            page = await self._api.page(table.path, limit=self._page, position=position)
            for one in page.get("items") or ():
                listing.add(one)
            if not table.complete:
                gc.freeze()  # as the world does: what is here to stay is gone through again and again otherwise
            about = page.get("metadata") or {}
            position = about.get("continue") or ""
            if not position:
                listing.finish(version=about.get("resourceVersion") or "0")
                return

    async def _watch(self, view: "_View", table: tables.Table[pods.Pod] | tables.Table[pods.Node]) -> None:
        seconds = random.randint(*_WATCH_SECONDS)  # noqa: S311 - spreads load
        events = self._api.watch(table.path, version=table.version, seconds=seconds)
        async with contextlib.aclosing(events):
            async for event in events:
                table.take(event)
                view.news.set()


class _View:
    """What both resources hold, and what of it has not been taken yet."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.pods = tables.Table(path="/api/v1/pods", read=_pod, key=lambda one: one.uid)
        self.nodes = tables.Table(path="/api/v1/nodes", read=_node, key=lambda one: one.name)

    def take(self) -> base.InventoryChange | None:
        """Return what has changed since the last time; None while a list is not complete, or where nothing has.

        Versions are those of pods: intents depend on nothing else.
        """
        self.news.clear()
        if not (self.pods.complete and self.nodes.complete):
            return None
        if self.pods.replaced or self.nodes.replaced:
            self.pods.forget_changes()
            self.nodes.forget_changes()
            return base.InventoryChange(
                version=self.pods.changed_at,
                seen=self.pods.seen,
                pods=tuple(self.pods.all.values()),
                nodes=tuple(self.nodes.all.values()),
                complete=True,
            )
        changed_pods, removed_pods = self.pods.changes()
        changed_nodes, removed_nodes = self.nodes.changes()
        return base.InventoryChange(
            version=self.pods.changed_at,
            seen=self.pods.seen,
            pods=changed_pods,
            removed_pods=removed_pods,
            nodes=changed_nodes,
            removed_nodes=removed_nodes,
        )


def _pod(item: api.Object) -> pods.Pod:
    about, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return pods.Pod(
        uid=about["uid"],
        name=about["name"],
        namespace=sys.intern(about["namespace"]),
        node=sys.intern(spec.get("nodeName") or ""),
        labels={sys.intern(key): sys.intern(value) for key, value in (about.get("labels") or {}).items()},
        qos=_qos(status.get("qosClass") or ""),
        finished=status.get("phase") in _FINISHED,
    )


def _qos(name: str) -> pods.QosClass:
    try:
        return pods.QosClass(name)
    except ValueError:
        return pods.QosClass.BURSTABLE


def _node(item: api.Object) -> pods.Node:
    conditions = (item.get("status") or {}).get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return pods.Node(name=sys.intern(item["metadata"]["name"]), ready=ready)
