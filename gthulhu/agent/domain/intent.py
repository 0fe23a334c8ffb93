"""An intent as the agent holds it: one strategy applied to one pod of this node."""

import dataclasses
import datetime
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What to do with one pod, for one strategy."""

    id: str
    version: str
    """Digest of the content, made by the manager."""
    strategy_id: str
    strategy_created_at: datetime.datetime
    pod_uid: str
    pod_name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    command_regex: str = ""
    """RE2; empty: every process of the pod but the pause process."""
    priority: int
    """0..20, lower is stronger, 10 is neutral."""
    execution_time_ns: int = 0
    """Time slice; 0: the enforcer's default."""
