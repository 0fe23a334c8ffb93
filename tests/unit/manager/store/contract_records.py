"""What every store must do with the audit log, and with what replicas tell each other about agents."""

import asyncio
import dataclasses
import datetime

import pytest

from gthulhu.common import errors
from gthulhu.manager.domain import intent
from gthulhu.manager.store import base
from tests.unit.manager.store.samples import (
    NOW,
    Contract,
    a_report,
    a_sample,
    a_session,
    a_strategy,
    an_entry,
    refused,
)


class AuditContract(Contract):
    """The audit log."""

    async def test_a_change_and_its_audit_entry_go_together(self, store: base.Store) -> None:
        entry = an_entry(
            "strategy.create",
            actor_id="id-of-ann",
            actor="ann",
            address="192.0.2.1",
            target="strategy/1",
            request_id="r1",
            after={"name": "web", "selectors": [{"key": "app"}], "priority": 3, "expires": None},
        )
        await store.put_strategy(a_strategy(), expected_etag=None, audit=entry)
        with refused(errors.ConflictError, "STRATEGY_EXISTS"):
            await store.put_strategy(a_strategy(), expected_etag=None, audit=entry)
        [found] = await store.list_audit(base.AuditFilter(), limit=10)
        assert found == dataclasses.replace(entry, id=found.id)

    async def test_audit_entries_are_listed_newest_first_in_pages(self, store: base.Store) -> None:
        for number in range(5):
            await store.add_audit(an_entry(target=str(number)))
        first = await store.list_audit(base.AuditFilter(), limit=2)
        rest = await store.list_audit(base.AuditFilter(), limit=10, before_id=first[-1].id)
        assert [entry.target for entry in (*first, *rest)] == ["4", "3", "2", "1", "0"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (base.AuditFilter(actor="ann"), ["strategy.create"]),
            (base.AuditFilter(action="strategy"), ["strategy.delete", "strategy.create"]),
            (base.AuditFilter(action="strategy.create"), ["strategy.create"]),
            (base.AuditFilter(action="strat"), []),
            (base.AuditFilter(action=".*"), []),
            (base.AuditFilter(target="strategy/2"), ["strategy.delete"]),
            (base.AuditFilter(since=NOW + datetime.timedelta(seconds=1)), ["user.create", "strategy.delete"]),
            (base.AuditFilter(until=NOW + datetime.timedelta(seconds=1)), ["strategy.create"]),
            (base.AuditFilter(actor="bob", action="user"), ["user.create"]),
        ],
    )
    async def test_audit_entries_are_filtered(
        self, store: base.Store, query: base.AuditFilter, found: list[str]
    ) -> None:
        for second, (actor, action, target) in enumerate(
            [
                ("ann", "strategy.create", "strategy/1"),
                ("bob", "strategy.delete", "strategy/2"),
                ("bob", "user.create", "user/1"),
            ]
        ):
            time = NOW + datetime.timedelta(seconds=second)
            await store.add_audit(an_entry(action, actor=actor, target=target, time=time))
        assert [entry.action for entry in await store.list_audit(query, limit=10)] == found


class ClaimContract(Contract):
    """What only the first may have."""

    async def test_of_many_who_claim_a_key_at_once_one_holds_it(self, store: base.Store) -> None:
        until = NOW + datetime.timedelta(hours=1)
        claims = (store.claim("k", holder=f"h{number}", until=until) for number in range(8))
        [holder] = set(await asyncio.gather(*claims))
        assert holder in {f"h{number}" for number in range(8)}
        assert await store.claim("other", holder="h9", until=until) == "h9"
        assert await store.claim("other", holder="h1", until=until) == "h9"

    async def test_a_claim_is_forgotten_after_its_time(self, store: base.Store) -> None:
        await store.claim("k", holder="h1", until=NOW - datetime.timedelta(seconds=1))
        assert await store.claim("k", holder="h2", until=NOW) == "h2"
        assert await store.claim("k", holder="h3", until=NOW) == "h2"


