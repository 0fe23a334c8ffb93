"""For nodes whose kernel runs an external sched_ext scheduler: decisions are served to it, and nothing is written."""

from collections.abc import Mapping, Sequence

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, limits
from gthulhu.common import priority as priorities

LEVER = "external-table"


class External:
    """Says of each decision how the scheduler gets it."""

    def __init__(self, *, reason: str = "configured") -> None:
        """Take why it was chosen."""
        self._reason = reason

    def capabilities(self) -> base.Capabilities:
        """See `Enforcer.capabilities`; slices are as a strategy may name them, as the scheduler's range is unknown."""
        return base.Capabilities(
            enforcer="external",
            reason=self._reason,
            levers=(LEVER,),
            min_slice_ns=100_000,
            max_slice_ns=1_000_000_000,
        )

    def apply(self, targets: Sequence[base.PodTarget]) -> Mapping[processes.ProcessKey, base.Effect]:
        """See `Enforcer.apply`."""
        return {key: _effect(one) for target in targets for key, one in target.decisions.items()}

    def forget(self, pod_uids: Sequence[str]) -> None:
        """See `Enforcer.forget`: nothing is remembered."""

    def holds(self) -> frozenset[str]:
        """See `Enforcer.holds`."""
        return frozenset()

    def postponed(self) -> frozenset[str]:
        """See `Enforcer.postponed`."""
        return frozenset()

    def verify(self) -> Sequence[str]:
        """See `Enforcer.verify`: nothing can drift."""
        return ()

    def withdraw_all(self) -> None:
        """See `Enforcer.withdraw_all`: the scheduler drops what it is not told any more."""


def _effect(decision: decisions.Decision) -> base.Effect:
    if decision.priority != priorities.NEUTRAL:
        return base.Effect(levers=(LEVER,))
    # A neutral entry would not be neutral to that scheduler, so it is told nothing, and the slice is lost.
    return base.Effect(limits=(limits.SLICE_UNSUPPORTED,) if decision.execution_time_ns else ())
