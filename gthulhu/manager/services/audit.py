"""Shows who did what; entries are made by `trail`."""

from typing import Any

import grpc
from google.protobuf import json_format

from gthulhu.common import errors
from gthulhu.manager.services import convert
from gthulhu.manager.store import base
from gthulhu.v1 import audit_pb2, audit_pb2_grpc

_PAGE = 100
_DIGITS = 18
"""Of the highest id that can be asked for; what is longer does not fit 64 bits."""


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
            since=convert.time(request.since, field="since") if request.HasField("since") else None,
            until=convert.time(request.until, field="until") if request.HasField("until") else None,
        )
        found = await self._store.list_audit(query, limit=limit + 1, before_id=_position(request.page_token))
        shown = found[:limit]
        return audit_pb2.ListAuditLogsResponse(
            audit_logs=[_message(one) for one in shown],
            next_page_token=str(shown[-1].id) if len(found) > limit else "",
        )


def _position(token: str) -> int | None:
    if not token:
        return None
    if not token.isascii() or not token.isdigit() or len(token) > _DIGITS:
        raise errors.InvalidInputError.of_field("pageToken", f"{token[:32]!r} is not from an earlier answer")
    return int(token)


def _message(one: base.AuditEntry) -> audit_pb2.AuditLog:
    message = audit_pb2.AuditLog(
        id=one.id,
        time=convert.timestamp(one.time),
        actor_id=one.actor_id,
        actor=one.actor,
        address=one.address,
        action=one.action,
        target=one.target,
        request_id=one.request_id,
    )
    if one.before is not None:
        json_format.ParseDict(dict(one.before), message.before)
    if one.after is not None:
        json_format.ParseDict(dict(one.after), message.after)
    return message
