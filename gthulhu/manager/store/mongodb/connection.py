"""A database of a replica set: transactions, and the errors that callers know.

Writes are acknowledged by a majority that has them in its journal, reads see what a majority has: what was
acknowledged survives the loss of any one member, and no read shows what may yet be undone.
"""

import asyncio
import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import bson.codec_options
import pymongo
import pymongo.errors
from pymongo import read_concern, read_preferences, write_concern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from gthulhu.common import errors

Document = dict[str, Any]
Session = AsyncClientSession
Collection = AsyncCollection[Document]
T = TypeVar("T")
Work = Callable[[Session], Awaitable[T]]

_TIMEOUT_MS = 10_000
"""For an operation, or a whole transaction, with all of its retries; the driver itself would try for minutes."""
_SELECTION_MS = 5_000
"""For finding a primary: an election takes some two seconds, ten at most by default."""
_AUTHENTICATION_FAILED = 18
_MAJORITY = write_concern.WriteConcern(w="majority", j=True)


def uri(*, host: str, port: int, user: str, password: str) -> str:
    """Return the connection string for a host; its user, where there is one, is one of the database `admin`."""
    bracketed = f"[{host}]" if ":" in host else host
    if not user:
        return f"mongodb://{bracketed}:{port}/"
    login = f"{urllib.parse.quote(user, safe='')}:{urllib.parse.quote(password, safe='')}"
    return f"mongodb://{login}@{bracketed}:{port}/?authSource=admin"


class Connection:
    """Knows the database, while it is open."""

    def __init__(self, where: str, *, database: str) -> None:
        """Take a connection string, which holds secrets and is never shown, and the database's name."""
        self._uri = where
        self._name = database
        self._client: pymongo.AsyncMongoClient[Document] | None = None
        # One change at a time: all of them raise the revision, so that more would only get in each other's way.
        self._one = asyncio.Lock()

    @property
    def database(self) -> AsyncDatabase[Document]:
        """The database; `UnavailableError` while it is not open."""
        if self._client is None:
            raise errors.UnavailableError("STORE_UNAVAILABLE", "the store is not open")
        return self._client.get_database(
            self._name,
            codec_options=bson.codec_options.CodecOptions(tz_aware=True),
            read_preference=read_preferences.ReadPreference.PRIMARY,
            read_concern=read_concern.ReadConcern("majority"),
            write_concern=_MAJORITY,
        )

    async def open(self) -> None:
        """Connect.

        Raises:
            UnavailableError: `STORE_UNAVAILABLE`; `STORE_STANDALONE`: it is no replica set, with what mends it.
            PreconditionError: `STORE_URI_INVALID`.
        """
        try:
            self._client = pymongo.AsyncMongoClient(
                self._uri, appname="gthulhu", serverSelectionTimeoutMS=_SELECTION_MS, timeoutMS=_TIMEOUT_MS
            )
        except (pymongo.errors.PyMongoError, ValueError):
            # What is wrong is not told: the text may repeat a part of the string, and with it the password.
            raise errors.PreconditionError(
                "STORE_URI_INVALID", "store.uri (or mongodb.host) makes no MongoDB connection string"
            ) from None
        try:
            async with translated():
                hello = await self._client.admin.command("hello")
            _require_replica_set(hello, *next(iter(self._client.nodes)))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def change(self, work: Work[T]) -> T:
        """Run a function that raises the revision in a transaction, one after another within this process."""
        async with self._turn():
            return await self.transaction(work)

    async def transaction(self, work: Work[T]) -> T:
        """Run a function in a transaction, again where it loses a race; returns when a majority has it.

        What it reads is all from one moment.
        """
        client = self.database.client
        async with translated(), client.start_session() as session:
            with pymongo.timeout(_TIMEOUT_MS / 1000):
                return await session.with_transaction(
                    work,
                    read_concern=read_concern.ReadConcern("snapshot"),
                    write_concern=_MAJORITY,
                    read_preference=read_preferences.ReadPreference.PRIMARY,
                )

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TIMEOUT_MS / 1000):
                await self._one.acquire()
        except TimeoutError:
            raise errors.UnavailableError(
                "STORE_UNAVAILABLE", "MongoDB does not keep up with what is changed"
            ) from None
        try:
            yield
        finally:
            self._one.release()


@contextlib.asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn what the driver raises into the one error that callers know; its text never holds credentials.

    A cancellation that comes meanwhile always arrives: the driver waits by `asyncio.wait_for`, which before Python 3.12
    forgets one that comes as what it waits for ends (https://github.com/python/cpython/issues/81839).
    """
    requested = _cancellations()
    try:
        yield
    except pymongo.errors.PyMongoError as error:
        if _cancellations() > requested:
            raise asyncio.CancelledError from error
        raise _unavailable(error) from error
    if _cancellations() > requested:
        raise asyncio.CancelledError


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _unavailable(error: pymongo.errors.PyMongoError) -> errors.UnavailableError:
    if not isinstance(error, pymongo.errors.OperationFailure):
        what = f"MongoDB cannot be reached: {type(error).__name__}"
    elif error.code == _AUTHENTICATION_FAILED:
        what = "MongoDB refuses the user name or the password"
    else:
        what = f"MongoDB refuses: {(error.details or {}).get('codeName', type(error).__name__)} ({error.code})"
    return errors.UnavailableError("STORE_UNAVAILABLE", what)


def _require_replica_set(hello: Mapping[str, Any], host: str, port: int | None) -> None:
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return
    address = f"{host}:{port}"
    raise errors.UnavailableError(
        "STORE_STANDALONE",
        f"the MongoDB at {address} is a standalone server; transactions and change streams need a replica set, of "
        "which one member is enough. Start it with --replSet rs0 (in mongod.conf: replication: replSetName: rs0; with "
        "authorization also security: keyFile), then, once: mongosh --eval "
        f"""'rs.initiate({{_id: "rs0", members: [{{_id: 0, host: "{address}"}}]}})'""",
    )
