"""What every enforcer offers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an enforcer is, and can do on this kernel."""

    enforcer: str
    """`stock`, `sched_ext`, `external` or `observe`."""
    reason: str = ""
    """Why a stronger one was not chosen, for people."""
    levers: tuple[str, ...] = ()
    """`pod-weight`, `container-weight`, `thread-slice`, `thread-nice`."""
    min_slice_ns: int = 0
    max_slice_ns: int = 0
    """Both 0: it can give no slice."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PodTarget:
    """What one pod should get from now on: the whole truth about it, not a difference."""

    pod: processes.Pod
    decisions: Mapping[processes.ProcessKey, decisions.Decision]
    """Empty: everything of ours on the pod is withdrawn."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What became of the decision on one process."""

    levers: tuple[str, ...] = ()
    """Those that carry it."""
    limits: tuple[str, ...] = ()
    """What could not be given in full, UPPER_SNAKE: see `gthulhu.agent.enforcement.limits`."""
    failure: str = ""
    """Why it is not in force at all, in the kernel's words; empty where it is."""


class Enforcer(Protocol):
    """Brings the kernel to what is decided, and back.

    The original of everything that is changed is on disk before it is changed. All methods are idempotent, blocking
    and quick (they write kernel files and make system calls); one thread calls them at a time.
    """

    def capabilities(self) -> Capabilities:
        """Return what it is and can."""

    def apply(self, targets: Sequence[PodTarget]) -> Mapping[processes.ProcessKey, Effect]:
        """Bring pods to what they should get; what they had of us and should not have any more is put back.

        A process that has ended meanwhile is no error: it has no effect. Returns an effect for each live decision.
        """

    def forget(self, pod_uids: Sequence[str]) -> None:
        """Drop what is remembered of pods that are gone from the node."""

    def holds(self) -> frozenset[str]:
        """Return the UIDs of pods that carry anything of ours, also from before a restart."""

    def postponed(self) -> frozenset[str]:
        """Return the UIDs of pods whose last `apply` left something for a second later, and ask no more for them."""

    def verify(self) -> Sequence[str]:
        """Repair what has drifted from what was applied; returns the UIDs of the pods that were repaired."""

    def withdraw_all(self) -> None:
        """Put everything back as it was found: nothing of ours is left on any thread or cgroup."""
