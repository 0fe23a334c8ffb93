"""Strategies: what users want, kept and tried."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.distribution import trial
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import access, naming, reach, scope, strategy, validation
from gthulhu.manager.services import authorization, convert, pages, settling, trail
from gthulhu.manager.store import base
from gthulhu.v1 import strategy_pb2, strategy_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Result = TypeVar("Result")

_LISTED = 5000
"""Pods in an answer to preview, which must stay below gRPC's 4 MiB."""
_ATTEMPTS = 5
"""Of a change that does not mind what was there before."""


class StrategyService(strategy_pb2_grpc.StrategyServiceServicer):
    """See the schema."""

    def __init__(self, *, world: worlds.World, store: base.Store, clock: clocks.Clock) -> None:
        """Keep strategies in a store; what follows from them is read from the world."""
        self._world = world
        self._store = store
        self._clock = clock

    async def CreateStrategy(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.CreateStrategyRequest, _context: Context
    ) -> strategy_pb2.ScheduleStrategy:
        """See the schema."""
        caller = authorization.current()
        value = self._written(caller, request.strategy, strategy_id=naming.new_id())
        value = dataclasses.replace(
            value, name=value.name or naming.name_for(value), apply_set=request.strategy.apply_set
        )
        _check_creator(value, caller)
        audit = self._audit(caller, "strategy.create", after=value)
        return await self._stored(await self._store.put_strategy(value, expected_etag=None, audit=audit))

    async def ListStrategies(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.ListStrategiesRequest, _context: Context
    ) -> strategy_pb2.ListStrategiesResponse:
        """See the schema."""

        def wanted(value: strategy.Strategy) -> bool:
            return request.strategy_namespace in {"", value.namespace} and request.name in {"", value.name}

        return await self._page(wanted, size=request.page_size, token=request.page_token)

    async def ListOwnStrategies(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.ListOwnStrategiesRequest, _context: Context
    ) -> strategy_pb2.ListStrategiesResponse:
        """See the schema."""
        own_id = authorization.current().user_id
        return await self._page(
            lambda value: value.creator_id == own_id, size=request.page_size, token=request.page_token
        )

    async def GetStrategy(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.GetStrategyRequest, _context: Context
    ) -> strategy_pb2.ScheduleStrategy:
        """See the schema."""
        value = await self._store.get_strategy(request.strategy_id)
        if value is None or not reach.may_see(authorization.current(), value):
            raise _not_found(request.strategy_id)
        return self._shown(value)

    async def UpdateStrategy(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.UpdateStrategyRequest, _context: Context
    ) -> strategy_pb2.ScheduleStrategy:
        """See the schema."""
        caller = authorization.current()

        async def update(before: strategy.Strategy) -> strategy.Strategy:
            now = self._clock.now()
            after = dataclasses.replace(
                convert.written(
                    request, strategy_id=before.id, creator_id=before.creator_id, creator=before.creator, now=now
                ),
                name=request.name or before.name,
                namespace=request.strategy_namespace or before.namespace,
                apply_set=before.apply_set,
                created_at=before.created_at,
            )
            validation.check(after, now=now, before=before)
            if not reach.may_change(caller, reach.UPDATE, after):
                raise _not_allowed(after, reach.UPDATE)
            if after.creator_id == caller.user_id:
                _check_creator(after, caller)
            audit = self._audit(caller, "strategy.update", before=before, after=after)
            return await self._store.put_strategy(after, expected_etag=before.etag, audit=audit)

        return await self._stored(
            await self._change(request.strategy_id, etag=request.etag, permission=reach.UPDATE, change=update)
        )

    async def DeleteStrategy(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.DeleteStrategyRequest, _context: Context
    ) -> empty_pb2.Empty:
        """See the schema."""
        caller = authorization.current()

        async def delete(before: strategy.Strategy) -> None:
            audit = self._audit(caller, "strategy.delete", before=before)
            await self._store.delete_strategy(before.id, expected_etag=before.etag, audit=audit)

        await self._change(request.strategy_id, etag=request.etag, permission=reach.DELETE, change=delete)
        await settling.settle(self._world, self._store)
        return empty_pb2.Empty()

    async def PreviewStrategy(  # noqa: N802 - the schema's name
        self, request: strategy_pb2.PreviewStrategyRequest, _context: Context
    ) -> strategy_pb2.PreviewStrategyResponse:
        """See the schema. What has the name already is taken for what is to be replaced."""
        caller = authorization.current()
        value = self._written(caller, request.strategy, strategy_id=naming.new_id())
        replaced = self._named(value, caller)
        if replaced is not None:
            value = dataclasses.replace(
                value, id=replaced.id, creator_id=replaced.creator_id, created_at=replaced.created_at
            )
        return _preview(await trial.run(self._world, value))

    def _written(
        self, caller: access.Principal, message: strategy_pb2.ScheduleStrategy, *, strategy_id: str
    ) -> strategy.Strategy:
        now = self._clock.now()
        value = convert.written(
            message,
            strategy_id=strategy_id,
            creator_id=caller.user_id,
            creator=caller.username,
            now=now,
            prefix="strategy.",
        )
        validation.check(value, now=now, prefix="strategy.")
        return value

    async def _change(
        self,
        strategy_id: str,
        *,
        etag: str,
        permission: str,
        change: Callable[[strategy.Strategy], Awaitable[Result]],
    ) -> Result:
        """Change what is there; where the caller has given no etag, whatever that is by now."""
        caller = authorization.current()
        for attempt in range(_ATTEMPTS):
            before = await self._store.get_strategy(strategy_id)
            if before is None:
                raise _not_found(strategy_id)
            if not reach.may_change(caller, permission, before):
                raise _not_allowed(before, permission) if reach.may_see(caller, before) else _not_found(strategy_id)
            if etag and etag != before.etag:
                raise errors.ConflictError(
                    "ETAG_MISMATCH", f'strategy {before.name} has been changed meanwhile: etag "{before.etag}"'
                )
            try:
                return await change(before)
            except errors.ConflictError as error:
                if etag or error.reason != "ETAG_MISMATCH" or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    async def _page(
        self, wanted: Callable[[strategy.Strategy], bool], *, size: int, token: str
    ) -> strategy_pb2.ListStrategiesResponse:
        caller = authorization.current()
        found, next_token = pages.page(
            (one for one in await self._store.list_strategies() if wanted(one) and reach.may_see(caller, one)),
            key=lambda one: (one.namespace, one.name),
            size=size,
            token=token,
        )
        return strategy_pb2.ListStrategiesResponse(strategies=map(self._shown, found), next_page_token=next_token)

    def _shown(self, value: strategy.Strategy) -> strategy_pb2.ScheduleStrategy:
        return convert.strategy(value, state=self._world.state_of(value), matched_pods=len(self._world.select(value)))

    async def _stored(self, value: strategy.Strategy) -> strategy_pb2.ScheduleStrategy:
        await settling.settle(self._world, self._store)
        shown = self._shown(value)
        shown.warnings.extend((await trial.run(self._world, value)).warnings)
        return shown

    def _named(self, value: strategy.Strategy, caller: access.Principal) -> strategy.Strategy | None:
        """Return the strategy that has the name of a new one already, as far as the caller may know."""
        for one in self._world.strategies():
            if (one.namespace, one.name) == (value.namespace, value.name) and reach.may_see(caller, one):
                return one
        return None

    def _audit(
        self,
        caller: access.Principal,
        action: str,
        *,
        before: strategy.Strategy | None = None,
        after: strategy.Strategy | None = None,
    ) -> base.AuditEntry:
        its = after or before
        return trail.entry(
            caller,
            action,
            target=f"strategy/{its.id}" if its else "",
            before=convert.strategy(before) if before else None,
            after=convert.strategy(after) if after else None,
            now=self._clock.now(),
        )


