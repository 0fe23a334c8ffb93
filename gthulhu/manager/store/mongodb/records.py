"""Refresh tokens, claims, the audit log, and what replicas tell each other about agents."""

import datetime
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import pydantic
import pymongo
import pymongo.errors

from gthulhu.manager.domain import intent, sample
from gthulhu.manager.store import base, documents
from gthulhu.manager.store.mongodb import counters
from gthulhu.manager.store.mongodb.connection import Collection as MongoCollection
from gthulhu.manager.store.mongodb.connection import Document, Session
from gthulhu.manager.store.mongodb.schema import Database

T = TypeVar("T")
_Write = pymongo.ReplaceOne[Document] | pymongo.UpdateOne | pymongo.DeleteMany


async def add_refresh_token(database: Database, token: base.RefreshToken) -> None:
    """Keep a token, and forget those that have expired."""
    await database["refresh_tokens"].delete_many({"expires_at": {"$lt": token.issued_at}})
    await database["refresh_tokens"].insert_one(_document(documents.REFRESH_TOKEN, token, key="digest"))


async def use_refresh_token(database: Database, digest: str) -> base.RefreshToken | None:
    """Mark a token as used, and return it as it was."""
    before = await database["refresh_tokens"].find_one_and_update(
        {"_id": digest}, {"$set": {"used": True}}, return_document=pymongo.ReturnDocument.BEFORE
    )
    return None if before is None else _value(documents.REFRESH_TOKEN, before, key="digest")


async def revoke_refresh_tokens(database: Database, *, family: str, user_id: str) -> None:
    """Remove the tokens of a family, and those of a user."""
    wanted = [{key: value} for key, value in (("family", family), ("user_id", user_id)) if value]
    if wanted:
        await database["refresh_tokens"].delete_many({"$or": wanted})


async def claim(database: Database, key: str, *, holder: str, until: datetime.datetime, now: datetime.datetime) -> str:
    """Keep a claim unless there is one, forget those whose time is over, and return who holds the key."""
    await database["claims"].delete_many({"until": {"$lt": now}})
    while True:
        try:
            held = await database["claims"].find_one_and_update(
                {"_id": key},
                {"$setOnInsert": {"holder": holder, "until": until}},
                upsert=True,
                return_document=pymongo.ReturnDocument.AFTER,
            )
        except pymongo.errors.DuplicateKeyError:
            continue  # another was first meanwhile
        if held is not None:
            return str(held["holder"])


async def add_audit(database: Database, session: Session | None, entry: base.AuditEntry) -> None:
    """Append an entry."""
    number = await counters.next_value(database, session, "audit")
    document = _document(documents.AUDIT_ENTRY, entry, key="id") | {"_id": number}
    await database["audit"].insert_one(document, session=session)


async def list_audit(
    database: Database, query: base.AuditFilter, *, limit: int, before_id: int | None
) -> tuple[base.AuditEntry, ...]:
    """Return entries, newest first."""
    time = {"$gte": query.since, "$lt": query.until}
    wanted: Document = {
        "actor": query.actor or None,
        "target": query.target or None,
        "action": {"$regex": rf"^{re.escape(query.action)}(\.|$)"} if query.action else None,
        "time": {key: value for key, value in time.items() if value is not None} or None,
        "_id": None if before_id is None else {"$lt": before_id},
    }
    found = database["audit"].find({key: value for key, value in wanted.items() if value is not None})
    entries = await found.sort("_id", pymongo.DESCENDING).limit(limit).to_list()
    return tuple(_value(documents.AUDIT_ENTRY, entry, key="id") for entry in entries)


async def open_session(database: Database, session: base.AgentSession) -> base.AgentSession:
    """Give a session the node's next epoch, and keep it in place of the node's last, by one atomic step."""
    content = _document(documents.SESSION, session, key="node")
    next_epoch = {"$add": [{"$ifNull": ["$epoch", 0]}, 1]}
    step = [{"$replaceWith": {"$mergeObjects": [{"$literal": content}, {"epoch": next_epoch}]}}]
    while True:
        try:
            opened = await database["sessions"].find_one_and_update(
                {"_id": session.node}, step, upsert=True, return_document=pymongo.ReturnDocument.AFTER
            )
        except pymongo.errors.DuplicateKeyError:
            continue  # another was the node's first meanwhile
        if opened is not None:
            return _value(documents.SESSION, opened, key="node")


