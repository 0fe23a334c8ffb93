"""What the kernel knows of one thread: policy, nice and EEVDF slice, by sched_getattr(2) and sched_setattr(2).

Since Linux 6.12 `sched_runtime` of a fair thread is its own slice: 0.1 to 100 ms, 0 gives it the kernel's default
again (kernel/sched/syscalls.c, __setparam_fair). It is inherited by fork, as nice is.
"""

import ctypes
import dataclasses
import os
import platform

MIN_SLICE_NS = 100_000
MAX_SLICE_NS = 100_000_000
STRONGEST_NICE = -20
WEAKEST_NICE = 19

SCHED_OTHER = 0
SCHED_BATCH = 3
SCHED_IDLE = 5
SCHED_EXT = 7
FAIR = frozenset({SCHED_OTHER, SCHED_BATCH, SCHED_EXT})
"""Policies under which nice and slice mean something; SCHED_EXT is fair while no scheduler is loaded."""

_KEEP_POLICY = 0x08
_RESET_ON_FORK = 0x01

_NUMBERS = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275), "ppc64le": (355, 356)}
"""sched_setattr and sched_getattr by machine: the C library has no wrappers for them (before glibc 2.41)."""


class _Attributes(ctypes.Structure):
    """struct sched_attr, linux/sched/types.h."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


_SIZE = ctypes.sizeof(_Attributes)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What is set for one thread."""

    nice: int
    slice_ns: int
    """0 where the kernel knows no slices of threads."""


@dataclasses.dataclass(frozen=True, slots=True)
class Thread:
    """What a thread has now."""

    policy: int
    setting: Setting
    reset_on_fork: bool


def get(tid: int) -> Thread:
    """Return what a thread has (0: the calling one).

    Raises:
        OSError: In the kernel's words; `ProcessLookupError` where it has ended.
    """
    attributes = _Attributes()
    _call(1, tid, ctypes.byref(attributes), ctypes.c_uint(_SIZE), ctypes.c_uint(0))
    return Thread(
        policy=attributes.policy,
        setting=Setting(nice=attributes.nice, slice_ns=attributes.runtime),
        reset_on_fork=bool(attributes.flags & _RESET_ON_FORK),
    )


def put(tid: int, setting: Setting, *, reset_on_fork: bool) -> None:
    """Give a thread a nice value and a slice (0: the kernel's default), keeping its policy.

    Raises:
        OSError: In the kernel's words; `ProcessLookupError` where it has ended.
    """
    attributes = _Attributes(
        size=_SIZE,
        flags=_KEEP_POLICY | (_RESET_ON_FORK if reset_on_fork else 0),
        nice=setting.nice,
        runtime=setting.slice_ns,
    )
    _call(0, tid, ctypes.byref(attributes), ctypes.c_uint(0))


def supported() -> bool:
    """Tell whether this machine's system calls are known here."""
    return platform.machine() in _NUMBERS


def default_slice_ns() -> int:
    """Return the kernel's default slice, as the calling thread has it; 0 where threads have no slice of their own."""
    return get(0).setting.slice_ns if supported() else 0


def _call(which: int, tid: int, *arguments: object) -> None:
    number = _NUMBERS[platform.machine()][which]
    if _libc.syscall(ctypes.c_long(number), ctypes.c_int(tid), *arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
