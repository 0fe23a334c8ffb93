"""One SQLite file off the event loop: a thread that writes, a thread that reads, and a lock against other processes.

WAL lets the reader go on while the writer writes; `synchronous=FULL` has every commit on the disk before it returns.
"""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

from gthulhu.common import errors
from gthulhu.manager.store.sqlite import schema

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Database:
    """Runs functions over a connection in transactions of their own."""

    def __init__(self, path: pathlib.Path, *, on_commit: Callable[[], None]) -> None:
        """Take the file, and what to call in the writing thread after each commit."""
        self._path = path
        self._on_commit = on_commit
        self._lock: int | None = None
        self._writer: _Worker | None = None
        self._reader: _Worker | None = None

    async def open(self) -> None:
        """Take the lock, bring the file to the newest version, and start both threads; `UnavailableError`."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Finish what was begun, then release everything."""
        writer, reader, self._writer, self._reader = self._writer, self._reader, None, None
        for worker in (reader, writer):
            if worker is not None:
                await asyncio.to_thread(worker.close)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def read(self, work: Work[T]) -> T:
        """Return what the function reads, all of it from one moment."""
        return await self._run(self._reader, _read, work)

    async def write(self, work: Work[T]) -> T:
        """Return what the function returns when what it wrote is on the disk; nothing of it where it raises."""
        return await self._run(self._writer, self._write, work)

    async def _run(
        self, worker: "_Worker | None", transact: Callable[[sqlite3.Connection, Work[T]], T], work: Work[T]
    ) -> T:
        if worker is None:
            raise errors.UnavailableError("STORE_UNAVAILABLE", "the store is not open")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(worker.thread, transact, worker.connection, work)

    def _write(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        with _translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._on_commit()
        return result

    def _open(self) -> None:
        with _translated():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(self._path.with_name(f"{self._path.name}.lock"))
            try:
                # Created here so that nobody else can read it; SQLite gives its other files the same mode.
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
                self._writer = _Worker(self._path)
                _migrate(self._writer.connection, self._path)
                self._reader = _Worker(self._path)
                self._reader.connection.execute("PRAGMA query_only = ON")
            except BaseException:
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
                os.close(self._lock)
                self._lock = None
                raise


class _Worker:
    """A connection, and the one thread that uses it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA busy_timeout = 5000")
        self.thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")

    def close(self) -> None:
        self.thread.shutdown()
        self.connection.close()


def _read(connection: sqlite3.Connection, work: Work[T]) -> T:
    with _translated():
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            connection.execute("ROLLBACK")


def _lock(path: pathlib.Path) -> int:
    """Take the lock and leave our process id in it; a process that ends, however it ends, releases it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise errors.UnavailableError(
            "STORE_LOCKED",
            f"{path.with_suffix('')} is in use by another manager (process {holder}): stop that one, or give this one "
            "a state folder of its own; several managers at once need MongoDB",
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _migrate(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Take every step that the file has not had yet, each in a transaction of its own."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(schema.MIGRATIONS):
        raise errors.UnavailableError(
            "STORE_TOO_NEW",
            f"{path} has version {version} and this program knows up to {len(schema.MIGRATIONS)}: it was written by "
            "a newer release; run that one, or restore a backup",
        )
    for number, step in enumerate(schema.MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step}; PRAGMA user_version = {number}; COMMIT;")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what the file system and SQLite may refuse into the one error that callers know."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise errors.UnavailableError("STORE_UNAVAILABLE", f"the store cannot be used: {error}") from error
