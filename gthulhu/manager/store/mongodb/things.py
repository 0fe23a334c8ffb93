"""What the revision counts: strategies, users, roles and the pause, with the documents that announce each change.

All functions work within the transaction of the session that they get.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pymongo.errors

from gthulhu.manager.domain import access
from gthulhu.manager.store import base, kinds
from gthulhu.manager.store.kinds import Kind, T
from gthulhu.manager.store.mongodb import counters
from gthulhu.manager.store.mongodb.connection import Collection, Document, Session
from gthulhu.manager.store.mongodb.schema import Database

_PAUSE = "pause"
_COLLECTIONS = {"strategy": "strategies", "user": "users", "role": "roles"}


async def get(database: Database, session: Session | None, kind: Kind[T], thing_id: str) -> T | None:
    """Return the thing."""
    return _value(kind, await _of(database, kind).find_one({"_id": thing_id}, session=session))


async def get_all(database: Database, session: Session | None, kind: Kind[T]) -> tuple[T, ...]:
    """Return all things of a kind, sorted."""
    found = [_value(kind, document) async for document in _of(database, kind).find(session=session)]
    return tuple(sorted((value for value in found if value is not None), key=kind.order))


async def find_user(database: Database, *, username: str, email: str) -> access.User | None:
    """Return the user of that name or, where it is given, of that e-mail address."""
    query = {"email_key": kinds.fold(email)} if email else {"key": kinds.fold(username)}
    return _value(kinds.USER, await database["users"].find_one(query))


async def put(database: Database, session: Session, kind: Kind[T], value: T, *, expected_etag: str | None) -> T:
    """Create or replace a thing; see `base.Store.put_strategy`."""
    current = await get(database, session, kind, value.id)
    if expected_etag is None and current is not None:
        raise kind.exists(value)
    if expected_etag is not None and current is None:
        raise kind.not_found(value.id)
    if expected_etag is not None and current is not None and current.etag != expected_etag:
        raise kind.mismatch()
    if isinstance(value, access.User) and isinstance(current, access.User):
        # Log-ins are noted past the etag: one that came in between must not be undone.
        value = dataclasses.replace(value, last_login_at=current.last_login_at)
    return await _write(database, session, kind, value)


async def delete(
    database: Database, session: Session, kind: Kind[T], thing_id: str, *, expected_etag: str | None = None
) -> None:
    """Remove a thing."""
    current = await get(database, session, kind, thing_id)
    if current is None:
        raise kind.not_found(thing_id)
    if expected_etag is not None and current.etag != expected_etag:
        raise kind.mismatch()
    await _of(database, kind).delete_one({"_id": thing_id}, session=session)
    await _announce(database, session, kind.name, thing_id, None)


async def delete_user(
    database: Database, session: Session, user_id: str, *, new_owner: access.User | None, audit: base.AuditEntry
) -> None:
    """Remove a user, after its strategies have gone or have got their new owner."""
    owned = database["strategies"].find({"creator_id": user_id}, session=session).sort("_id")
    for document in await owned.to_list():
        value = _value(kinds.STRATEGY, document)
        if value is None or new_owner is None:
            await delete(database, session, kinds.STRATEGY, document["_id"])
        else:
            moved = kinds.reassigned(value, to=new_owner, at=audit.time)
            await _write(database, session, kinds.STRATEGY, moved)
    await database["refresh_tokens"].delete_many({"user_id": user_id}, session=session)
    await delete(database, session, kinds.USER, user_id)


async def delete_role(database: Database, session: Session, role_id: str, *, force: bool) -> None:
    """Remove a role, after it has been taken from its users."""
    role = await get(database, session, kinds.ROLE, role_id)
    if role is None:
        raise kinds.ROLE.not_found(role_id)
    holders = await database["users"].find({"roles": role_id}, session=session).sort("_id").to_list()
    if holders and not force:
        raise kinds.role_in_use(role, len(holders))
    for document in holders:
        user = _value(kinds.USER, document)
        if user is not None:
            roles = tuple(held for held in user.roles if held != role_id)
            await _write(database, session, kinds.USER, dataclasses.replace(user, roles=roles))
    await delete(database, session, kinds.ROLE, role_id)


async def set_paused(database: Database, session: Session, *, paused: bool) -> None:
    """Throw the switch."""
    await database["state"].update_one({"_id": "revision"}, {"$set": {"paused": paused}}, session=session)
    await _announce(database, session, _PAUSE, "", {"paused": paused})


async def revision(database: Database, session: Session | None = None) -> int:
    """Return how many changes there have been."""
    return int((await counters.get(database, session, "revision"))["value"])


async def snapshot(database: Database, session: Session) -> base.Snapshot:
    """Return everything."""
    state = await counters.get(database, session, "revision")
    return base.Snapshot(
        revision=int(state["value"]),
        strategies=await get_all(database, session, kinds.STRATEGY),
        users=await get_all(database, session, kinds.USER),
        roles=await get_all(database, session, kinds.ROLE),
        paused=bool(state["paused"]),
    )


async def changes(
    database: Database, session: Session, *, since: int, limit: int
) -> Sequence[base.Change | base.Snapshot]:
    """Return the next changes after a revision, or a snapshot where they are not known (any more)."""
    if since == await revision(database, session):
        return ()
    cursor = database["changes"].find({"_id": {"$gt": since}}, session=session).sort("_id").limit(limit)
    documents = await cursor.to_list()
    if not documents or documents[0]["_id"] != since + 1:
        return (await snapshot(database, session),)
    return tuple(map(_change, documents))


async def prune(database: Database, session: Session, *, keep: int) -> None:
    """Forget all announcements but the last `keep`."""
    oldest = await revision(database, session) - keep
    if oldest > 0:
        await database["changes"].delete_many({"_id": {"$lte": oldest}}, session=session)


async def _write(database: Database, session: Session, kind: Kind[T], value: T) -> T:
    kept = dataclasses.replace(value, etag=str(await revision(database, session) + 1))
    document = _document(kind, kept)
    stored = {**document, "key": kind.key(value)}
    if isinstance(value, access.User) and value.email:
        stored["email_key"] = kinds.fold(value.email)
    try:
        await _of(database, kind).replace_one({"_id": value.id}, stored, upsert=True, session=session)
    except pymongo.errors.DuplicateKeyError as error:
        if isinstance(value, access.User) and "email_key" in (error.details or {}).get("keyPattern", {}):
            raise kinds.email_taken(value.email) from None
        raise kind.exists(value) from None
    await _announce(database, session, kind.name, value.id, document)
    return kept


async def _announce(
    database: Database, session: Session, kind: str, thing_id: str, document: Mapping[str, Any] | None
) -> None:
    number = await counters.next_value(database, session, "revision")
    announced = {"_id": number, "kind": kind, "id": thing_id, "document": document}
    await database["changes"].insert_one(announced, session=session)


def _of(database: Database, kind: Kind[T]) -> Collection:
    return database[_COLLECTIONS[kind.name]]


def _document(kind: Kind[T], value: T) -> Document:
    content: Document = kind.adapter.dump_python(value)
    return {"_id": content.pop("id"), **content}


def _value(kind: Kind[T], document: Mapping[str, Any] | None) -> T | None:
    return None if document is None else kind.adapter.validate_python({**document, "id": document["_id"]})


def _change(document: Document) -> base.Change:
    number, content = int(document["_id"]), document["document"]
    if document["kind"] == _PAUSE:
        return base.PauseChange(revision=number, paused=bool(content["paused"]))
    kind = kinds.ALL[document["kind"]]
    return kind.change(revision=number, id=document["id"], value=_value(kind, content))
