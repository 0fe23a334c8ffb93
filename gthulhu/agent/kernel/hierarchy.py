"""The cgroup hierarchy with the cpu controller: the one that weights are in, and that pods are found by."""

import dataclasses
import os
import pathlib

from gthulhu.common import errors

_V1_MOUNTS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Where the cpu controller is, and in which dialect it speaks."""

    version: int
    """1 or 2."""
    root: pathlib.Path

    @property
    def weight_file(self) -> str:
        """The file in each cgroup that holds its weight."""
        return "cpu.weight" if self.version == 2 else "cpu.shares"  # noqa: PLR2004 -- cgroup's version

    @property
    def weight_range(self) -> tuple[int, int]:
        """The weights that the kernel takes: kernel/sched/core.c, Documentation/admin-guide/cgroup-v2.rst."""
        return (1, 10_000) if self.version == 2 else (2, 262_144)  # noqa: PLR2004 -- as above

    def pids(self, cgroup: str) -> frozenset[int]:
        """Return the processes of a cgroup and of all below it; none where it is gone."""
        folder = f"{self.root}/{cgroup}"
        try:
            found = frozenset(map(int, _content(f"{folder}/cgroup.procs").split()))
        except OSError:
            # Gone; or a threaded cgroup (v2), whose processes its domain lists.
            found = frozenset()
        for child in self.children(cgroup):
            found |= self.pids(child)
        return found

    def children(self, cgroup: str) -> list[str]:
        """Return the cgroups directly below one; none where it is gone."""
        try:
            with os.scandir(f"{self.root}/{cgroup}") as entries:
                return [f"{cgroup}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def exists(self, cgroup: str) -> bool:
        """Tell whether a cgroup is there."""
        return (self.root / cgroup).is_dir()


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 -- a string, for speed
        return file.read()


def find(cgroup_root: pathlib.Path) -> Hierarchy:
    """Return the hierarchy of the cpu controller below where cgroups are mounted.

    A unified (v2) mount is taken where it has the controller; else v1's; a v2 mount without controllers is the
    `unified` folder of a hybrid set-up, and comes last.

    Raises:
        PreconditionError: `NO_CPU_CONTROLLER` where there is none.
    """
    for root in (cgroup_root, cgroup_root / "unified"):
        if "cpu" in _controllers(root):
            return Hierarchy(version=2, root=root)
    for name in _V1_MOUNTS:
        if (cgroup_root / name / "cgroup.procs").exists():
            return Hierarchy(version=1, root=cgroup_root / name)
    raise errors.PreconditionError(
        "NO_CPU_CONTROLLER",
        f"{cgroup_root}: neither a cgroup v2 mount with the cpu controller nor a v1 one (cpu) in it",
    )


def _controllers(root: pathlib.Path) -> list[str]:
    try:
        return (root / "cgroup.controllers").read_text().split()
    except OSError:
        return []
