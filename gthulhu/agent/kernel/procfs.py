"""Reading /proc: small functions that know its formats (proc(5)) and that processes end while they are read.

All take the folder that procfs is mounted on, and raise `ProcessLookupError` where the process or thread has ended.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator

COMMAND_LIMIT = 4096
"""Characters of a command line that are kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stat:
    """What we need of /proc/PID/stat."""

    comm: str
    state: str
    ppid: int
    start_time: int
    """Clock ticks after boot."""


@contextlib.contextmanager
def _ended() -> Iterator[None]:
    """Give one name to the ways in which /proc says that a process has ended."""
    try:
        yield
    except FileNotFoundError as error:
        raise ProcessLookupError(error.errno, error.strerror, error.filename) from None


def read(path: str, limit: int = 65536) -> bytes:
    """Return a file's content by one read: what procfs makes of it is consistent then."""
    with _ended():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def text(raw: bytes) -> str:
    r"""Return bytes of a process's own choosing as text: what is not UTF-8, and control characters, become \xNN."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", raw.decode("utf-8", "backslashreplace"))


def parse_stat(raw: bytes) -> Stat:
    """Return the content of a stat file; a comm may hold blanks, parentheses and newlines: the last `)` ends it."""
    opening, closing = raw.index(b"("), raw.rindex(b")")
    fields = raw[closing + 2 :].split(maxsplit=20)
    return Stat(
        comm=text(raw[opening + 1 : closing]),
        state=fields[0].decode(),
        ppid=int(fields[1]),
        start_time=int(fields[19]),
    )


def stat(proc: str, pid: int) -> Stat:
    """Return a process's stat."""
    return parse_stat(read(f"{proc}/{pid}/stat"))


def command(proc: str, pid: int) -> str:
    """Return a process's command line, blanks between arguments; empty for kernel threads and zombies."""
    raw = read(f"{proc}/{pid}/cmdline", COMMAND_LIMIT + 1)
    return text(raw.rstrip(b"\0").replace(b"\0", b" "))[:COMMAND_LIMIT]


def threads(proc: str, pid: int) -> tuple[int, ...]:
    """Return a process's TIDs, sorted."""
    with _ended():
        return tuple(sorted(map(int, os.listdir(f"{proc}/{pid}/task"))))  # noqa: PTH208 -- only names are wanted, fast


def cgroup(proc: str, pid: int, *, version: int) -> str:
    """Return a process's cgroup in the hierarchy of the cpu controller: cgroups(7); empty where it is in none."""
    for line in read(f"{proc}/{pid}/cgroup").decode("utf-8", "replace").splitlines():
        _, controllers, path = line.split(":", 2)
        if (controllers == "") if version == 2 else ("cpu" in controllers.split(",")):  # noqa: PLR2004 -- cgroup's
            return path
    return ""


def boot_id(proc: str) -> str:
    """Return what tells one boot of the machine from another."""
    return read(f"{proc}/sys/kernel/random/boot_id").decode().strip()
