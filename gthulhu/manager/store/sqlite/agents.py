"""What replicas tell each other about agents; all functions work within the transaction of their connection."""

import dataclasses
import datetime
import sqlite3
from collections.abc import Sequence

from gthulhu.manager.domain import intent
from gthulhu.manager.store import base, documents


def open_session(connection: sqlite3.Connection, session: base.AgentSession) -> base.AgentSession:
    """Give a session the node's next epoch, and keep it in place of the node's last."""
    opened = dataclasses.replace(session, epoch=(_epoch(connection, session.node) or 0) + 1)
    connection.execute(
        "INSERT OR REPLACE INTO sessions (node, epoch, document) VALUES (?, ?, ?)",
        (opened.node, opened.epoch, documents.SESSION.dump_json(opened).decode()),
    )
    return opened


def renew_session(connection: sqlite3.Connection, session: base.AgentSession) -> bool:
    """Replace the row, if it is of the session's epoch."""
    done = connection.execute(
        "UPDATE sessions SET document = ? WHERE node = ? AND epoch = ?",
        (documents.SESSION.dump_json(session).decode(), session.node, session.epoch),
    )
    return done.rowcount == 1


def close_session(connection: sqlite3.Connection, *, node: str, epoch: int, now: datetime.datetime) -> None:
    """End the lease, if the row is of that epoch."""
    row = connection.execute("SELECT document FROM sessions WHERE node = ? AND epoch = ?", (node, epoch)).fetchone()
    if row is not None:
        renew_session(connection, dataclasses.replace(documents.SESSION.validate_json(row[0]), lease_until=now))


def list_sessions(connection: sqlite3.Connection) -> tuple[base.AgentSession, ...]:
    """Return the last session of each node."""
    rows = connection.execute("SELECT document FROM sessions ORDER BY node")
    return tuple(documents.SESSION.validate_json(document) for (document,) in rows)


def put_reports(
    connection: sqlite3.Connection, reports: Sequence[intent.Report], *, removed: Sequence[str], node: str, epoch: int
) -> bool:
    """Replace and remove reports, if the epoch is the node's current one."""
    if _epoch(connection, node) != epoch:
        return False
    connection.executemany(
        "INSERT OR REPLACE INTO reports (intent_id, node, document) VALUES (?, ?, ?)",
        [(report.intent_id, node, documents.REPORT.dump_json(report).decode()) for report in reports],
    )
    connection.executemany(
        "DELETE FROM reports WHERE intent_id = ? AND node = ?", [(intent_id, node) for intent_id in removed]
    )
    return True


def list_reports(connection: sqlite3.Connection, *, node: str) -> tuple[intent.Report, ...]:
    """Return all reports, or those of one node, by intent."""
    rows = connection.execute("SELECT document FROM reports WHERE ?1 = '' OR node = ?1 ORDER BY intent_id", (node,))
    return tuple(documents.REPORT.validate_json(document) for (document,) in rows)


def _epoch(connection: sqlite3.Connection, node: str) -> int | None:
    row = connection.execute("SELECT epoch FROM sessions WHERE node = ?", (node,)).fetchone()
    return None if row is None else int(row[0])
