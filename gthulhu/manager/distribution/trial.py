"""What a strategy does, or would do, in the world as it is."""

import dataclasses
from collections.abc import Iterable

from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import conflict, warnings
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.domain.strategy import Strategy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came out."""

    outcomes: tuple[conflict.Outcome, ...]
    """Of every pod that the strategy selects, by node, namespace and name."""
    warnings: tuple[str, ...]


def run(world: worlds.World, value: Strategy) -> Trial:
    """Try a strategy, stored or not; nothing is changed."""

    def rivals(pod: Pod) -> list[Strategy]:
        ids = (one for one in world.strategies_of(pod.uid) if one != value.id and world.is_active(one))
        return [one for one in map(world.strategy, ids) if one is not None]

    outcomes = conflict.outcomes(value, pods=_pods(world, world.select(value)), rivals=rivals)
    return Trial(
        outcomes=outcomes,
        warnings=warnings.of(
            value,
            scope=world.scope_of(value),
            paused=world.paused,
            denied=world.denied_namespaces,
            outcomes=outcomes,
            left_out=_pods(world, world.select_denied(value)),
        ),
    )


def _pods(world: worlds.World, uids: Iterable[str]) -> list[Pod]:
    return [one for one in map(world.pod_by_uid, uids) if one is not None]
