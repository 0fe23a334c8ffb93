"""Writes down who does what, and shows it."""

import dataclasses
import datetime
import enum
import json
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import timestamp_pb2

from gthulhu.common import errors
from gthulhu.common.grpc import context as contexts
from gthulhu.manager.domain import access
from gthulhu.manager.services import authorization
from gthulhu.manager.store import base
from gthulhu.v1 import audit_pb2, audit_pb2_grpc

_PAGE = 100
_DIGITS = 18
"""Of the highest id that can be asked for; what is longer does not fit 64 bits."""
_SECRET = frozenset({"password_hash", "token_generation"})
_BOOKKEEPING = frozenset({"etag"})


def entry(
    action: str,
    target: str,
    *,
    time: datetime.datetime,
    before: object = None,
    after: object = None,
    actor: access.User | access.Principal | str | None = None,
) -> base.AuditEntry:
    """Return the entry for something that the request being served does.

    Args:
        action: Resource and verb with a dot between, for example `strategy.create`.
        target: Resource and id with a slash between.
        time: Now.
        before: The thing as it was: a dataclass of the domain; None where it is new.
        after: The thing as it will be; None where it goes.
        actor: Who does it, where that is not the caller; a text is a name that nobody has proven to have.
    """
    request = _request()
    who = authorization.current() if actor is None else actor
    return base.AuditEntry(
        time=time,
        actor_id=who.user_id if isinstance(who, access.Principal) else who.id if isinstance(who, access.User) else "",
        actor=who if isinstance(who, str) else who.username,
        address=request.address if request else "",
        request_id=request.id if request else "",
        action=action,
        target=target,
        before=_plain(before),
        after=_plain(after),
    )


class AuditService(audit_pb2_grpc.AuditServiceServicer):
    """See the schema."""

    def __init__(self, *, store: base.Store) -> None:
        """Show a store's entries."""
        self._store = store

    async def ListAuditLogs(  # noqa: N802 - the schema's name
        self, request: audit_pb2.ListAuditLogsRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_pb2.ListAuditLogsResponse:
        """See the schema."""
        limit = request.page_size or _PAGE
        query = base.AuditFilter(
            actor=request.actor,
            action=request.action,
            target=request.target,
            since=_time(request, "since"),
            until=_time(request, "until"),
        )
        found = await self._store.list_audit(query, limit=limit + 1, before_id=_position(request.page_token))
        shown = found[:limit]
        return audit_pb2.ListAuditLogsResponse(
            audit_logs=[_message(one) for one in shown],
            next_page_token=str(shown[-1].id) if len(found) > limit else "",
        )


def _request() -> contexts.RequestContext | None:
    try:
        return contexts.current()
    except LookupError:
        return None


def _plain(thing: object) -> Mapping[str, object] | None:
    """Return a thing of the domain as JSON knows it, without secrets."""
    if thing is None:
        return None
    if not dataclasses.is_dataclass(thing) or isinstance(thing, type):
        raise TypeError(f"{thing!r} is no thing of the domain")
    shown = {
        field.name: getattr(thing, field.name)
        for field in dataclasses.fields(thing)
        if field.name not in _SECRET | _BOOKKEEPING
    }
    return dict(json.loads(json.dumps(shown, default=_json)))


def _json(value: Any) -> object:  # noqa: ANN401 - whatever json does not know
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    return dataclasses.asdict(value)


def _position(token: str) -> int | None:
    if not token:
        return None
    if not token.isascii() or not token.isdigit() or len(token) > _DIGITS:
        raise errors.InvalidInputError.of_field("pageToken", f"{token[:32]!r} is none that an answer has returned")
    return int(token)


def _time(request: audit_pb2.ListAuditLogsRequest, field: str) -> datetime.datetime | None:
    if not request.HasField(field):
        return None
    try:
        value: timestamp_pb2.Timestamp = getattr(request, field)
        return value.ToDatetime(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        raise errors.InvalidInputError.of_field(field, "is not a time between the years 1 and 9999") from None


def _message(one: base.AuditEntry) -> audit_pb2.AuditLog:
    message = audit_pb2.AuditLog(
        id=one.id,
        actor_id=one.actor_id,
        actor=one.actor,
        address=one.address,
        action=one.action,
        target=one.target,
        request_id=one.request_id,
    )
    message.time.FromDatetime(one.time)
    for field in ("before", "after"):
        content = getattr(one, field)
        if content is not None:
            getattr(message, field).update(content)
    return message
