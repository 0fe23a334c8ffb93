"""Things to put into stores, and what the parts of the stores' contract have in common."""

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest

from gthulhu.common import clock, errors
from gthulhu.manager.domain import access, intent, sample, strategy
from gthulhu.manager.store import base

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.UTC)
LIMIT = 5.0
"""Seconds in which what must happen has happened."""


class FixedClock(clock.SystemClock):
    """Stands still."""

    def now(self) -> datetime.datetime:
        return NOW


class MakeStore(Protocol):
    """Opens a store over the data of this test: a second call opens the same data again, as a restart does."""

    def __call__(self, *, keep_changes: int = 10_000) -> contextlib.AbstractAsyncContextManager[base.Store]: ...


def a_strategy(name: str = "web", **fields: object) -> strategy.Strategy:
    value = strategy.Strategy(
        id=f"id-of-{name}",
        name=name,
        selectors=(strategy.LabelSelector(key="app", value=name), strategy.LabelSelector(key="tier")),
        k8s_namespaces=("prod",),
        priority=3,
        execution_time_ns=20_000_000,
        expires_at=NOW + datetime.timedelta(days=1),
        creator_id="id-of-ann",
        creator="ann",
        created_at=NOW,
        updated_at=NOW,
    )
    return dataclasses.replace(value, **fields)


def a_user(name: str = "ann", **fields: object) -> access.User:
    value = access.User(
        id=f"id-of-{name}",
        username=name,
        email=f"{name}@example.com",
        password_hash="$argon2id$of-" + name,
        roles=("id-of-role",),
        created_at=NOW,
    )
    return dataclasses.replace(value, **fields)


def a_role(name: str = "role", **fields: object) -> access.Role:
    policies = (
        access.Policy(permission="schedule_strategy.read", self_only=True, k8s_namespace="prod", policy_namespace="x"),
    )
    value = access.Role(id=f"id-of-{name}", name=name, policies=policies, created_at=NOW, updated_at=NOW)
    return dataclasses.replace(value, **fields)


def an_entry(action: str = "test.change", **fields: object) -> base.AuditEntry:
    return dataclasses.replace(base.AuditEntry(time=NOW, action=action), **fields)


def a_token(digest: str = "d1", **fields: object) -> base.RefreshToken:
    value = base.RefreshToken(
        digest=digest,
        family="f1",
        user_id="id-of-ann",
        issued_at=NOW,
        expires_at=NOW + datetime.timedelta(hours=1),
    )
    return dataclasses.replace(value, **fields)


def a_session(node: str = "n1", **fields: object) -> base.AgentSession:
    value = base.AgentSession(
        node=node,
        epoch=0,
        replica="m1",
        opened_at=NOW,
        lease_until=NOW + datetime.timedelta(seconds=10),
        levers=("pod-weight",),
    )
    return dataclasses.replace(value, **fields)


def a_report(intent_id: str = "i1", **fields: object) -> intent.Report:
    value = intent.Report(
        intent_id=intent_id,
        version="v1",
        node="n1",
        processes=2,
        threads=9,
        limits=("LIMITED_BY_QOS",),
        reported_at=NOW,
    )
    return dataclasses.replace(value, **fields)


def a_sample(node: str = "n1", **fields: object) -> sample.Sample:
    pod = sample.PodSample(
        uid="p",
        run_ns=(1 << 64) - 1,
        wait_ns=2,
        voluntary_switches=3,
        involuntary_switches=4,
        migrations=5,
        processes=6,
        threads=7,
    )
    value = sample.Sample(
        node=node, taken_at=NOW, received_at=NOW, source="kernel", scheduler={"nr_running": 1}, pods=(pod,)
    )
    return dataclasses.replace(value, **fields)


@contextlib.contextmanager
def refused(kind: type[errors.DomainError], reason: str) -> Iterator[None]:
    """Expect an error of this kind and reason."""
    with pytest.raises(kind) as raised:
        yield
    assert raised.value.reason == reason


async def take(feed: AsyncIterator[base.Change | base.Snapshot], count: int) -> list[base.Change | base.Snapshot]:
    """Return the next items of a feed."""
    async with asyncio.timeout(LIMIT):
        return [await anext(feed) for _ in range(count)]


class Contract:
    """Inherit, and provide the fixture `make_store`."""

    @pytest.fixture
    async def store(self, make_store: MakeStore) -> AsyncIterator[base.Store]:
        async with make_store() as store:
            yield store
