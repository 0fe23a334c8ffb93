"""Where a strategy may reach, and whether it is in force: what its creator's roles allow now."""

import dataclasses
import datetime

from gthulhu.manager.domain import access, matching, strategy

CREATE = "schedule_strategy.create"
"""The permission whose Kubernetes namespaces bound what a user's strategies select."""

CREATOR_NOT_ALLOWED = "CREATOR_NOT_ALLOWED"
"""The creator is gone or disabled, or may no longer create the strategy as it is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a strategy may select pods now."""

    namespaces: frozenset[str] | None
    """Kubernetes namespaces; None: every one."""
    lacking: tuple[str, ...] = ()
    """Namespaces that it names and may not select."""
    permitted: bool = True
    """False: its creator may not create it at all, or not in all of the namespaces that it names."""


def of(value: strategy.Strategy, creator: access.Principal | None) -> Scope:
    """Return where a strategy may select pods, by what its creator (None: gone, or disabled) may do now."""
    policies = () if creator is None else access.grants(creator, CREATE)
    its = [policy for policy in policies if policy.policy_namespace in {"", value.namespace}]
    if not its:
        return Scope(namespaces=frozenset(), lacking=value.k8s_namespaces, permitted=False)
    everywhere = any(not policy.k8s_namespace for policy in its)
    allowed = frozenset(policy.k8s_namespace for policy in its)
    if not value.k8s_namespaces:
        return Scope(namespaces=None if everywhere else allowed)
    if everywhere:
        return Scope(namespaces=frozenset(value.k8s_namespaces))
    lacking = tuple(one for one in value.k8s_namespaces if one not in allowed)
    return Scope(namespaces=allowed.intersection(value.k8s_namespaces), lacking=lacking, permitted=not lacking)


def rule(value: strategy.Strategy, scope: Scope) -> matching.Rule:
    """Return what a strategy selects within its scope."""
    return matching.Rule(selectors=value.selectors, namespaces=scope.namespaces)


def state(
    value: strategy.Strategy, *, scope: Scope, paused: bool, now: datetime.datetime
) -> tuple[strategy.StrategyState, str]:
    """Return whether a strategy has intents, and the reason (UPPER_SNAKE) where the state does not say it all."""
    if value.expires_at is not None and value.expires_at <= now:
        return strategy.StrategyState.EXPIRED, ""
    if value.suspended:
        return strategy.StrategyState.SUSPENDED, ""
    if not scope.permitted:
        return strategy.StrategyState.SUSPENDED, CREATOR_NOT_ALLOWED
    if paused:
        return strategy.StrategyState.PAUSED, ""
    return strategy.StrategyState.ACTIVE, ""
