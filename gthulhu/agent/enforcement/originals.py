"""What was there before us, on disk before anything is changed, so that it can be put back after any crash.

An SQLite file with `synchronous=FULL`: a commit is on the disk when it returns. What is true only until the next boot
is dropped when the machine has another boot id. Everything is in memory too; the file is only read when it is opened.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import sqlite3
from collections.abc import Iterator

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import threads
from gthulhu.common import errors

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pods (uid TEXT PRIMARY KEY, cgroup TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS weights (
    cgroup TEXT PRIMARY KEY, pod_uid TEXT NOT NULL, base INTEGER NOT NULL, applied INTEGER NOT NULL,
    previous INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS threads (
    pid INTEGER, start_time INTEGER, tid INTEGER, pod_uid TEXT NOT NULL, nice INTEGER NOT NULL,
    slice_ns INTEGER NOT NULL, applied_nice INTEGER NOT NULL, applied_slice_ns INTEGER NOT NULL,
    previous_nice INTEGER NOT NULL, previous_slice_ns INTEGER NOT NULL,
    PRIMARY KEY (pid, start_time, tid)
) WITHOUT ROWID;
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A cgroup's weight that we have changed, or are about to."""

    cgroup: str
    pod_uid: str
    base: int
    """What it would be without us."""
    applied: int
    """What we write."""
    previous: int
    """What we wrote before, or `applied`: after a crash either may be found, and neither is someone else's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSetting:
    """A thread's setting that we have changed, or are about to."""

    process: processes.ProcessKey
    tid: int
    pod_uid: str
    original: threads.Setting
    """What it would have without us."""
    applied: threads.Setting
    previous: threads.Setting
    """As `Weight.previous`."""


class Originals:
    """The records; changes are durable after `commit`. For one thread at a time, whichever it is."""

    def __init__(self, path: pathlib.Path, *, boot_id: str) -> None:
        """Open the file, make it where it is missing, and lock it.

        Raises:
            ConflictError: `AGENT_RUNNING`: another process has it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise errors.ConflictError("AGENT_RUNNING", f"{path}: in use by a running agent; stop it first") from None
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
        self.pods: dict[str, str] = {}
        """Cgroups of the pods that carry anything of ours, by UID."""
        self.weights: dict[str, Weight] = {}
        """By cgroup."""
        self.threads: dict[str, dict[processes.ProcessKey, dict[int, ThreadSetting]]] = {}
        """By pod UID, process and TID."""
        self._pending: list[tuple[str, tuple[object, ...]]] = []
        self._load(boot_id)

    # Changes: at once in memory, on the disk with the next commit.

    def put_pod(self, uid: str, cgroup: str) -> None:
        """Note that a pod carries something of ours."""
        if self.pods.get(uid) != cgroup:
            self.pods[uid] = cgroup
            self._pending.append(("INSERT OR REPLACE INTO pods VALUES (?, ?)", (uid, cgroup)))

    def put_weight(self, one: Weight) -> None:
        """Note a cgroup's weight."""
        if self.weights.get(one.cgroup) != one:
            self.weights[one.cgroup] = one
            row = (one.cgroup, one.pod_uid, one.base, one.applied, one.previous)
            self._pending.append(("INSERT OR REPLACE INTO weights VALUES (?, ?, ?, ?, ?)", row))

    def settle_weight(self, one: Weight) -> None:
        """Note that a weight is written: what was there before is no longer ours; not worth a write to the disk."""
        self.weights[one.cgroup] = dataclasses.replace(one, previous=one.applied)

    def drop_weight(self, cgroup: str) -> None:
        """Forget a cgroup's weight: it is as it was, or gone."""
        if self.weights.pop(cgroup, None):
            self._pending.append(("DELETE FROM weights WHERE cgroup = ?", (cgroup,)))

    def put_thread(self, one: ThreadSetting) -> None:
        """Note a thread's setting."""
        its = self.threads.setdefault(one.pod_uid, {}).setdefault(one.process, {})
        if its.get(one.tid) != one:
            its[one.tid] = one
            settings = (*_values(one.original), *_values(one.applied), *_values(one.previous))
            row = (*_key(one), one.pod_uid, *settings)
            self._pending.append(("INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row))

    def settle_thread(self, one: ThreadSetting) -> None:
        """As `settle_weight`."""
        self.threads[one.pod_uid][one.process][one.tid] = dataclasses.replace(one, previous=one.applied)

    def drop_thread(self, one: ThreadSetting) -> None:
        """Forget a thread's setting: it is as it was, or the thread has ended."""
        of_pod = self.threads.get(one.pod_uid, {})
        if of_pod.get(one.process, {}).pop(one.tid, None):
            self._pending.append(("DELETE FROM threads WHERE pid = ? AND start_time = ? AND tid = ?", _key(one)))
            if not of_pod[one.process]:
                del of_pod[one.process]
            if not of_pod:
                del self.threads[one.pod_uid]

    def drop_pod(self, uid: str) -> None:
        """Forget a pod with everything that is noted of it."""
        for weight in [one for one in self.weights.values() if one.pod_uid == uid]:
            self.drop_weight(weight.cgroup)
        for its in list(self.threads.get(uid, {}).values()):
            for thread in list(its.values()):
                self.drop_thread(thread)
        if self.pods.pop(uid, None):
            self._pending.append(("DELETE FROM pods WHERE uid = ?", (uid,)))

    def commit(self) -> None:
        """Have all changes on the disk when it returns.

        Raises:
            sqlite3.Error: The disk is full, or broken; the changes stay pending.
        """
        if not self._pending:
            return
        with self._transaction():
            for statement, values in self._pending:
                self._database.execute(statement, values)
        self._pending.clear()

    def close(self) -> None:
        """Close the file and release it."""
        self._database.close()
        os.close(self._lock)

    def _load(self, boot_id: str) -> None:
        if self._database.execute("SELECT id FROM boot").fetchall() != [(boot_id,)]:
            with self._transaction():
                for table in ("boot", "pods", "weights", "threads"):
                    self._database.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of our own
                self._database.execute("INSERT INTO boot VALUES (?)", (boot_id,))
        self.pods.update(self._database.execute("SELECT uid, cgroup FROM pods"))
        for cgroup, uid, base, applied, previous in self._database.execute("SELECT * FROM weights"):
            self.weights[cgroup] = Weight(cgroup=cgroup, pod_uid=uid, base=base, applied=applied, previous=previous)
        for pid, start_time, tid, uid, *settings in self._database.execute("SELECT * FROM threads"):
            one = ThreadSetting(
                process=processes.ProcessKey(pid, start_time),
                tid=tid,
                pod_uid=uid,
                original=threads.Setting(*settings[:2]),
                applied=threads.Setting(*settings[2:4]),
                previous=threads.Setting(*settings[4:]),
            )
            self.threads.setdefault(uid, {}).setdefault(one.process, {})[tid] = one

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _key(one: ThreadSetting) -> tuple[int, int, int]:
    return one.process.pid, one.process.start_time, one.tid


def _values(setting: threads.Setting) -> tuple[int, int]:
    return setting.nice, setting.slice_ns
