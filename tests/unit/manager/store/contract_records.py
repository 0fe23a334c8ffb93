"""What every store must do with the audit log, and with what replicas tell each other about agents."""

import asyncio
import dataclasses
import datetime

import pytest

from gthulhu.common import errors
from gthulhu.manager.store import base
from tests.unit.manager.store.samples import (
    NOW,
    Contract,
    a_report,
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
        await store.put_reports([a_report("kept")], removed=(), node="n1", epoch=old.epoch)
        new = await store.open_session(a_session(replica="m2"))
        assert not await store.renew_session(dataclasses.replace(old, acked_revision=9))
        assert not await store.put_reports([a_report("late")], removed=["kept"], node="n1", epoch=old.epoch)
        await store.close_session(node="n1", epoch=old.epoch)
        assert await store.list_sessions() == (new,)
        assert [report.intent_id for report in await store.list_reports()] == ["kept"]

    async def test_a_session_is_renewed_and_closed(self, store: base.Store) -> None:
        opened = await store.open_session(a_session())
        renewed = dataclasses.replace(opened, acked_revision=5, behind_since=NOW)
        assert await store.renew_session(renewed)
        assert await store.list_sessions() == (renewed,)
        await store.close_session(node="n1", epoch=opened.epoch)
        [closed] = await store.list_sessions()
        assert closed == dataclasses.replace(renewed, lease_until=NOW)

    async def test_a_session_of_an_unknown_node_cannot_be_renewed(self, store: base.Store) -> None:
        assert not await store.renew_session(a_session(epoch=1))
        assert not await store.put_reports([a_report()], removed=(), node="n1", epoch=0)
        await store.close_session(node="n1", epoch=1)
        assert await store.list_sessions() == ()

    async def test_reports_are_replaced_and_removed_in_one_batch(self, store: base.Store) -> None:
        n1 = await store.open_session(a_session())
        n2 = await store.open_session(a_session("n2"))
        await store.put_reports([a_report("i1"), a_report("i2")], removed=(), node="n1", epoch=n1.epoch)
        theirs = a_report("i3", node="n2")
        await store.put_reports([theirs], removed=(), node="n2", epoch=n2.epoch)
        newer = a_report("i2", version="v2", failure="no cgroup")
        assert await store.put_reports([newer], removed=["i1", "i3"], node="n1", epoch=n1.epoch)
        assert await store.list_reports() == (newer, theirs)
        assert await store.list_reports(node="n1") == (newer,)
        assert await store.list_reports(node="unknown") == ()
