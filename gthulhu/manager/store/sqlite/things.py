"""What the revision counts: strategies, users, roles and the pause, with the rows that announce each change.

All functions work within the transaction of the connection that they get.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Sequence

from gthulhu.manager.domain import access, strategy
from gthulhu.manager.store import base, kinds
from gthulhu.manager.store.kinds import Kind, T

_PAUSE = "pause"


def get(connection: sqlite3.Connection, kind: Kind[T], thing_id: str) -> T | None:
    """Return the thing."""
    row = connection.execute("SELECT document FROM things WHERE kind = ? AND id = ?", (kind.name, thing_id)).fetchone()
    return None if row is None else kind.adapter.validate_json(row[0])


def get_all(connection: sqlite3.Connection, kind: Kind[T]) -> tuple[T, ...]:
    """Return all things of a kind, sorted."""
    rows = connection.execute("SELECT document FROM things WHERE kind = ?", (kind.name,))
    return tuple(sorted((kind.adapter.validate_json(document) for (document,) in rows), key=kind.order))


def find_user(connection: sqlite3.Connection, *, username: str, email: str) -> access.User | None:
    """Return the user of that name or, where it is given, of that e-mail address."""
    column, wanted = ("email", email) if email else ("key", username)
    row = connection.execute(
        f"SELECT document FROM things WHERE kind = 'user' AND {column} = ?",  # noqa: S608 - one of two names above
        (kinds.fold(wanted),),
    ).fetchone()
    return None if row is None else kinds.USER.adapter.validate_json(row[0])


def put(connection: sqlite3.Connection, kind: Kind[T], value: T, *, expected_etag: str | None) -> T:
    """Create or replace a thing; see `base.Store.put_strategy`."""
    current = get(connection, kind, value.id)
    if expected_etag is None and current is not None:
        raise kind.exists(value)
    if expected_etag is not None and current is None:
        raise kind.not_found(value.id)
    if expected_etag is not None and current is not None and current.etag != expected_etag:
        raise kind.mismatch()
    if isinstance(value, access.User) and isinstance(current, access.User):
        # Log-ins are noted past the etag: one that came in between must not be undone.
        value = dataclasses.replace(value, last_login_at=current.last_login_at)
    return _write(connection, kind, value)


def delete(connection: sqlite3.Connection, kind: Kind[T], thing_id: str, *, expected_etag: str | None = None) -> T:
    """Remove a thing and return what it was."""
    current = get(connection, kind, thing_id)
    if current is None:
        raise kind.not_found(thing_id)
    if expected_etag is not None and current.etag != expected_etag:
        raise kind.mismatch()
    connection.execute("DELETE FROM things WHERE kind = ? AND id = ?", (kind.name, thing_id))
    _announce(connection, kind.name, thing_id, None)
    return current


def delete_user(
    connection: sqlite3.Connection, user_id: str, *, new_owner: access.User | None, audit: base.AuditEntry
) -> None:
    """Remove a user, after its strategies have gone or have got their new owner."""
    rows = connection.execute("SELECT id FROM things WHERE kind = 'strategy' AND owner = ?", (user_id,)).fetchall()
    for (strategy_id,) in sorted(rows):
        if new_owner is None:
            delete(connection, kinds.STRATEGY, strategy_id)
        else:
            owned = get(connection, kinds.STRATEGY, strategy_id)
            if owned is not None:
                _write(connection, kinds.STRATEGY, kinds.reassigned(owned, to=new_owner, at=audit.time))
    connection.execute("DELETE FROM refresh_tokens WHERE user_id = ?", (user_id,))
    delete(connection, kinds.USER, user_id)


def delete_role(connection: sqlite3.Connection, role_id: str, *, force: bool) -> None:
    """Remove a role, after it has been taken from its users."""
    role = get(connection, kinds.ROLE, role_id)
    if role is None:
        raise kinds.ROLE.not_found(role_id)
    holders = [user for user in get_all(connection, kinds.USER) if role_id in user.roles]
    if holders and not force:
        raise kinds.role_in_use(role, len(holders))
    for user in holders:
        roles = tuple(held for held in user.roles if held != role_id)
        _write(connection, kinds.USER, dataclasses.replace(user, roles=roles))
    delete(connection, kinds.ROLE, role_id)


def record_login(connection: sqlite3.Connection, user_id: str, *, at: str) -> None:
    """Note the time of a login in the user's document, past the revision."""
    connection.execute(
        "UPDATE things SET document = json_set(document, '$.last_login_at', ?) WHERE kind = 'user' AND id = ?",
        (at, user_id),
    )


