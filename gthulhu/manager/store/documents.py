"""What replicas and log-ins leave in a store, as documents; see `kinds` for what the revision counts."""

import pydantic

from gthulhu.manager.domain import intent
from gthulhu.manager.store import base

REFRESH_TOKEN = pydantic.TypeAdapter(base.RefreshToken)
AUDIT_ENTRY = pydantic.TypeAdapter(base.AuditEntry)
SESSION = pydantic.TypeAdapter(base.AgentSession)
REPORT = pydantic.TypeAdapter(intent.Report)
