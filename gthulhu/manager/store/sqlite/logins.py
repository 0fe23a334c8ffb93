"""Refresh tokens, claims and the audit log; all functions work within the transaction of their connection."""

import dataclasses
import datetime
import sqlite3

from gthulhu.manager.store import base, documents


def add_refresh_token(connection: sqlite3.Connection, token: base.RefreshToken) -> None:
    """Keep a token, and forget those that have expired."""
    connection.execute("DELETE FROM refresh_tokens WHERE expires_at < ?", (_milliseconds(token.issued_at),))
    connection.execute(
        "INSERT INTO refresh_tokens (digest, family, user_id, expires_at, used, document) VALUES (?, ?, ?, ?, ?, ?)",
        (
            token.digest,
            token.family,
            token.user_id,
            _milliseconds(token.expires_at),
            token.used,
            documents.REFRESH_TOKEN.dump_json(token).decode(),
        ),
    )


def use_refresh_token(connection: sqlite3.Connection, digest: str) -> base.RefreshToken | None:
    """Mark a token as used, and return it as it was."""
    row = connection.execute("SELECT used, document FROM refresh_tokens WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE refresh_tokens SET used = 1 WHERE digest = ?", (digest,))
    used, document = row
    return dataclasses.replace(documents.REFRESH_TOKEN.validate_json(document), used=bool(used))


def revoke_refresh_tokens(connection: sqlite3.Connection, *, family: str, user_id: str) -> None:
    """Remove the tokens of a family, and those of a user."""
    connection.execute(
        "DELETE FROM refresh_tokens WHERE (family = ?1 AND ?1 <> '') OR (user_id = ?2 AND ?2 <> '')", (family, user_id)
    )


def claim(
    connection: sqlite3.Connection, key: str, *, holder: str, until: datetime.datetime, now: datetime.datetime
) -> str:
    """Keep a claim unless there is one, forget those whose time is over, and return who holds the key."""
    connection.execute("DELETE FROM claims WHERE until < ?", (_milliseconds(now),))
    connection.execute(
        "INSERT INTO claims (key, holder, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (key, holder, _milliseconds(until)),
    )
    return str(connection.execute("SELECT holder FROM claims WHERE key = ?", (key,)).fetchone()[0])


def add_audit(connection: sqlite3.Connection, entry: base.AuditEntry) -> None:
    """Append an entry."""
    document = documents.AUDIT_ENTRY.dump_json(entry).decode()
    connection.execute(
        "INSERT INTO audit (time, actor, action, target, document) VALUES (?, ?, ?, ?, ?)",
        (_milliseconds(entry.time), entry.actor, entry.action, entry.target, document),
    )


def list_audit(
    connection: sqlite3.Connection, query: base.AuditFilter, *, limit: int, before_id: int | None
) -> tuple[base.AuditEntry, ...]:
    """Return entries, newest first."""
    rows = connection.execute(
        """
        SELECT id, document FROM audit
        WHERE (:actor = '' OR actor = :actor)
          AND (:action = '' OR action = :action OR substr(action, 1, length(:action) + 1) = :action || '.')
          AND (:target = '' OR target = :target)
          AND (:since IS NULL OR time >= :since)
          AND (:until IS NULL OR time < :until)
          AND (:before IS NULL OR id < :before)
        ORDER BY id DESC LIMIT :limit
        """,
        {
            "actor": query.actor,
            "action": query.action,
            "target": query.target,
            "since": None if query.since is None else _milliseconds(query.since),
            "until": None if query.until is None else _milliseconds(query.until),
            "before": before_id,
            "limit": limit,
        },
    )
    return tuple(
        dataclasses.replace(documents.AUDIT_ENTRY.validate_json(document), id=number) for number, document in rows
    )


def _milliseconds(time: datetime.datetime) -> int:
    return round(time.timestamp() * 1000)