def set_paused(connection: sqlite3.Connection, *, paused: bool) -> None:
    """Throw the switch."""
    connection.execute("UPDATE state SET value = ? WHERE key = 'paused'", (paused,))
    _announce(connection, _PAUSE, "", json.dumps(paused))


def revision(connection: sqlite3.Connection) -> int:
    """Return how many changes there have been."""
    return _state(connection, "revision")


def snapshot(connection: sqlite3.Connection) -> base.Snapshot:
    """Return everything."""
    return base.Snapshot(
        revision=revision(connection),
        strategies=get_all(connection, kinds.STRATEGY),
        users=get_all(connection, kinds.USER),
        roles=get_all(connection, kinds.ROLE),
        paused=bool(_state(connection, "paused")),
    )


def changes(connection: sqlite3.Connection, *, since: int, limit: int) -> Sequence[base.Change | base.Snapshot]:
    """Return the next changes after a revision, or a snapshot where they are not known (any more)."""
    now = revision(connection)
    if since == now:
        return ()
    rows = connection.execute(
        "SELECT revision, kind, id, document FROM changes WHERE revision > ? ORDER BY revision LIMIT ?", (since, limit)
    ).fetchall()
    if not rows or rows[0][0] != since + 1:
        return (snapshot(connection),)
    return tuple(_change(*row) for row in rows)


def prune(connection: sqlite3.Connection, *, keep: int) -> None:
    """Forget all announcements but the last `keep`."""
    connection.execute("DELETE FROM changes WHERE revision <= ?", (revision(connection) - keep,))


def _write(connection: sqlite3.Connection, kind: Kind[T], value: T) -> T:
    kept = dataclasses.replace(value, etag=str(revision(connection) + 1))
    email = kinds.fold(value.email) or None if isinstance(value, access.User) else None
    owner = value.creator_id if isinstance(value, strategy.Strategy) else None
    document = kind.adapter.dump_json(kept).decode()
    try:
        connection.execute(
            "INSERT INTO things (kind, id, key, email, owner, etag, document) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET key = excluded.key, email = excluded.email, "
            "owner = excluded.owner, etag = excluded.etag, document = excluded.document",
            (kind.name, value.id, kind.key(value), email, owner, kept.etag, document),
        )
    except sqlite3.IntegrityError as error:
        if isinstance(value, access.User) and "email" in str(error):
            raise kinds.email_taken(value.email) from None
        raise kind.exists(value) from None
    _announce(connection, kind.name, value.id, document)
    return kept


def _announce(connection: sqlite3.Connection, kind: str, thing_id: str, document: str | None) -> None:
    connection.execute("UPDATE state SET value = value + 1 WHERE key = 'revision'")
    connection.execute(
        "INSERT INTO changes (revision, kind, id, document) VALUES (?, ?, ?, ?)",
        (revision(connection), kind, thing_id, document),
    )


def _change(number: int, kind: str, thing_id: str, document: str | None) -> base.Change:
    if kind == _PAUSE:
        return base.PauseChange(revision=number, paused=document == json.dumps(True))
    known = kinds.ALL[kind]
    value = None if document is None else known.adapter.validate_json(document)
    return known.change(revision=number, id=thing_id, value=value)


def _state(connection: sqlite3.Connection, key: str) -> int:
    (value,) = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return int(value)
