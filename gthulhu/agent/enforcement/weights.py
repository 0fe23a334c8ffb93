"""The lever between pods, and between the containers of one: the CPU weight of a cgroup.

The kubelet owns these files. The value found is the *base*; what we write is the base times the priority's factor.
Where something else writes afterwards: the base again (a daemon-reload, the kubelet) → ours is written again, once a
second at most; anything else → it is the new base.
"""

import pathlib

from gthulhu.agent.enforcement import limits, originals
from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.common import clock as clocks
from gthulhu.common import priority as priorities

REAPPLY_SECONDS = 1.0


class Weights:
    """Scales weights and puts them back; `prepare` notes originals, `write` follows once they are on the disk."""

    def __init__(self, *, hierarchy: hierarchies.Hierarchy, records: originals.Originals, clock: clocks.Clock) -> None:
        """Take the hierarchy and where originals are kept."""
        self._hierarchy = hierarchy
        self._records = records
        self._clock = clock
        self._written_at: dict[str, float] = {}
        self.postponed: set[str] = set()
        """Pods of which a weight has to wait."""

    def of(self, pod_uid: str) -> frozenset[str]:
        """Return the cgroups of a pod that have a weight of ours."""
        return frozenset(one.cgroup for one in self._records.weights.values() if one.pod_uid == pod_uid)

    def prepare(self, cgroup: str, *, pod_uid: str, priority: int) -> tuple[str, ...]:
        """Note what a cgroup's weight is and should be; returns what limits it.

        Raises:
            OSError: The cgroup has no weight, or is gone (`FileNotFoundError`).
        """
        current = self._read(cgroup)
        known = self._records.weights.get(cgroup)
        ours = known is not None and current in (known.applied, known.previous)
        base = known.base if known is not None and (ours or current == known.base) else current
        if known is not None and base != known.base:
            # Not a contest about the old base, but news.
            self._written_at.pop(cgroup, None)
        wanted = base * priorities.weight_factor(priority)
        lowest, highest = self._hierarchy.weight_range
        applied = min(max(round(wanted), lowest), highest)
        self._records.put_weight(
            originals.Weight(
                cgroup=cgroup,
                pod_uid=pod_uid,
                base=base,
                applied=applied,
                previous=current if ours else applied,
            )
        )
        return (limits.WEIGHT_CLAMPED,) if not lowest <= round(wanted) <= highest else ()

    def write(self, cgroup: str) -> bool:
        """Bring a prepared cgroup to its weight; tells whether it was changed, and raises `OSError` where it cannot."""
        one = self._records.weights[cgroup]
        current = self._read(cgroup)
        if current == one.applied:
            return False
        now = self._clock.monotonic()
        contested = current == one.base and now - self._written_at.get(cgroup, -REAPPLY_SECONDS) < REAPPLY_SECONDS
        if contested:
            self.postponed.add(one.pod_uid)
            return False
        self._path(cgroup).write_text(str(one.applied))
        self._written_at[cgroup] = now
        self._records.settle_weight(one)
        return True

    def restore(self, cgroup: str) -> bool:
        """Give a cgroup the weight that it would have without us; someone else's newer value is left."""
        one = self._records.weights[cgroup]
        try:
            current = self._read(cgroup)
            mine = current in (one.applied, one.previous) and current != one.base
            if mine:
                self._path(cgroup).write_text(str(one.base))
        except FileNotFoundError:
            mine = False
        self.forget(cgroup)
        return mine

    def forget(self, cgroup: str) -> None:
        """Drop what is known of a cgroup."""
        self._records.drop_weight(cgroup)
        self._written_at.pop(cgroup, None)

    def _path(self, cgroup: str) -> pathlib.Path:
        return self._hierarchy.root / cgroup / self._hierarchy.weight_file

    def _read(self, cgroup: str) -> int:
        return int(self._path(cgroup).read_text())
