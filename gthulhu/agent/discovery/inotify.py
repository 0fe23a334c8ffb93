"""inotify(7), as much of it as watching folders needs: the standard library has no binding."""

import ctypes
import dataclasses
import os
import struct
from collections.abc import Iterator

CREATE = 0x100
DELETE = 0x200
MODIFY = 0x2
MOVED = 0xC0
ONLYDIR = 0x0100_0000
OVERFLOW = 0x4000
IGNORED = 0x8000
IS_DIRECTORY = 0x4000_0000

_HEADER = struct.Struct("iIII")
_BUFFER = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something has happened in a watched folder."""

    folder: str
    """As it was given to `watch`; empty for an overflow: events were lost."""
    mask: int
    name: str


class Inotify:
    """A set of watched folders; its descriptor is readable where something has happened."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            OSError: No more instances for this user (`fs.inotify.max_user_instances`).
        """
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, str] = {}
        self._watches: dict[str, int] = {}

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def watch(self, folder: str, mask: int) -> bool:
        """Watch a folder; tells whether it was not watched before.

        Raises:
            OSError: It is not there, or there are no more watches (`fs.inotify.max_user_watches`).
        """
        if folder in self._watches:
            return False
        number = _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask | ONLYDIR))
        self._folders[number] = folder
        self._watches[folder] = number
        return True

    def read(self) -> Iterator[Event]:
        """Yield what has happened since; a folder that has gone is watched no longer."""
        try:
            raw = os.read(self._descriptor, _BUFFER)
        except BlockingIOError:
            return
        at = 0
        while at < len(raw):
            number, mask, _, length = _HEADER.unpack_from(raw, at)
            at += _HEADER.size
            name = raw[at : at + length].rstrip(b"\0")
            at += length
            folder = self._folders.get(number, "")
            if mask & IGNORED:
                self._folders.pop(number, None)
                self._watches.pop(folder, None)
            elif folder or mask & OVERFLOW:
                yield Event(folder, mask, os.fsdecode(name))

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
