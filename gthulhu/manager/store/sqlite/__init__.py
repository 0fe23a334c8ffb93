"""The embedded store: one SQLite file, for one manager process."""

from gthulhu.manager.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
