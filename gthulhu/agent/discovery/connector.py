"""Forks, execs and exits, live: the kernel's process connector (drivers/connector/cn_proc.c) over a netlink socket.

A socket filter lets the kernel drop what nobody here wants, above all threads: new threads inherit what theirs have.
"""

import ctypes
import dataclasses
import enum
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Protocol

FORK = 0x1
EXEC = 0x2
EXIT = 0x8000_0000

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC = 1
_CN_VAL_PROC = 1
_LISTEN = 1
_NLMSG_DONE = 3
_SO_RCVBUFFORCE = 33
_SO_ATTACH_FILTER = 26
_RECEIVE_BYTES = 4 << 20
"""Holds some 10,000 events: half a second of a fork storm."""

_NETLINK_HEADER = struct.Struct("=IHHII")
_CONNECTOR_HEADER = struct.Struct("=IIIIHH")
_WHAT = _NETLINK_HEADER.size + _CONNECTOR_HEADER.size
_DATA = _WHAT + 16
"""After what, cpu and timestamp."""
_EVENT = struct.Struct("=I12xIIII")
_BURST = 1024


class Kind(enum.Enum):
    """What a process did."""

    FORK = enum.auto()
    EXEC = enum.auto()
    EXIT = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One process (never a mere thread) forked, executed a program, or ended."""

    kind: Kind
    pid: int
    """The process; of a fork, the child."""
    parent: int = 0
    """Of a fork only."""


class LostError(Exception):
    """Events came faster than they were read: anything may have happened."""


class ProcessEvents(Protocol):
    """A source of events; its descriptor is readable where there are some."""

    name: str

    def fileno(self) -> int:
        """Return the descriptor."""

    def read(self) -> Iterator[Event]:
        """Yield what has happened since, without blocking; raises `LostError` where events were lost."""

    def close(self) -> None:
        """Stop listening."""


class Connector:
    """The process connector on a plain socket.

    Needs CAP_NET_ADMIN and the initial network and PID namespaces: `OSError` elsewhere, or silence.
    """

    name = "netlink"

    def __init__(self) -> None:
        """Subscribe."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
            _attach(self._socket)
            self._socket.bind((0, _CN_IDX_PROC))
            self._socket.send(_subscription())
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """See `ProcessEvents.fileno`."""
        return self._socket.fileno()

    def read(self) -> Iterator[Event]:
        """See `ProcessEvents.read`."""
        for _ in range(_BURST):
            try:
                raw = self._socket.recv(4096)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise LostError from None
                raise
            event = self._decode(raw)
            if event is not None:
                yield event

    def _decode(self, raw: bytes) -> Event | None:
        return decode(raw)

    def close(self) -> None:
        """See `ProcessEvents.close`: the kernel drops the subscription with the socket."""
        self._socket.close()


def decode(raw: bytes) -> Event | None:
    """Return the event of a message; None for what is none of ours."""
    if len(raw) < _WHAT + _EVENT.size:
        return None
    what, first, second, third, fourth = _EVENT.unpack_from(raw, _WHAT)
    if what == FORK and third == fourth:
        return Event(Kind.FORK, pid=fourth, parent=second)
    if what == EXEC:
        return Event(Kind.EXEC, pid=second)
    if what == EXIT and first == second:
        return Event(Kind.EXIT, pid=second)
    return None


def _subscription() -> bytes:
    body = _CONNECTOR_HEADER.pack(_CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0) + struct.pack("=I", _LISTEN)
    return _NETLINK_HEADER.pack(_NETLINK_HEADER.size + len(body), _NLMSG_DONE, 0, 0, 0) + body


_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _TO_X, _EQUALS, _EQUALS_X, _RETURN = 0x20, 0x07, 0x15, 0x1D, 0x06


def _program() -> bytes:
    """Return classic BPF that passes the forks, execs and exits of processes.

    It loads words in network order: constants are swapped to match; two loaded words compare equal in any order.
    """
    fork, execute, end = (socket.htonl(what) for what in (FORK, EXEC, EXIT))
    return b"".join(
        _INSTRUCTION.pack(*instruction)
        for instruction in (
            (_LOAD, 0, 0, _WHAT),
            (_EQUALS, 10, 0, execute),  # pass
            (_EQUALS, 0, 4, fork),  # else: is it an exit?
            (_LOAD, 0, 0, _DATA + 8),  # the child's pid
            (_TO_X, 0, 0, 0),
            (_LOAD, 0, 0, _DATA + 12),  # and tgid
            (_EQUALS_X, 5, 6, 0),  # the same: pass, else drop
            (_EQUALS, 0, 5, end),  # else: drop
            (_LOAD, 0, 0, _DATA),  # pid
            (_TO_X, 0, 0, 0),
            (_LOAD, 0, 0, _DATA + 4),  # tgid
            (_EQUALS_X, 0, 1, 0),  # the same: pass, else drop
            (_RETURN, 0, 0, 0xFFFF_FFFF),
            (_RETURN, 0, 0, 0),
        )
    )


def _attach(connection: socket.socket) -> None:
    program = ctypes.create_string_buffer(_program())
    count = len(_program()) // _INSTRUCTION.size
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(program)))
