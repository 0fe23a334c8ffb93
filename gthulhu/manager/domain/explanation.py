"""Why a strategy selects a pod, or does not, in words."""

import dataclasses
from collections.abc import Collection, Iterator

from gthulhu.manager.domain import pod, scope, strategy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One strategy, held against one pod."""

    strategy: strategy.Strategy
    matched: bool
    """It selects the pod, whether it is in force or not."""
    in_force: bool
    """It selects the pod and has an intent for it."""
    reason: str


def consider(
    value: strategy.Strategy,
    *,
    its: pod.Pod,
    scope: scope.Scope,
    state: tuple[strategy.StrategyState, str],
    denied: Collection[str],
) -> Considered:
    """Return whether a strategy selects a pod, and why."""
    hindrances = list(_hindrances(value, its=its, scope=scope, denied=denied))
    if hindrances:
        return Considered(strategy=value, matched=False, in_force=False, reason="; ".join(hindrances))
    labels = ", ".join(map(written, value.selectors))
    reason = f"the pod has {labels}" if labels else f"all pods of namespace {its.namespace}"
    name, why = state
    if name is not strategy.StrategyState.ACTIVE:
        reason += f"; but the strategy is {name}" + (f" ({why})" if why else "")
    return Considered(strategy=value, matched=True, in_force=name is strategy.StrategyState.ACTIVE, reason=reason)


def written(selector: strategy.LabelSelector) -> str:
    """Return a selector as people write it: `key=value`, or `key`."""
    return f"{selector.key}={selector.value}" if selector.value else selector.key


def _hindrances(
    value: strategy.Strategy, *, its: pod.Pod, scope: scope.Scope, denied: Collection[str]
) -> Iterator[str]:
    if its.finished:
        yield "the pod is finished"
    if its.namespace in denied:
        yield f"namespace {its.namespace} is denied to all strategies"
    if value.k8s_namespaces and its.namespace not in value.k8s_namespaces:
        yield f"namespace {its.namespace} is not among {', '.join(value.k8s_namespaces)}"
    elif scope.namespaces is not None and its.namespace not in scope.namespaces:
        yield f"its creator may not create strategies for namespace {its.namespace}"
    for selector in value.selectors:
        if selector.key not in its.labels:
            yield f"the pod has no label {selector.key}"
        elif selector.value and its.labels[selector.key] != selector.value:
            yield f'label {selector.key} is "{its.labels[selector.key]}", not "{selector.value}"'
