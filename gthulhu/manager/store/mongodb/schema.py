"""Collections, validators and indexes, as steps from one version to the next; a released step is never changed.

Each step may be run again, and by several replicas at once.
"""

from collections.abc import Awaitable, Callable, Mapping

import pymongo
import pymongo.errors
from pymongo.asynchronous.database import AsyncDatabase

from gthulhu.common import errors
from gthulhu.manager.store.mongodb.connection import Document

Database = AsyncDatabase[Document]

_COLLECTION_EXISTS = 48
_TEXT, _NUMBER, _TIME, _YES_NO, _LIST = "string", ["int", "long"], "date", "bool", "array"

_FIELDS: Mapping[str, Mapping[str, object]] = {
    "strategies": {
        "_id": _TEXT,
        "key": _TEXT,
        "etag": _TEXT,
        "name": _TEXT,
        "namespace": _TEXT,
        "selectors": _LIST,
        "priority": _NUMBER,
        "execution_time_ns": _NUMBER,
        "creator_id": _TEXT,
        "created_at": _TIME,
    },
    "users": {
        "_id": _TEXT,
        "key": _TEXT,
        "etag": _TEXT,
        "username": _TEXT,
        "password_hash": _TEXT,
        "roles": _LIST,
        "status": _TEXT,
        "token_generation": _NUMBER,
    },
    "roles": {"_id": _TEXT, "key": _TEXT, "etag": _TEXT, "name": _TEXT, "policies": _LIST},
    "changes": {"_id": _NUMBER, "kind": _TEXT, "id": _TEXT},
    "refresh_tokens": {"_id": _TEXT, "family": _TEXT, "user_id": _TEXT, "expires_at": _TIME, "used": _YES_NO},
    "claims": {"_id": _TEXT, "holder": _TEXT, "until": _TIME},
    "audit": {"_id": _NUMBER, "time": _TIME, "actor": _TEXT, "action": _TEXT, "target": _TEXT},
    "sessions": {"_id": _TEXT, "epoch": _NUMBER, "replica": _TEXT, "lease_until": _TIME},
    "reports": {"_id": _TEXT, "node": _TEXT, "version": _TEXT},
    "samples": {"_id": _TEXT, "received_at": _TIME, "document": _TEXT, "pods": _TEXT},
    "state": {"_id": _TEXT},
}
"""What each document must have, by collection."""


async def _first(database: Database) -> None:
    for name, fields in _FIELDS.items():
        await _ensure_collection(database, name, fields)
    for name in ("strategies", "users", "roles"):
        await database[name].create_index("key", unique=True)
    await database["users"].create_index(
        "email_key", unique=True, partialFilterExpression={"email_key": {"$exists": True}}
    )
    await database["users"].create_index("roles")
    await database["strategies"].create_index("creator_id")
    for field in ("family", "user_id", "expires_at"):
        await database["refresh_tokens"].create_index(field)
    await database["audit"].create_index("target")
    await database["reports"].create_index("node")
    for document in ({"_id": "revision", "value": 0, "paused": False}, {"_id": "audit", "value": 0}):
        await database["state"].update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)


MIGRATIONS: tuple[Callable[[Database], Awaitable[None]], ...] = (_first,)


async def migrate(database: Database) -> None:
    """Take every step that the database has not had yet; `UnavailableError` (`STORE_TOO_NEW`)."""
    found = await database["state"].find_one({"_id": "schema"})
    version = int(found["value"]) if found else 0
    if version > len(MIGRATIONS):
        raise errors.UnavailableError(
            "STORE_TOO_NEW",
            f"the database {database.name!r} has version {version} and this program knows up to {len(MIGRATIONS)}: it "
            "was written by a newer release; run that one, or restore a backup",
        )
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        await step(database)
        # The highest wins: a replica that is behind with the same step does not turn the number back.
        await database["state"].update_one({"_id": "schema"}, {"$max": {"value": number}}, upsert=True)


async def _ensure_collection(database: Database, name: str, fields: Mapping[str, object]) -> None:
    schema = {
        "bsonType": "object",
        "required": list(fields),
        "properties": {field: {"bsonType": kind} for field, kind in fields.items()},
    }
    try:
        await database.create_collection(name, validator={"$jsonSchema": schema})
    except pymongo.errors.CollectionInvalid:
        return  # another replica was faster, or this one was stopped half-way
    except pymongo.errors.OperationFailure as error:
        if error.code != _COLLECTION_EXISTS:
            raise
