"""libbpf, as far as the agent needs it, through ctypes: objects, maps, links, ring buffers.

libbpf is the kernel's own loader library; it resolves CO-RE relocations against the running kernel, so an object that
was built once serves many kernels. The library is `libbpf.so.1`, or what the environment variable LIBBPF names:
struct_ops links need version 1.4 or later. Functions and their errors: libbpf's API documentation and bpf(2).
"""

import ctypes
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from gthulhu.common import errors

_POINTER, _INT, _U32, _U64, _TEXT, _SIZE = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint32,
    ctypes.c_uint64,
    ctypes.c_char_p,
    ctypes.c_size_t,
)
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "bpf_object__open_file": (_POINTER, [_TEXT, _POINTER]),
    "bpf_object__load": (_INT, [_POINTER]),
    "bpf_object__close": (None, [_POINTER]),
    "bpf_object__next_map": (_POINTER, [_POINTER, _POINTER]),
    "bpf_object__next_program": (_POINTER, [_POINTER, _POINTER]),
    "bpf_map__name": (_TEXT, [_POINTER]),
    "bpf_map__fd": (_INT, [_POINTER]),
    "bpf_map__initial_value": (_POINTER, [_POINTER, ctypes.POINTER(_SIZE)]),
    "bpf_map__pin": (_INT, [_POINTER, _TEXT]),
    "bpf_map__attach_struct_ops": (_POINTER, [_POINTER]),
    "bpf_program__name": (_TEXT, [_POINTER]),
    "bpf_program__fd": (_INT, [_POINTER]),
    "bpf_program__attach": (_POINTER, [_POINTER]),
    "bpf_link__fd": (_INT, [_POINTER]),
    "bpf_link__pin": (_INT, [_POINTER, _TEXT]),
    "bpf_link__destroy": (_INT, [_POINTER]),
    "bpf_obj_get": (_INT, [_TEXT]),
    "bpf_map_lookup_elem": (_INT, [_INT, _POINTER, _POINTER]),
    "bpf_map_update_elem": (_INT, [_INT, _POINTER, _POINTER, _U64]),
    "bpf_map_delete_elem": (_INT, [_INT, _POINTER]),
    "bpf_map_get_next_key": (_INT, [_INT, _POINTER, _POINTER]),
    "ring_buffer__new": (_POINTER, [_INT, _POINTER, _POINTER, _POINTER]),
    "ring_buffer__epoll_fd": (_INT, [_POINTER]),
    "ring_buffer__consume": (_INT, [_POINTER]),
    "ring_buffer__free": (None, [_POINTER]),
    "libbpf_set_print": (_POINTER, [_POINTER]),
    "libbpf_version_string": (_TEXT, []),
}
_PRINTER = ctypes.CFUNCTYPE(_INT, _INT, _TEXT, _POINTER)
_ON_RECORD = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _SIZE)

# The base of c_int and its kin has no public name.
Key = TypeVar("Key", bound="ctypes._SimpleCData[Any] | ctypes.Structure")  # noqa: SLF001
Value = TypeVar("Value", bound="ctypes._SimpleCData[Any] | ctypes.Structure | ctypes.Array[Any]")  # noqa: SLF001


class BpfError(errors.PreconditionError):
    """The kernel or libbpf refused something; the message holds their words."""

    def __init__(self, what: str, number: int) -> None:
        """Take what was tried, and the error number."""
        super().__init__("BPF_REFUSED", f"{what}: {os.strerror(number) if number else 'refused'}")
        self.errno = number


