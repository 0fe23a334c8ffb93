"""The scheduler's life in the kernel: loaded, adopted, watched, unloaded.

The kernel runs one sched_ext scheduler at a time, for as long as somebody holds the link to it: this process, or a
pin in bpffs. When the link goes, or the kernel's watchdog ejects the scheduler, every task is back with the kernel's
own scheduler at once (Documentation/scheduler/sched-ext.rst).
"""

import contextlib
import ctypes
import dataclasses
import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from gthulhu.agent.enforcement.sched_ext import build
from gthulhu.agent.kernel import libbpf
from gthulhu.common import errors

NAME = "gthulhu"
SYSFS = pathlib.Path("/sys/kernel/sched_ext")
FACTOR_ONE = 1024
"""Fixed point of `Policy.factor`: the weight as it is."""
LEAD_NS_PER_CPU, LEAD_NS_MOST = 500_000_000, 4_000_000_000
"""How far ahead in the queue a task may be put, whatever its share: half a second of every CPU, 4 s at most."""
OLDEST_LIBBPF = (1, 4)


class Policy(ctypes.Structure):
    """`struct policy` of scheduler.bpf.c."""

    _fields_ = (("factor", ctypes.c_uint64), ("slice_ns", ctypes.c_uint64))


class _Constants(ctypes.Structure):
    """The `const volatile` variables of scheduler.bpf.c, in their order."""

    _fields_ = (("default_slice_ns", ctypes.c_uint64), ("max_lead_ns", ctypes.c_uint64))


_COUNTERS = (
    "nr_dispatches",
    "nr_direct_dispatches",
    "nr_kept",
    "nr_throttled",
    "nr_preemptions",
    "nr_cancelled",
    "nr_bounded",
    "nr_running",
)


class _Counters(ctypes.Structure):
    """`struct counters` of scheduler.bpf.c."""

    _fields_ = tuple((name, ctypes.c_int64) for name in _COUNTERS)


class _Variables(ctypes.Structure):
    """The variables of scheduler.bpf.c, in their order."""

    _fields_ = (
        ("vtime_now", ctypes.c_uint64),
        ("nr_queued", ctypes.c_uint64),
        ("exit_kind", ctypes.c_int64),
        ("exit_code", ctypes.c_int64),
        ("exit_reason", ctypes.c_char * 128),
        ("exit_message", ctypes.c_char * 1024),
    )


def unpin(pins: pathlib.Path) -> None:
    """End a scheduler that an earlier agent has left in the kernel; nothing where there is none."""
    shutil.rmtree(pins, ignore_errors=True)


class Policies:
    """One of the scheduler's two tables of policies."""

    def __init__(self, library: libbpf.Library, fd: int, key: type[ctypes.c_uint64] | type[ctypes.c_uint32]) -> None:
        """Take the map's descriptor and the C type of its keys."""
        self._key = key
        self._map: libbpf.Map[Any, Policy] = libbpf.Map(library, fd, key, Policy)

    def __setitem__(self, key: int, policy: Policy) -> None:
        self._map.set(self._key(key), policy)

    def __delitem__(self, key: int) -> None:
        self._map.delete(self._key(key))

    def __iter__(self) -> Iterator[int]:
        return (int(key.value) for key in self._map.keys())  # noqa: SIM118 - a BPF map is no dict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the scheduler has done since it was loaded, over all CPUs."""

    dispatches: int
    direct_dispatches: int
    kept: int
    throttled: int
    preemptions: int
    cancelled: int
    bounded: int
    running: int
    queued: int


def running() -> str:
    """Return the name of the sched_ext scheduler that the kernel runs; empty where it runs none, or cannot."""
    try:
        if _state() != "enabled":
            return ""
        return (SYSFS / "root" / "ops").read_text().strip()
    except OSError:
        return ""


def _state() -> str:
    return (SYSFS / "state").read_text().strip()


def is_ours(name: str) -> bool:
    """Tell whether a running scheduler is this one; the kernel may put the version of its interface behind the name."""
    return name.split("_", 1)[0] == NAME


