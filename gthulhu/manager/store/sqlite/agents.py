"""What replicas tell each other about agents; all functions work within the transaction of their connection."""

import dataclasses
import datetime
import sqlite3
from collections.abc import Collection, Sequence

from gthulhu.manager.domain import intent, sample
from gthulhu.manager.store import base, documents


def open_session(connection: sqlite3.Connection, session: base.AgentSession) -> base.AgentSession:
    """Give a session the node's next epoch, and keep it in place of the node's last."""
    row = connection.execute("SELECT epoch FROM sessions WHERE node = ?", (session.node,)).fetchone()
    opened = dataclasses.replace(session, epoch=(int(row[0]) if row else 0) + 1)
    connection.execute(
        "INSERT OR REPLACE INTO sessions (node, epoch, document) VALUES (?, ?, ?)",
        (opened.node, opened.epoch, documents.SESSION.dump_json(opened).decode()),
    )
    return opened


def save_sessions(connection: sqlite3.Connection, updates: Sequence[base.SessionUpdate]) -> frozenset[tuple[str, int]]:
    """Keep those whose epochs are current; returns node and epoch of the others."""
    return frozenset((one.session.node, one.session.epoch) for one in updates if not _save(connection, one))


def list_sessions(connection: sqlite3.Connection) -> tuple[base.AgentSession, ...]:
    """Return the last session of each node."""
    rows = connection.execute("SELECT document FROM sessions ORDER BY node")
    return tuple(documents.SESSION.validate_json(document) for (document,) in rows)


def list_reports(connection: sqlite3.Connection, *, node: str) -> tuple[intent.Report, ...]:
    """Return all reports, or those of one node, by intent."""
    rows = connection.execute("SELECT document FROM reports WHERE ?1 = '' OR node = ?1 ORDER BY intent_id", (node,))
    return tuple(documents.REPORT.validate_json(document) for (document,) in rows)


def put_samples(connection: sqlite3.Connection, samples: Sequence[sample.Sample]) -> None:
    """Keep each, unless a later one of its node is there."""
    connection.executemany(
        "INSERT INTO samples (node, received_at, document, pods) VALUES (?, ?, ?, ?) ON CONFLICT (node) DO UPDATE SET "
        "received_at = excluded.received_at, document = excluded.document, pods = excluded.pods "
        "WHERE excluded.received_at >= received_at",
        [(one.node, round(one.received_at.timestamp() * 1000), *documents.split_sample(one)) for one in samples],
    )


def get_sample(connection: sqlite3.Connection, node: str) -> sample.Sample | None:
    """Return a node's sample."""
    row = connection.execute("SELECT document, pods FROM samples WHERE node = ?", (node,)).fetchone()
    return None if row is None else documents.join_sample(*row)


def list_samples(connection: sqlite3.Connection) -> tuple[sample.Sample, ...]:
    """Return the samples of all nodes, without pods."""
    rows = connection.execute("SELECT document FROM samples ORDER BY node")
    return tuple(documents.join_sample(document) for (document,) in rows)


def forget_nodes(connection: sqlite3.Connection, nodes: Collection[str], *, over_since: datetime.datetime) -> None:
    """Remove everything of nodes whose sessions are long over."""
    kept = {one.node for one in list_sessions(connection) if one.lease_until >= over_since}
    gone = [(node,) for node in nodes if node not in kept]
    for table in ("sessions", "reports", "samples"):
        connection.executemany(f"DELETE FROM {table} WHERE node = ?", gone)  # noqa: S608 - the names stand above


def _save(connection: sqlite3.Connection, update: base.SessionUpdate) -> bool:
    node = update.session.node
    done = connection.execute(
        "UPDATE sessions SET document = ? WHERE node = ? AND epoch = ?",
        (documents.SESSION.dump_json(update.session).decode(), node, update.session.epoch),
    )
    if done.rowcount == 0:
        return False
    connection.executemany(
        "INSERT OR REPLACE INTO reports (intent_id, node, document) VALUES (?, ?, ?)",
        [(report.intent_id, node, documents.REPORT.dump_json(report).decode()) for report in update.reports],
    )
    connection.executemany(
        "DELETE FROM reports WHERE intent_id = ? AND node = ?", [(intent_id, node) for intent_id in update.removed]
    )
    return True