def _check_creator(value: strategy.Strategy, caller: access.Principal) -> None:
    """Raise where the caller may not be the creator of a strategy: it would be suspended at once."""
    its = scope.of(value, caller)
    if its.permitted:
        return
    folders = {policy.policy_namespace for policy in access.grants(caller, scope.CREATE)}
    if not folders & {"", value.namespace}:
        raise errors.PermissionDeniedError(
            "STRATEGY_NAMESPACE_NOT_ALLOWED",
            f"your roles do not allow {scope.CREATE} in strategyNamespace {value.namespace}",
        )
    raise errors.PermissionDeniedError(
        "K8S_NAMESPACE_NOT_ALLOWED",
        f"your roles do not allow strategies for k8sNamespace {', '.join(its.lacking)}",
    )


def _not_allowed(value: strategy.Strategy, permission: str) -> errors.PermissionDeniedError:
    return errors.PermissionDeniedError(
        "STRATEGY_NOT_ALLOWED",
        f"your roles do not allow {permission} for strategy {value.name} of strategyNamespace {value.namespace} "
        f"and k8sNamespace {', '.join(value.k8s_namespaces) or '(every one)'}",
    )


def _not_found(strategy_id: str) -> errors.NotFoundError:
    return errors.NotFoundError("STRATEGY_NOT_FOUND", f"there is no strategy {strategy_id}")


def _preview(tried: trial.Trial) -> strategy_pb2.PreviewStrategyResponse:
    nodes: dict[str, strategy_pb2.PreviewStrategyResponse.Node] = {}
    for one in tried.outcomes[:_LISTED]:
        node = nodes.setdefault(one.pod.node, strategy_pb2.PreviewStrategyResponse.Node(node_id=one.pod.node))
        node.pods.add(
            pod_id=one.pod.uid,
            pod_name=one.pod.name,
            k8s_namespace=one.pod.namespace,
            supersedes=one.supersedes,
            superseded_by=one.superseded_by,
        )
    left = len(tried.outcomes) - _LISTED
    return strategy_pb2.PreviewStrategyResponse(
        nodes=nodes.values(),
        matched_pods=len(tried.outcomes),
        warnings=[*tried.warnings, *([f"the last {left} pods are not listed"] if left > 0 else ())],
    )
