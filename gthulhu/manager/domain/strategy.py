"""A strategy: what a user wants for the pods that it selects."""

import dataclasses
import datetime
import enum

from gthulhu.common import priority as priorities

DEFAULT_NAMESPACE = "default"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """Holds for a pod that carries the label."""

    key: str
    value: str = ""
    """Empty: the label exists, whatever its value is."""


class StrategyState(enum.StrEnum):
    """Whether a strategy has intents, and if not, why."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    PAUSED = "PAUSED"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What a user wrote, complete with defaults, and what the manager knows about it."""

    id: str
    name: str
    """Unique in its namespace."""
    namespace: str = DEFAULT_NAMESPACE
    """The folder that it belongs to (`strategyNamespace`), not a Kubernetes namespace."""
    description: str = ""
    selectors: tuple[LabelSelector, ...] = ()
    """All must hold."""
    all_pods: bool = False
    """Selects every pod of the namespaces; True exactly where there are no selectors."""
    k8s_namespaces: tuple[str, ...] = ()
    """Empty: every namespace that the creator's roles allow at the time."""
    command_regex: str = ""
    """RE2, searched in a process's comm and command line; empty: every process but the pause process."""
    priority: int = priorities.NEUTRAL
    """0..20, lower is stronger."""
    execution_time_ns: int = 0
    """Time slice; 0: the enforcer's default."""
    suspended: bool = False
    apply_set: str = ""
    """The set of files that it was created from; empty: from none. It stays as it is."""
    expires_at: datetime.datetime | None = None
    creator_id: str
    """The user whose roles bound what it may select."""
    creator: str = ""
    """That user's name when it was created."""
    created_at: datetime.datetime
    updated_at: datetime.datetime
    etag: str = ""
    """Changes with every change; made by the store."""
