"""Pods and nodes, as far as scheduling is concerned."""

import dataclasses
import enum
from collections.abc import Mapping


class QosClass(enum.StrEnum):
    """Kubernetes' quality-of-service class: which slice of the kubelet the pod sits in."""

    GUARANTEED = "Guaranteed"
    BURSTABLE = "Burstable"
    BEST_EFFORT = "BestEffort"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of the inventory."""

    uid: str
    name: str
    namespace: str
    node: str = ""
    """Empty while it has none."""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    qos: QosClass = QosClass.BURSTABLE
    finished: bool = False
    """Succeeded or failed: it has no processes any more, and no intents."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of the inventory."""

    name: str
    ready: bool = True
