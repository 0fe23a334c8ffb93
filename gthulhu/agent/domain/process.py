"""Pods, containers and processes as they are on the node."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessKey:
    """One process, for good: a PID alone may come to mean another process."""

    pid: int
    start_time: int
    """Clock ticks after boot: field 22 of /proc/PID/stat (proc_pid_stat(5))."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process (thread group) of a pod."""

    key: ProcessKey
    ppid: int = 0
    comm: str
    """The kernel's name, at most 15 bytes; what is not UTF-8 is escaped as \\xNN."""
    command: str = ""
    """Command line, blanks between arguments, at most 4096 characters."""
    container_id: str
    """64 hexadecimal digits, as in the name of the container's cgroup."""
    threads: tuple[int, ...]
    """TIDs, sorted."""
    is_pause: bool = False
    """It is the sandbox's pause process, which no decision covers."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container's cgroup."""

    id: str
    cgroup: str
    """Path below the cgroup root, without a leading slash."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod's cgroup, with what runs in it."""

    uid: str
    """With dashes, as Kubernetes writes it."""
    cgroup: str
    """Path below the cgroup root, without a leading slash."""
    qos: str
    """Guaranteed, Burstable or BestEffort: by the kubelet's slice that the cgroup lies in."""
    containers: tuple[Container, ...] = ()
    processes: tuple[Process, ...] = ()
    """By PID; empty for pods that no intent selects: nobody asks for theirs in the hot path."""
