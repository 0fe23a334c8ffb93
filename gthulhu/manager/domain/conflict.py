"""Which of two strategies has its way on a pod, as far as can be told without knowing its processes."""

import dataclasses
from collections.abc import Callable, Iterable

from gthulhu.common import priority as priorities
from gthulhu.manager.domain import pod, strategy


def precedence(value: strategy.Strategy) -> tuple[object, ...]:
    """Return the key by which the winner on a process sorts first."""
    return priorities.precedence(priority=value.priority, created_at=value.created_at, strategy_id=value.id)


def covers(one: strategy.Strategy, other: strategy.Strategy) -> bool:
    """Tell whether one strategy certainly matches every process of a pod that the other matches."""
    return one.command_regex in {"", other.command_regex}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a strategy would meet on one pod."""

    pod: pod.Pod
    supersedes: tuple[str, ...] = ()
    """Ids of the strategies that would have no process left there, sorted."""
    superseded_by: str = ""
    """Id of the strongest one that would leave it no process there."""
    contends_with: tuple[str, ...] = ()
    """Ids of those with another expression: who wins is told by the processes that match both, sorted."""


def outcomes(
    value: strategy.Strategy,
    *,
    pods: Iterable[pod.Pod],
    rivals: Callable[[pod.Pod], Iterable[strategy.Strategy]],
) -> tuple[Outcome, ...]:
    """Return what a strategy would meet, by node, namespace and name of the pods.

    Args:
        value: The strategy.
        pods: Those that it would select.
        rivals: Returns the other strategies that are in force on a pod.
    """
    in_order = sorted(pods, key=lambda one: (one.node, one.namespace, one.name))
    return tuple(_outcome(value, its, sorted(rivals(its), key=precedence)) for its in in_order)


def _outcome(value: strategy.Strategy, its: pod.Pod, ranked: list[strategy.Strategy]) -> Outcome:
    stronger = [one for one in ranked if precedence(one) < precedence(value)]
    weaker = ranked[len(stronger) :]
    beaten_by = [one.id for one in stronger if covers(one, value)]
    beats = [one.id for one in weaker if covers(value, one)]
    decided = {*beaten_by, *beats}
    return Outcome(
        pod=its,
        supersedes=tuple(sorted(beats)),
        superseded_by=beaten_by[0] if beaten_by else "",
        contends_with=tuple(sorted(one.id for one in ranked if one.id not in decided)),
    )
