"""What a strategy does, or would do, in the world as it is."""

import asyncio
import dataclasses
from collections.abc import Iterable

from gthulhu.common import batches
from gthulhu.manager.distribution import world as worlds
from gthulhu.manager.domain import conflict, warnings
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.domain.strategy import Strategy

_AT_ONCE = 500
"""After so many pods other requests get their turn."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came out."""

    outcomes: tuple[conflict.Outcome, ...]
    """Of every pod that the strategy selects, by node, namespace and name."""
    warnings: tuple[str, ...]


async def run(world: worlds.World, value: Strategy) -> Trial:
    """Try a strategy, stored or not; nothing is changed."""

    def rivals(pod: Pod) -> list[Strategy]:
        ids = (one for one in world.strategies_of(pod.uid) if one != value.id and world.is_active(one))
        return [one for one in map(world.strategy, ids) if one is not None]

    outcomes: list[conflict.Outcome] = []
    for pods in await _by_node(world, world.select(value)):
        outcomes += conflict.outcomes(value, pods=pods, rivals=rivals)
        await asyncio.sleep(0)
    return Trial(
        outcomes=tuple(outcomes),
        warnings=warnings.of(
            value,
            scope=world.scope_of(value),
            paused=world.paused,
            denied=world.denied_namespaces,
            outcomes=outcomes,
            left_out=_known(world, world.select_denied(value)),
        ),
    )


async def _by_node(world: worlds.World, uids: Iterable[str]) -> list[list[Pod]]:
    """Return pods apart for each node, by the nodes' names."""
    found: dict[str, list[Pod]] = {}
    for some in batches.of(tuple(uids), size=_AT_ONCE):
        for one in _known(world, some):
            found.setdefault(one.node, []).append(one)
        await asyncio.sleep(0)
    return [found[node] for node in sorted(found)]


def _known(world: worlds.World, uids: Iterable[str]) -> list[Pod]:
    return [one for one in map(world.pod_by_uid, uids) if one is not None]
