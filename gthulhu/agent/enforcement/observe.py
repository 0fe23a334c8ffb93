"""For nodes where nothing may be changed: everything is found, decided and shown, and nothing is enforced."""

from collections.abc import Mapping, Sequence

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base


class Observe:
    """Says of each decision that it is not in force."""

    def __init__(self, *, reason: str = "configured") -> None:
        """Take why it was chosen."""
        self._reason = reason

    def capabilities(self) -> base.Capabilities:
        """See `Enforcer.capabilities`."""
        return base.Capabilities(enforcer="observe", reason=self._reason)

    def apply(self, targets: Sequence[base.PodTarget]) -> Mapping[processes.ProcessKey, base.Effect]:
        """See `Enforcer.apply`."""
        effect = base.Effect(failure=f"observe mode changes nothing ({self._reason})")
        return {key: effect for target in targets for key in target.decisions}

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
        """See `Enforcer.withdraw_all`: there is nothing to put back."""
