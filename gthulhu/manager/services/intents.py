"""Intents: what strategies have become, and how far."""

import asyncio
import collections
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from typing import Any

import grpc

from gthulhu.common import batches, errors
from gthulhu.manager.distribution import links as link_reader
from gthulhu.manager.distribution import progress as progresses
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, intent, reach, standing
from gthulhu.manager.services import authorization, convert, pages
from gthulhu.v1 import intent_pb2, intent_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Wanted = Callable[[intent.Intent], bool]

_REST_STREAM = "x-rest-stream"
"""The gateway sets it where a stream becomes an HTTP event stream, whose status cannot tell how it ends."""
_TELL_SECONDS = 1.0
"""So long may a client that does not read hold up the end of its stream."""
_AT_ONCE = 500
"""After so many pods other requests get their turn."""

_Read = tuple[intent.Intent, standing.Standing]


class IntentService(intent_pb2_grpc.IntentServiceServicer):
    """See the schema."""

    def __init__(self, *, world: worlds.World, links: link_reader.Links, progress: progresses.Progress) -> None:
        """Read intents from the world, and how far they have come from what replicas share."""
        self._world = world
        self._links = links
        self._progress = progress

    async def ListIntents(  # noqa: N802 - the schema's name
        self, request: intent_pb2.ListIntentsRequest, _context: Context
    ) -> intent_pb2.ListIntentsResponse:
        """See the schema."""

        def wanted(one: intent.Intent) -> bool:
            return (
                request.node in {"", one.node}
                and request.namespace in {"", one.namespace}
                and request.strategy in {"", one.strategy_id}
                and request.pod in {"", one.pod_name, one.pod_uid}
            )

        return await self._page(
            self._uids(node=request.node, namespace=request.namespace, strategy=request.strategy, pod=request.pod),
            wanted,
            state=convert.intent_state(request.state),
            size=request.page_size,
            token=request.page_token,
        )

    async def ListOwnIntents(  # noqa: N802 - the schema's name
        self, request: intent_pb2.ListOwnIntentsRequest, _context: Context
    ) -> intent_pb2.ListIntentsResponse:
        """See the schema."""
        own_id = authorization.current().user_id
        own = {one.id for one in self._world.strategies() if one.creator_id == own_id}
        return await self._page(
            {uid for strategy_id in own for uid in self._world.pods_of(strategy_id)},
            lambda one: one.strategy_id in own,
            state=None,
            size=request.page_size,
            token=request.page_token,
        )

    async def WatchIntents(  # noqa: N802 - the schema's name
        self, request: intent_pb2.WatchIntentsRequest, context: Context
    ) -> AsyncIterator[intent_pb2.WatchIntentsResponse]:
        """See the schema. Ends when what the caller may see changes; nothing that is hidden now is sent then."""
        begun = False
        try:
            async with contextlib.aclosing(self._changes(request)) as changes:
                async for change in changes:
                    begun = True
                    yield change
        except (errors.DomainError, asyncio.CancelledError) as ending:
            reason = ending if isinstance(ending, errors.DomainError) else authorization.ended()
            if begun and reason is not None and _is_rest(context):
                await _tell(context, reason)
            raise

    async def _changes(
        self, request: intent_pb2.WatchIntentsRequest
    ) -> AsyncGenerator[intent_pb2.WatchIntentsResponse, None]:
        caller = authorization.current()

        def wanted(entry: progresses.Entry) -> bool:
            one = entry.intent
            return (
                request.node in {"", one.node}
                and request.namespace in {"", one.namespace}
                and request.strategy in {"", one.strategy_id}
                and reach.may_see_intent(caller, entry.strategy, namespace=one.namespace)
            )

        async with contextlib.aclosing(self._progress.watch(wanted, since=request.since)) as events:
            async for event in events:
                if authorization.current().policies != caller.policies:
                    raise errors.UnavailableError(
                        "PERMISSIONS_CHANGED", "what you may see has changed: watch again from the start", retry_after=1
                    )
                if event is not None:
                    yield _event(event)

    def _uids(self, *, node: str, namespace: str, strategy: str, pod: str) -> Collection[str]:
        """Return the UIDs of pods among which all that the filters select are, by the cheapest of the filters."""
        if strategy:
            return self._world.pods_of(strategy)
        if pod and self._world.pod_by_uid(pod) is not None:
            return (pod,)
        if pod and namespace:
            its = self._world.pod(namespace, pod)
            return () if its is None else (its.uid,)
        if node:
            return self._world.pods_on(node)
        return [one.uid for one in self._world.pods()]

    def _may_see(self, caller: access.Principal) -> Wanted:
        """Return what decides for one answer: few strategies and namespaces, many intents."""

        @functools.cache
        def may_see(strategy_id: str, namespace: str) -> bool:
            value = self._world.strategy(strategy_id)
            return value is not None and reach.may_see_intent(caller, value, namespace=namespace)

        return lambda one: may_see(one.strategy_id, one.namespace)

    async def _page(
        self,
        uids: Collection[str],
        wanted: Wanted,
        *,
        state: intent.IntentState | None,
        size: int,
        token: str,
    ) -> intent_pb2.ListIntentsResponse:
        may_see = self._may_see(authorization.current())
        page = pages.Page[_Read](key=lambda read: _order(read[0]), size=size, token=token)
        counts = collections.Counter[str]()
        uids = tuple(uids)  # pods come and go while others have their turn
        read = await self._links.reader({pod.node for pod in map(self._world.pod_by_uid, uids) if pod is not None})
        for some in batches.of(uids, size=_AT_ONCE):
            found = [
                (one, read(one))
                for uid in some
                for one in self._world.intents_of_pod(uid).values()
                if wanted(one) and may_see(one)
            ]
            counts.update(its.state.value for _, its in found)
            page.add((one, its) for one, its in found if state is None or its.state is state)
            await asyncio.sleep(0)
        chosen, next_token = page.finish()
        return intent_pb2.ListIntentsResponse(
            intents=[convert.intent(one, its) for one, its in chosen],
            next_page_token=next_token,
            state_counts=counts,
        )


def _order(one: intent.Intent) -> pages.Key:
    return one.namespace, one.pod_name, one.strategy_id, one.id


def _event(event: progresses.Event) -> intent_pb2.WatchIntentsResponse:
    if event.entry is not None:
        return intent_pb2.WatchIntentsResponse(
            cursor=event.cursor, updated=convert.intent(event.entry.intent, event.entry.standing)
        )
    if event.removed_id:
        return intent_pb2.WatchIntentsResponse(cursor=event.cursor, removed_id=event.removed_id)
    return intent_pb2.WatchIntentsResponse(cursor=event.cursor, synced=True)


def _is_rest(context: Context) -> bool:
    return any(key == _REST_STREAM for key, _ in context.invocation_metadata() or ())


async def _tell(context: Context, reason: errors.DomainError) -> None:
    """Send a stream's last event, as far as the client still reads."""
    error = intent_pb2.WatchIntentsResponse.Error(code=reason.reason, text=reason.message)
    with contextlib.suppress(TimeoutError, grpc.aio.BaseError):
        async with asyncio.timeout(_TELL_SECONDS):
            await context.write(intent_pb2.WatchIntentsResponse(error=error))