class AgentContract(Contract):
    """Sessions and reports."""

    async def test_each_session_of_a_node_gets_the_next_epoch(self, store: base.Store) -> None:
        opened = await asyncio.gather(*(store.open_session(a_session()) for _ in range(8)))
        assert sorted(session.epoch for session in opened) == list(range(1, 9))
        other = await store.open_session(a_session("n2"))
        assert other == a_session("n2", epoch=1)
        assert [(session.node, session.epoch) for session in await store.list_sessions()] == [("n1", 8), ("n2", 1)]

    async def test_a_session_that_was_taken_over_can_change_nothing(self, store: base.Store) -> None:
        old = await store.open_session(a_session())
        await save(store, old, a_report("kept"))
        new = await store.open_session(a_session(replica="m2"))
        late = dataclasses.replace(old, acked_revision=9)
        assert await save(store, late, a_report("late"), removed=("kept",)) == {("n1", 1)}
        assert await store.list_sessions() == (new,)
        assert [report.intent_id for report in await store.list_reports()] == ["kept"]

    async def test_of_a_batch_only_what_was_taken_over_is_not_kept(self, store: base.Store) -> None:
        opened = [await store.open_session(a_session(node)) for node in ("n1", "n2", "n3")]
        await store.open_session(a_session("n2", replica="m2"))
        updates = [
            base.SessionUpdate(
                session=dataclasses.replace(one, acked_revision=5, behind_since=NOW),
                reports=(a_report(f"i-{one.node}", node=one.node),),
            )
            for one in (*opened, a_session("unknown", epoch=1))
        ]
        assert await store.save_sessions(updates) == {("n2", 1), ("unknown", 1)}
        assert [(one.node, one.acked_revision, one.behind_since) for one in await store.list_sessions()] == [
            ("n1", 5, NOW),
            ("n2", 0, None),
            ("n3", 5, NOW),
        ]
        assert [one.intent_id for one in await store.list_reports()] == ["i-n1", "i-n3"]
        assert await store.save_sessions([]) == frozenset()

    async def test_reports_are_replaced_and_removed_in_one_batch(self, store: base.Store) -> None:
        n1 = await store.open_session(a_session())
        n2 = await store.open_session(a_session("n2"))
        await save(store, n1, a_report("i1"), a_report("i2"))
        theirs = a_report("i3", node="n2")
        await save(store, n2, theirs)
        newer = a_report("i2", version="v2", failure="no cgroup")
        assert not await save(store, n1, newer, removed=("i1", "i3"))
        assert await store.list_reports() == (newer, theirs)
        assert await store.list_reports(node="n1") == (newer,)
        assert await store.list_reports(node="unknown") == ()

    async def test_the_latest_sample_of_each_node_is_kept(self, store: base.Store) -> None:
        assert await store.get_sample("n1") is None
        first, other = a_sample(), a_sample("n2")
        later = a_sample(received_at=NOW + datetime.timedelta(seconds=1), scheduler={"nr_queued": (1 << 64) - 1})
        await store.put_samples([later, other])
        await store.put_samples([first])
        await store.put_samples([])
        assert await store.get_sample("n1") == later
        assert await store.list_samples() == tuple(dataclasses.replace(one, pods=()) for one in (later, other))

    async def test_nodes_whose_sessions_are_long_over_are_forgotten(self, store: base.Store) -> None:
        hour = datetime.timedelta(hours=1)
        for node in ("old", "young", "other"):
            opened = await store.open_session(a_session(node, lease_until=NOW - hour if node != "young" else NOW))
            await save(store, opened, a_report(f"i-{node}", node=node))
            await store.put_samples([a_sample(node)])
        await store.put_samples([a_sample("without")])
        await store.forget_nodes(["old", "young", "without"], over_since=NOW)
        assert [one.node for one in await store.list_sessions()] == ["other", "young"]
        assert [one.node for one in await store.list_reports()] == ["other", "young"]
        assert [one.node for one in await store.list_samples()] == ["other", "young"]


async def save(
    store: base.Store, session: base.AgentSession, *reports: intent.Report, removed: tuple[str, ...] = ()
) -> frozenset[tuple[str, int]]:
    return await store.save_sessions([base.SessionUpdate(session=session, reports=reports, removed=removed)])
