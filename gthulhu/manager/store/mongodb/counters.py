"""Numbers that rise by one, in the collection `state`."""

import pymongo

from gthulhu.common import errors
from gthulhu.manager.store.mongodb.connection import Document, Session
from gthulhu.manager.store.mongodb.schema import Database


async def get(database: Database, session: Session | None, name: str) -> Document:
    """Return the counter's document; `value` is the number."""
    return _present(await database["state"].find_one({"_id": name}, session=session), name)


async def next_value(database: Database, session: Session | None, name: str) -> int:
    """Raise the number, and return it."""
    raised = await database["state"].find_one_and_update(
        {"_id": name}, {"$inc": {"value": 1}}, return_document=pymongo.ReturnDocument.AFTER, session=session
    )
    return int(_present(raised, name)["value"])


def _present(document: Document | None, name: str) -> Document:
    if document is None:
        raise errors.UnavailableError(
            "STORE_DAMAGED", f"the database has lost its counter {name!r}: restore a backup, or start with an empty one"
        )
    return document
