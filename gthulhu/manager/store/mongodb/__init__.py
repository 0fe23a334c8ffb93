"""The store for several managers at once: a MongoDB replica set, of which one member is enough."""

from gthulhu.manager.store.mongodb.connection import uri
from gthulhu.manager.store.mongodb.store import MongoStore

__all__ = ["MongoStore", "uri"]