async def save_sessions(
    database: Database, session: Session, updates: Sequence[base.SessionUpdate]
) -> frozenset[tuple[str, int]]:
    """Keep those whose epochs are current; returns node and epoch of the others.

    The epochs are read by writing: a session that opens at the same time makes one of both transactions fail.
    """
    mark = uuid.uuid4().hex
    await _bulk_write(
        database["sessions"],
        session,
        [
            pymongo.ReplaceOne(
                {"_id": one.session.node, "epoch": one.session.epoch},
                _document(documents.SESSION, one.session, key="node") | {"batch": mark},
            )
            for one in updates
        ],
    )
    found = database["sessions"].find({"batch": mark}, {"epoch": True}, session=session)
    held = {(document["_id"], document["epoch"]) async for document in found}
    kept = [one for one in updates if (one.session.node, one.session.epoch) in held]
    await _bulk_write(
        database["reports"],
        session,
        [
            pymongo.ReplaceOne(
                {"_id": report.intent_id},
                _document(documents.REPORT, report, key="intent_id") | {"node": one.session.node},
                upsert=True,
            )
            for one in kept
            for report in one.reports
        ]
        + [
            pymongo.DeleteMany({"_id": {"$in": list(one.removed)}, "node": one.session.node})
            for one in kept
            if one.removed
        ],
    )
    return frozenset((one.session.node, one.session.epoch) for one in updates) - held


async def list_sessions(database: Database) -> tuple[base.AgentSession, ...]:
    """Return the last session of each node."""
    found = await database["sessions"].find().sort("_id").to_list()
    return tuple(_value(documents.SESSION, document, key="node") for document in found)


async def list_reports(database: Database, *, node: str) -> tuple[intent.Report, ...]:
    """Return all reports, or those of one node, by intent."""
    found = await database["reports"].find({"node": node} if node else {}).sort("_id").to_list()
    return tuple(_value(documents.REPORT, document, key="intent_id") for document in found)


async def put_samples(database: Database, samples: Sequence[sample.Sample]) -> None:
    """Keep each, unless a later one of its node is there."""
    writes: list[_Write] = []
    for one in samples:
        document, pods = documents.split_sample(one)
        content = {"received_at": one.received_at, "document": document, "pods": pods}
        later = {"$lt": ["$received_at", one.received_at]}
        step = {"$replaceWith": {"$cond": [later, {"$mergeObjects": ["$$ROOT", {"$literal": content}]}, "$$ROOT"]}}
        writes.append(pymongo.UpdateOne({"_id": one.node}, [step], upsert=True))
    await _bulk_write(database["samples"], None, writes)


async def get_sample(database: Database, node: str) -> sample.Sample | None:
    """Return a node's sample."""
    found = await database["samples"].find_one({"_id": node})
    return None if found is None else documents.join_sample(found["document"], found["pods"])


async def list_samples(database: Database) -> tuple[sample.Sample, ...]:
    """Return the samples of all nodes, without pods."""
    found = await database["samples"].find({}, {"document": True}).sort("_id").to_list()
    return tuple(documents.join_sample(document["document"]) for document in found)


async def forget_nodes(
    database: Database, session: Session, nodes: Collection[str], *, over_since: datetime.datetime
) -> None:
    """Remove everything of nodes whose sessions are long over."""
    asked = {"$in": list(nodes)}
    kept = await database["sessions"].distinct(
        "_id", {"_id": asked, "lease_until": {"$gte": over_since}}, session=session
    )
    gone = {"$in": [node for node in nodes if node not in kept]}
    for name, key in (("sessions", "_id"), ("reports", "node"), ("samples", "_id")):
        await database[name].delete_many({key: gone}, session=session)


async def _bulk_write(collection: MongoCollection, session: Session | None, writes: Sequence[_Write]) -> None:
    if writes:
        await collection.bulk_write(writes, session=session, ordered=False)


def _document(adapter: pydantic.TypeAdapter[T], value: T, *, key: str) -> Document:
    """Return what is kept, the key as `_id`."""
    content: Document = adapter.dump_python(value)
    return {"_id": content.pop(key), **content}


def _value(adapter: pydantic.TypeAdapter[T], document: Mapping[str, Any], *, key: str) -> T:
    return adapter.validate_python({**document, key: document["_id"]})
