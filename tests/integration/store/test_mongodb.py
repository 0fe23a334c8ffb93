"""The MongoDB store on a real server: the contract of all stores, and what is special about it."""

import asyncio
import contextlib
import pathlib
import uuid
from collections.abc import AsyncIterator

import pymongo
import pymongo.errors
import pytest

from gthulhu.common import errors
from gthulhu.manager.store import base, mongodb
from gthulhu.manager.store.mongodb import connection
from tests.integration.store import mongod
from tests.unit.manager.store import contract, samples


@pytest.fixture
async def database(server: mongod.Mongod) -> AsyncIterator[str]:
    """Return the name of a database for one test."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    async with pymongo.AsyncMongoClient(server.uri) as client:
        await client.drop_database(name)


def a_store(server: mongod.Mongod, database: str, *, keep_changes: int = 10_000) -> mongodb.MongoStore:
    return mongodb.MongoStore(server.uri, database=database, clock=samples.FixedClock(), keep_changes=keep_changes)


@contextlib.asynccontextmanager
async def opened(store: mongodb.MongoStore) -> AsyncIterator[mongodb.MongoStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class TestMongoStore(contract.StoreContract):
    """Runs all of it."""

    @pytest.fixture
    def make_store(self, server: mongod.Mongod, database: str) -> samples.MakeStore:
        @contextlib.asynccontextmanager
        async def make(*, keep_changes: int = 10_000) -> AsyncIterator[base.Store]:
            async with opened(a_store(server, database, keep_changes=keep_changes)) as store:
                yield store

        return make


async def test_replicas_see_each_others_changes(server: mongod.Mongod, database: str) -> None:
    async with opened(a_store(server, database)) as one, opened(a_store(server, database)) as other:
        feed = other.watch(since=0)
        waiting = asyncio.create_task(samples.take(feed, 1))
        kept = await one.put_strategy(samples.a_strategy(), expected_etag=None, audit=samples.an_entry())
        assert await waiting == [base.StrategyChange(revision=1, id=kept.id, value=kept)]
        assert await other.get_strategy(kept.id) == kept
        await feed.aclose()


async def test_replicas_that_write_at_once_lose_nothing(server: mongod.Mongod, database: str) -> None:
    async with opened(a_store(server, database)) as one, opened(a_store(server, database)) as other:
        await asyncio.gather(
            *(
                store.put_strategy(samples.a_strategy(f"{name}-{n}"), expected_etag=None, audit=samples.an_entry())
                for n in range(10)
                for name, store in (("one", one), ("other", other))
            )
        )
        assert (await one.revision(), len(await other.list_strategies())) == (20, 20)
        feed = one.watch(since=0)
        assert [change.revision for change in await samples.take(feed, 20)] == list(range(1, 21))
        await feed.aclose()


async def test_replicas_may_prepare_an_empty_database_at_once(server: mongod.Mongod, database: str) -> None:
    stores = [a_store(server, database) for _ in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        assert await store.revision() == 0
        await store.close()


async def test_a_session_that_is_taken_over_by_another_replica_can_report_nothing(
    server: mongod.Mongod, database: str
) -> None:
    async with opened(a_store(server, database)) as one, opened(a_store(server, database)) as other:
        session = await one.open_session(samples.a_session())
        updates = [base.SessionUpdate(session=session, reports=(samples.a_report(f"i{n}"),)) for n in range(20)]
        results = await asyncio.gather(
            *(one.save_sessions([each]) for each in updates),
            other.open_session(samples.a_session(replica="m2")),
        )
        newer = results[-1]
        assert isinstance(newer, base.AgentSession)
        assert newer.epoch == session.epoch + 1
        assert await one.save_sessions(updates) == {("n1", session.epoch)}


async def test_a_database_of_a_newer_release_is_refused(server: mongod.Mongod, database: str) -> None:
    async with pymongo.AsyncMongoClient(server.uri) as client:
        await client[database]["state"].insert_one({"_id": "schema", "value": 999})
    with samples.refused(errors.UnavailableError, "STORE_TOO_NEW"):
        await a_store(server, database).open()


async def test_the_database_refuses_what_is_no_user(server: mongod.Mongod, database: str) -> None:
    async with opened(a_store(server, database)), pymongo.AsyncMongoClient(server.uri) as client:
        with pytest.raises(pymongo.errors.WriteError, match="failed validation"):
            await client[database]["users"].insert_one({"_id": "u1", "key": "u1"})


async def test_a_standalone_server_is_refused_with_what_mends_it(tmp_path: pathlib.Path, program: pathlib.Path) -> None:
    with mongod.running(tmp_path / "alone", program=program, replica_set=False) as alone:
        store = mongodb.MongoStore(f"mongodb://127.0.0.1:{alone.port}/", database="gthulhu", clock=samples.FixedClock())
        with pytest.raises(errors.UnavailableError) as raised:
            await store.open()
    assert raised.value.reason == "STORE_STANDALONE"
    for part in ("--replSet rs0", "keyFile", "rs.initiate(", f'host: "127.0.0.1:{alone.port}"'):
        assert part in raised.value.message


async def test_credentials_are_in_no_error(
    server: mongod.Mongod, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_TIMEOUT_MS", 500)
    wrong = "not-the-password"
    uris = (
        server.uri.replace(server.password, wrong),
        f"mongodb://{mongod.USER}:{wrong}@127.0.0.1:1/?authSource=admin",
        f"mongodb://{mongod.USER}:{wrong}@@/?x",
        f"mongo://{mongod.USER}:{wrong}@127.0.0.1/",
    )
    for uri in uris:
        store = mongodb.MongoStore(uri, database="gthulhu", clock=samples.FixedClock())
        with pytest.raises(errors.DomainError) as raised:
            await store.open()
        assert wrong not in raised.value.message
        assert raised.value.reason in {"STORE_UNAVAILABLE", "STORE_URI_INVALID"}
    assert wrong not in caplog.text


def test_a_user_and_a_password_may_hold_any_character() -> None:
    made = mongodb.uri(host="db.example", port=27017, user="us/er", password="p@ss:w/rd%")
    parsed = pymongo.uri_parser.parse_uri(made)
    assert (parsed["username"], parsed["password"]) == ("us/er", "p@ss:w/rd%")
    assert parsed["nodelist"] == [("db.example", 27017)]
    assert mongodb.uri(host="::1", port=1, user="", password="") == "mongodb://[::1]:1/"