class Library:
    """The loaded libbpf."""

    def __init__(self, path: str | None = None) -> None:
        """Load it; `BpfError` where there is none."""
        name = path or os.environ.get("LIBBPF") or "libbpf.so.1"
        try:
            self._library = ctypes.CDLL(name, use_errno=True)
        except OSError as error:
            raise BpfError(f"loading {name} ({error})", 0) from None
        for function, (result, arguments) in _SIGNATURES.items():
            bound = getattr(self._library, function)
            bound.restype, bound.argtypes = result, arguments
        self._library.libbpf_set_print(None)

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self._library.libbpf_version_string().decode().lstrip("v").split(".")[:2]
        return int(major), int(minor)

    def call(self, function: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever C returns
        """Call a function that fails with NULL or a negative number; `BpfError` where it does."""
        ctypes.set_errno(0)
        result = getattr(self._library, function)(*arguments)
        signature = _SIGNATURES[function][0]
        if signature is _POINTER and not result:
            raise BpfError(function, ctypes.get_errno())
        if signature is _INT and result < 0:
            raise BpfError(function, ctypes.get_errno() or -result)
        return result

    def next(self, function: str, owner: int, previous: int | None) -> int | None:
        """Call one of libbpf's iterators: the next element, or None."""
        found: int | None = getattr(self._library, function)(owner, previous)
        return found


class Map(Generic[Key, Value]):
    """A map with keys and values of C types."""

    def __init__(self, library: Library, fd: int, key: type[Key], value: type[Value]) -> None:
        """Wrap the map behind a descriptor that somebody else keeps open."""
        self._library, self._fd, self._key, self._value = library, fd, key, value

    def get(self, key: Key) -> Value | None:
        """Return a copy of the value; None where there is none."""
        value = self._value()
        try:
            self._library.call("bpf_map_lookup_elem", self._fd, ctypes.byref(key), ctypes.byref(value))
        except BpfError:
            return None
        return value

    def set(self, key: Key, value: Value) -> None:
        """Write a value; `BpfError` where the map is full."""
        self._library.call("bpf_map_update_elem", self._fd, ctypes.byref(key), ctypes.byref(value), 0)

    def delete(self, key: Key) -> None:
        """Remove a value if it is there."""
        try:
            self._library.call("bpf_map_delete_elem", self._fd, ctypes.byref(key))
        except BpfError as error:
            if error.errno != 2:  # noqa: PLR2004 - ENOENT
                raise

    def keys(self) -> Iterator[Key]:
        """Yield the keys; those that come or go meanwhile may be missed."""
        previous: Key | None = None
        while True:
            following = self._key()
            try:
                start = ctypes.byref(previous) if previous is not None else None
                self._library.call("bpf_map_get_next_key", self._fd, start, ctypes.byref(following))
            except BpfError:
                return
            yield following
            previous = following


class Object:
    """A BPF object file, from opening to closing; what it attached ends with `close`, unless it was pinned."""

    def __init__(self, library: Library, path: pathlib.Path) -> None:
        """Open the file; nothing is in the kernel yet."""
        self._library = library
        self._object = library.call("bpf_object__open_file", str(path).encode(), None)
        self._links: list[int] = []
        self._maps = dict(self._named("bpf_object__next_map", "bpf_map__name"))
        self._programs = dict(self._named("bpf_object__next_program", "bpf_program__name"))

    def _named(self, following: str, name: str) -> Iterator[tuple[str, int]]:
        element = self._library.next(following, self._object, None)
        while element:
            yield self._library.call(name, element).decode(), element
            element = self._library.next(following, self._object, element)

    def constants(self, layout: type[ctypes.Structure]) -> ctypes.Structure:
        """Return the object's `const volatile` variables, to be written before `load`.

        `layout` names them in the order in which they stand in the section .rodata.
        """
        size = _SIZE()
        address = self._library.call("bpf_map__initial_value", self._map(".rodata"), ctypes.byref(size))
        return layout.from_address(address)

    def load(self) -> None:
        """Bring programs and maps into the kernel; `BpfError` where its verifier refuses them."""
        self._library.call("bpf_object__load", self._object)

    def map(self, name: str, key: type[Key], value: type[Value]) -> Map[Key, Value]:
        """Return a map by its name; see `map_fd`."""
        return Map(self._library, self.map_fd(name), key, value)

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map, by its name or the end of it: libbpf shortens those of variables (.bss)."""
        return int(self._library.call("bpf_map__fd", self._map(name)))

    def _map(self, name: str) -> int:
        return self._maps.get(name) or next(one for its, one in self._maps.items() if its.endswith(name))

    def program_fd(self, name: str) -> int:
        """Return the descriptor of a program."""
        return int(self._library.call("bpf_program__fd", self._programs[name]))

    def attach(self) -> None:
        """Attach every program to what its section names."""
        for handle in self._programs.values():
            self._links.append(self._library.call("bpf_program__attach", handle))

    def attach_struct_ops(self, name: str, *, pin: pathlib.Path | None = None) -> None:
        """Hand a table of operations to the kernel; pinned, it stays when this process ends."""
        link = self._library.call("bpf_map__attach_struct_ops", self._maps[name])
        self._links.append(link)
        if pin:
            self._library.call("bpf_link__pin", link, str(pin).encode())

    def pin_map(self, name: str, path: pathlib.Path) -> None:
        """Give a map a name in bpffs, by which another process finds it."""
        self._library.call("bpf_map__pin", self._map(name), str(path).encode())

    def close(self) -> None:
        """Detach what is attached and not pinned, and let go of everything."""
        for link in self._links:
            self._library.call("bpf_link__destroy", link)
        self._links = []
        if self._object:
            self._library.call("bpf_object__close", self._object)
            self._object = None


class RingBuffer:
    """Records that a BPF program writes, in order."""

    def __init__(self, library: Library, fd: int, on_record: Callable[[bytes], None]) -> None:
        """Call `on_record` with each record's bytes whenever `consume` finds some."""

        def receive(_context: object, data: int, size: int) -> int:
            on_record(ctypes.string_at(data, size))
            return 0

        self._library = library
        self._receive = _ON_RECORD(receive)  # kept: C holds no reference
        self._buffer = library.call("ring_buffer__new", fd, self._receive, None, None)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are records."""
        return int(self._library.call("ring_buffer__epoll_fd", self._buffer))

    def consume(self) -> int:
        """Hand over every record that there is; returns how many."""
        return int(self._library.call("ring_buffer__consume", self._buffer))

    def close(self) -> None:
        """Free it."""
        self._library.call("ring_buffer__free", self._buffer)