class Scheduler:
    """The scheduler, loaded; it runs until `close`, or beyond it where it is pinned."""

    def __init__(self, *, slice_ns: int, pins: pathlib.Path | None = None) -> None:
        """Load it, or adopt one that an earlier agent has pinned.

        Args:
            slice_ns: The slice of tasks that no policy gives one.
            pins: A folder in bpffs: the scheduler stays there when this process ends.

        Raises:
            PreconditionError: `SCHED_EXT_UNAVAILABLE`: the kernel, libbpf or the build lacks what is needed.
            ConflictError: `SCHED_EXT_FOREIGN`: the kernel runs another scheduler, which is not replaced.
            BpfError: The kernel refused it.
        """
        self._pins = pins
        library = _require()
        name = running()
        if name and not is_ours(name):
            raise errors.ConflictError("SCHED_EXT_FOREIGN", f"the kernel runs the sched_ext scheduler {name}")
        self._object: libbpf.Object | None = None
        if name and pins and self._adopt(library, pins):
            return
        if pins:
            unpin(pins)
        self._load(library, slice_ns)

    def _adopt(self, library: libbpf.Library, pins: pathlib.Path) -> bool:
        """Take over the maps of the pinned scheduler, where it is the one of this build."""
        try:
            same = (pins / _digest()).exists()
            fds = {one: library.call("bpf_obj_get", str(pins / one).encode()) for one in _MAPS}
        except libbpf.BpfError:
            return False
        if same:
            self._open_maps(library, fds)
        return same

    def _load(self, library: libbpf.Library, slice_ns: int) -> None:
        loaded = libbpf.Object(library, build.OBJECT)
        try:
            constants = loaded.constants(_Constants)
            constants.default_slice_ns = slice_ns
            constants.max_lead_ns = min(LEAD_NS_PER_CPU * (os.cpu_count() or 1), LEAD_NS_MOST)
            loaded.load()
            if self._pins:
                self._pins.mkdir(parents=True)
                for name, its in _MAPS.items():
                    loaded.pin_map(its, self._pins / name)
                (self._pins / _digest()).mkdir()
            loaded.attach_struct_ops(NAME, pin=self._pins / "link" if self._pins else None)
        except BaseException:
            loaded.close()
            raise
        self._object = loaded
        self._open_maps(library, {name: loaded.map_fd(its) for name, its in _MAPS.items()})

    def _open_maps(self, library: libbpf.Library, fds: dict[str, int]) -> None:
        self.cgroups = Policies(library, fds["cgroup_policies"], ctypes.c_uint64)
        """By cgroup id, the inode of its directory."""
        self.tasks = Policies(library, fds["task_policies"], ctypes.c_uint32)
        """By TGID, or by TID."""
        per_cpu = _Counters * _possible_cpus()
        self._counters = libbpf.Map(library, fds["counters"], ctypes.c_uint32, per_cpu)
        self._variables = libbpf.Map(library, fds["variables"], ctypes.c_uint32, _Variables)

    def counters(self) -> Counters:
        """Return what it has done."""
        per_cpu = self._counters.get(ctypes.c_uint32(0)) or ()
        variables = self._variables.get(ctypes.c_uint32(0)) or _Variables()
        sums = {name.removeprefix("nr_"): sum(getattr(one, name) for one in per_cpu) for name in _COUNTERS}
        return Counters(queued=variables.nr_queued, **sums)

    def ejected(self) -> str:
        """Return the kernel's words on why it has ended; empty while it runs, or is about to end."""
        if is_ours(running()) or _state() != "disabled":
            return ""
        variables = self._variables.get(ctypes.c_uint32(0)) or _Variables()
        words = [part.decode(errors="replace") for part in (variables.exit_reason, variables.exit_message) if part]
        return ": ".join(words) or "it was unloaded"

    def close(self) -> None:
        """Let go of it: it ends, unless it is pinned."""
        if self._object:
            self._object.close()
            self._object = None

    def unload(self) -> None:
        """End it, pinned or not."""
        self.close()
        if self._pins:
            unpin(self._pins)


_MAPS = {
    "cgroup_policies": "cgroup_policies",
    "task_policies": "task_policies",
    "counters": "counters",
    "variables": ".bss",
}
"""The maps that the agent uses: their names in the pins' folder, and (the end of) their names in the object."""


def _require() -> libbpf.Library:
    """Return libbpf where everything is there that a scheduler needs."""

    def lacking(what: str) -> errors.PreconditionError:
        return errors.PreconditionError("SCHED_EXT_UNAVAILABLE", f"no sched_ext: {what}")

    if not SYSFS.is_dir():
        raise lacking("the kernel was built without it, or is older than 6.12")
    if not build.OBJECT.exists():
        raise lacking("this build has no BPF object (it is built where clang is)")
    try:
        library = libbpf.Library()
    except libbpf.BpfError as error:
        raise lacking(error.message) from error
    if library.version < OLDEST_LIBBPF:
        raise lacking(f"libbpf is {'.'.join(map(str, library.version))}, 1.4 or later is needed")
    return library


def _digest() -> str:
    """Return a name for this build of the scheduler."""
    return "build-" + hashlib.sha256(build.OBJECT.read_bytes()).hexdigest()[:16]


def _possible_cpus() -> int:
    """Return for how many CPUs the kernel keeps values of per-CPU maps."""
    text = "0"
    with contextlib.suppress(OSError):
        text = pathlib.Path("/sys/devices/system/cpu/possible").read_text().strip()
    return int(text.rsplit(",", 1)[-1].rsplit("-", 1)[-1]) + 1
