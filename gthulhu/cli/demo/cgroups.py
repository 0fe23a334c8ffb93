"""Cgroups laid out as a kubelet with containerd's systemd driver lays out pods, under a root of our own.

`<cpu hierarchy>/gthulhu-demo-<pid>/kubepods.slice/kubepods-pod<uid>.slice/cri-containerd-<id>.scope`: pods directly in
kubepods.slice are those of the Guaranteed class. Never in a real kubelet's tree.
"""

import errno
import os
import pathlib
import re
import shutil
import time
from typing import Self

from gthulhu.agent.kernel import hierarchy as hierarchies
from gthulhu.common import errors

ROOT = pathlib.Path("/sys/fs/cgroup")
PREFIX = "gthulhu-demo-"
_REMOVAL_SECONDS = 5.0
_POLL_SECONDS = 0.01


class CgroupError(errors.PreconditionError):
    """The kernel, or who we are, does not allow cgroups to be made here."""


def find(root: pathlib.Path = ROOT) -> hierarchies.Hierarchy:
    """Return the hierarchy that the agent will find too; `CgroupError` where there is none."""
    try:
        return hierarchies.find(root)
    except errors.PreconditionError as error:
        raise CgroupError(error.reason, error.message) from None


def simulated(root: pathlib.Path) -> hierarchies.Hierarchy:
    """Return a plain folder that looks like a v1 hierarchy, below `root`: for where the real one cannot be used."""
    hierarchy = hierarchies.Hierarchy(version=1, root=root / "cpu")
    _imitate(hierarchy.root)
    return hierarchy


def _imitate(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.procs").touch()
    (folder / "cpu.shares").write_text("1024\n")


class PodTree:
    """The cgroups of a demo's pods; a context manager that leaves none of them."""

    def __init__(self, *, hierarchy: hierarchies.Hierarchy, real: bool = True) -> None:
        """Lay the tree out below a hierarchy's root.

        Args:
            hierarchy: As `find` or `simulated` returned it.
            real: It is the kernel's, and not a plain folder whose files we have to make ourselves.
        """
        self.name = f"{PREFIX}{os.getpid()}"
        self._hierarchy = hierarchy
        self._root = hierarchy.root / self.name
        self._real = real

    @property
    def kubepods(self) -> str:
        """The kubelet's cgroup, below the hierarchy's root."""
        return f"{self.name}/kubepods.slice"

    def __enter__(self) -> Self:
        """Remove what demos that were killed have left, and make the root."""
        try:
            self._remove_abandoned()
            self._delegate(self._hierarchy.root)
            self._make(self._root)
            self._make(self._root / "kubepods.slice")
        except OSError as error:
            self._remove(self._root)
            raise CgroupError(
                "NO_CGROUPS", f"cannot make cgroups in {self._hierarchy.root}: {error.strerror}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the tree; its processes have ended."""
        self._remove(self._root)

    def pod(self, uid: str) -> pathlib.Path:
        """Return a pod's cgroup."""
        return self._root / "kubepods.slice" / f"kubepods-pod{uid.replace('-', '_')}.slice"

    def add(self, *, uid: str, container: str, pid: int) -> None:
        """Make a pod's cgroup with one container's in it, and move a process there."""
        self._make(self.pod(uid))
        scope = self.pod(uid) / f"cri-containerd-{container}.scope"
        self._make(scope, leaf=True)
        (scope / "cgroup.procs").write_text(f"{pid}\n")

    def weight(self, uid: str) -> int:
        """Return the pod's CPU weight, on its hierarchy's scale."""
        return int((self.pod(uid) / self._hierarchy.weight_file).read_text())

    def _make(self, path: pathlib.Path, *, leaf: bool = False) -> None:
        path.mkdir()
        if not self._real:
            _imitate(path)
        elif not leaf:
            self._delegate(path)

    def _delegate(self, path: pathlib.Path) -> None:
        """Let the cgroups below have weights of their own: on v2 each level has to say so."""
        control = path / "cgroup.subtree_control"
        if self._hierarchy.version == 2 and "cpu" not in control.read_text().split():  # noqa: PLR2004 - cgroup's version
            control.write_text("+cpu\n")

    def _remove_abandoned(self) -> None:
        for path in self._hierarchy.root.glob(f"{PREFIX}*"):
            owner = re.fullmatch(rf"{PREFIX}(\d+)", path.name)
            if owner and not pathlib.Path("/proc", owner[1]).exists():
                self._remove(path)

    def _remove(self, top: pathlib.Path) -> None:
        if not self._real:
            shutil.rmtree(top, ignore_errors=True)
            return
        deadline = time.monotonic() + _REMOVAL_SECONDS
        for folder, _, _ in os.walk(top, topdown=False):
            while not _removed(pathlib.Path(folder)):
                if time.monotonic() > deadline:
                    raise CgroupError("CGROUP_BUSY", f"{folder} is still in use after {_REMOVAL_SECONDS:g} s")
                time.sleep(_POLL_SECONDS)


def _removed(folder: pathlib.Path) -> bool:
    """Remove a cgroup; False while the kernel says EBUSY, which it does until its last process is quite gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
