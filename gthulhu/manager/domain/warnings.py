"""What is legal in a strategy but odd, in words."""

import collections
import heapq
from collections.abc import Collection, Iterator

from gthulhu.common import priority as priorities
from gthulhu.manager.domain import conflict, expressions, pod, scope, strategy

_NAMED = 3
"""So many pods or strategies are named; the others are counted."""


def of(
    value: strategy.Strategy,
    *,
    scope: scope.Scope,
    paused: bool,
    denied: Collection[str],
    outcomes: Collection[conflict.Outcome],
    left_out: Collection[pod.Pod],
) -> tuple[str, ...]:
    """Return the warnings that a strategy deserves.

    Args:
        value: The strategy.
        scope: Where it may select pods now.
        paused: Whether the cluster-wide switch is on.
        denied: Namespaces whose pods are never selected.
        outcomes: Of the pods that it selects.
        left_out: Pods of denied namespaces that it would select otherwise.
    """
    return (
        *_of_effect(value),
        *_of_selection(value, outcomes),
        *_of_scope(value, scope=scope, denied=denied, left_out=left_out),
        *_of_pods(value, outcomes),
        *(["all strategies are paused: it has no effect until they are resumed"] if paused else ()),
        *(["it is suspended: it has no effect until that is changed"] if value.suspended else ()),
    )


def _of_effect(value: strategy.Strategy) -> Iterator[str]:
    if value.priority == priorities.NEUTRAL:
        what = "only the time slice changes" if value.execution_time_ns else "with no executionTime, nothing changes"
        yield f"priority {priorities.NEUTRAL} is neutral: {what}"
    if value.command_regex and expressions.matches_everything(value.command_regex):
        yield f'commandRegex "{value.command_regex}" is found in every command: an empty one says so more clearly'


def _of_selection(value: strategy.Strategy, outcomes: Collection[conflict.Outcome]) -> Iterator[str]:
    wanted: dict[str, set[str]] = collections.defaultdict(set)
    for selector in value.selectors:
        if selector.value:
            wanted[selector.key].add(selector.value)
    for key, values in sorted(wanted.items()):
        if len(values) > 1:
            yield f"label {key} cannot be {' and '.join(sorted(values))} at once: no pod will ever be selected"
    if not outcomes:
        yield "it selects no pod now"


def _of_scope(
    value: strategy.Strategy, *, scope: scope.Scope, denied: Collection[str], left_out: Collection[pod.Pod]
) -> Iterator[str]:
    named = [one for one in value.k8s_namespaces if one in denied]
    for namespace in named:
        yield f"namespace {namespace} is denied to all strategies: none of its pods is selected"
    if left_out and not named:
        yield f"{_some(left_out)}: not selected, because the namespace is denied to all strategies"
    if not scope.permitted:
        where = f" in {', '.join(scope.lacking)}" if scope.lacking else ""
        yield f"its creator may not create strategies{where}: it is suspended until that is changed"
    elif scope.namespaces is not None and not value.k8s_namespaces:
        yield f"it is limited to the namespaces that its creator may use: {', '.join(sorted(scope.namespaces))}"


def _of_pods(value: strategy.Strategy, outcomes: Collection[conflict.Outcome]) -> Iterator[str]:
    best_effort = [one.pod for one in outcomes if one.pod.qos is pod.QosClass.BEST_EFFORT]
    if best_effort and value.priority < priorities.NEUTRAL:
        yield f"{_some(best_effort)}: BestEffort, which limits what its node can give (LIMITED_BY_QOS)"
    beaten = [one.pod for one in outcomes if one.superseded_by]
    if beaten:
        yield f"{_some(beaten)}: superseded by stronger strategies"
    contended = sorted({rival for one in outcomes for rival in one.contends_with})
    if contended:
        more = f" and {len(contended) - _NAMED} more" if len(contended) > _NAMED else ""
        yield (
            f"shares pods with {', '.join(contended[:_NAMED])}{more} under another commandRegex: "
            "on a process that matches both, the stronger wins"
        )


def _some(pods: Collection[pod.Pod]) -> str:
    names = heapq.nsmallest(_NAMED, (f"{one.namespace}/{one.name}" for one in pods))
    more = f" and {len(pods) - _NAMED} more" if len(pods) > _NAMED else ""
    return f"pod{'s' if len(pods) > 1 else ''} {', '.join(names)}{more}"
