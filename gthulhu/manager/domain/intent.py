"""An intent: one strategy applied to one pod. Derived when needed, never stored."""

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Mapping

from gthulhu.manager.domain import pod as pods
from gthulhu.manager.domain import strategy as strategies


class IntentState(enum.StrEnum):
    """How far an intent has come."""

    PENDING = "PENDING"
    SENT = "SENT"
    APPLIED = "APPLIED"
    SUPERSEDED = "SUPERSEDED"
    FAILED = "FAILED"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What an agent is to do with one pod for one strategy."""

    id: str
    """Stable for a strategy and a pod."""
    version: str
    """Digest of all else: changes exactly when the content does."""
    strategy_id: str
    strategy_created_at: datetime.datetime
    pod_uid: str
    pod_name: str
    namespace: str
    node: str
    labels: Mapping[str, str]
    command_regex: str
    priority: int
    execution_time_ns: int


def intent_id(*, strategy_id: str, pod_uid: str) -> str:
    """Return the id of the intent that a strategy has for a pod: 32 hexadecimal digits."""
    return hashlib.blake2b(f"{strategy_id}/{pod_uid}".encode(), digest_size=16).hexdigest()


def derive(*, strategy: strategies.Strategy, pod: pods.Pod) -> Intent:
    """Return the intent of a strategy for a pod that it selects."""
    content = (
        strategy.created_at.isoformat(),
        pod.name,
        pod.namespace,
        sorted(pod.labels.items()),
        strategy.command_regex,
        strategy.priority,
        strategy.execution_time_ns,
    )
    return Intent(
        id=intent_id(strategy_id=strategy.id, pod_uid=pod.uid),
        version=hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest(),
        strategy_id=strategy.id,
        strategy_created_at=strategy.created_at,
        pod_uid=pod.uid,
        pod_name=pod.name,
        namespace=pod.namespace,
        node=pod.node,
        labels=pod.labels,
        command_regex=strategy.command_regex,
        priority=strategy.priority,
        execution_time_ns=strategy.execution_time_ns,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an agent has last said about one intent."""

    intent_id: str
    version: str
    """The version that it is about; a report on another version counts for nothing."""
    node: str
    processes: int = 0
    threads: int = 0
    superseded_by: str = ""
    """The strategy that is stronger on all of its processes."""
    limits: tuple[str, ...] = ()
    failure: str = ""
    """Why it is not in force at all, or why the agent rejected it."""
    enforcer: str = ""
    reported_at: datetime.datetime
