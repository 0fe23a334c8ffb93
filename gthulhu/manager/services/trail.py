"""What the audit log keeps of a call: who did what, from where, under which request id."""

import datetime

from google.protobuf import json_format, message

from gthulhu.common.grpc import context
from gthulhu.manager.domain import access
from gthulhu.manager.store import base


def entry(
    caller: access.Principal,
    action: str,
    *,
    target: str = "",
    before: message.Message | None = None,
    after: message.Message | None = None,
    now: datetime.datetime,
) -> base.AuditEntry:
    """Return the entry for a change that the current request makes; what changes is kept as the API shows it."""
    request = context.current()
    return base.AuditEntry(
        time=now,
        actor_id=caller.user_id,
        actor=caller.username,
        address=request.address,
        action=action,
        target=target,
        request_id=request.id,
        before=None if before is None else json_format.MessageToDict(before),
        after=None if after is None else json_format.MessageToDict(after),
    )
