"""One agent's session: one delta on its way, the newest state behind it, and what was rejected is let be."""

import dataclasses
import datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gthulhu.common import digest, errors
from gthulhu.manager.distribution import debounce, session
from gthulhu.manager.distribution import delta as deltas
from gthulhu.manager.domain import intent


def an_intent(key: str, version: str = "1") -> intent.Intent:
    return intent.Intent(
        id=key,
        version=version,
        strategy_id="s",
        strategy_created_at=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        pod_uid=f"uid-{key}",
        pod_name=f"pod-{key}",
        namespace="default",
        node="node-1",
        labels={},
        command_regex="",
        priority=3,
        execution_time_ns=0,
    )


def wanted(**versions: str) -> dict[str, intent.Intent]:
    return {key: an_intent(key, version) for key, version in versions.items()}


def a_session(
    held: dict[str, str] | None = None, *, rejected: dict[str, str] | None = None, now: float = 0.0
) -> session.Session:
    return session.Session(
        held=held or {},
        rejected=rejected or {},
        debounce=debounce.Debounce(quiet=0.05, longest=0.5),
        check_every=60.0,
        now=now,
    )


def transfer(
    of: session.Session, want: dict[str, intent.Intent], *, now: float, revision: int = 1
) -> session.Transfer | None:
    said = of.next(wanted=want, revisions=deltas.Revisions(store=revision), now=now)
    assert said is None or isinstance(said, session.Transfer)
    return said


def test_resuming_with_everything_says_nothing() -> None:
    one = a_session({"a": "1"})
    assert transfer(one, wanted(a="1"), now=1.0, revision=7) is None
    assert one.behind_since is None
    assert one.acknowledged.store == 7


def test_the_first_delta_brings_what_is_missing_and_says_from_which_revision() -> None:
    one = a_session({"old": "1"})
    said = transfer(one, wanted(a="1"), now=1.0, revision=7)
    assert said is not None
    assert said.delta == deltas.Delta(set=(an_intent("a"),), removed=("old",))
    assert said.revisions.store == 7


def test_nothing_is_said_while_a_delta_is_on_its_way_and_then_the_newest_state() -> None:
    one = a_session()
    first = transfer(one, wanted(a="1"), now=1.0)
    assert first is not None
    for version in ("2", "3", "4"):
        one.changed(2.0)
        assert one.due is None
        assert transfer(one, wanted(a=version), now=3.0) is None
    one.acknowledge(nonce=first.nonce, rejections=(), now=4.0)
    second = transfer(one, wanted(a="4"), now=4.0)
    assert second is not None
    assert second.delta.set == (an_intent("a", "4"),)


def test_a_burst_is_one_delta() -> None:
    one = a_session(now=0.0)
    one.changed(0.04)
    assert one.due == pytest.approx(0.09)
    assert transfer(one, wanted(a="1"), now=0.08) is None
    assert transfer(one, wanted(a="1"), now=0.09) is not None


def test_it_is_behind_from_the_change_until_the_acknowledgement() -> None:
    one = a_session()
    said = transfer(one, wanted(a="1"), now=1.0)
    assert said is not None
    one.changed(5.0)
    assert one.behind_since == 0.0
    one.acknowledge(nonce=said.nonce, rejections=(), now=6.0)
    assert one.behind_since == 5.0
    assert transfer(one, wanted(a="1"), now=6.0) is None
    assert one.behind_since is None


def test_a_rejected_intent_is_not_sent_again_until_it_changes_and_the_earlier_version_stays() -> None:
    one = a_session({"a": "1"})
    said = transfer(one, wanted(a="2", b="1"), now=1.0)
    assert said is not None
    rejection = session.Rejection(intent_id="a", version="2", reason="no such regex")
    settled = one.acknowledge(nonce=said.nonce, rejections=[rejection], now=1.0)
    assert settled.rejected == (rejection,)
    assert one.held == {"a": "1", "b": "1"}
    one.changed(2.0)
    assert transfer(one, wanted(a="2", b="1"), now=3.0) is None
    one.changed(4.0)
    again = transfer(one, wanted(a="3", b="1"), now=5.0)
    assert again is not None
    assert again.delta.set == (an_intent("a", "3"),)


def test_rejections_of_what_was_not_sent_count_for_nothing() -> None:
    one = a_session()
    said = transfer(one, wanted(a="1"), now=1.0)
    assert said is not None
    foreign = session.Rejection(intent_id="x", version="1", reason="")
    older = session.Rejection(intent_id="a", version="0", reason="")
    assert one.acknowledge(nonce=said.nonce, rejections=[foreign, older], now=1.0).rejected == ()
    assert one.held == {"a": "1"}


def test_a_rejection_is_forgotten_with_what_it_was_about() -> None:
    one = a_session(rejected={"a": "1"})
    assert transfer(one, {}, now=1.0) is None
    assert one.rejected == {}


def test_an_answer_to_something_else_is_an_error() -> None:
    one = a_session()
    with pytest.raises(errors.InvalidInputError, match="not on its way"):
        one.acknowledge(nonce="n", rejections=(), now=0.0)


def test_removals_are_reported_with_the_answer() -> None:
    one = a_session({"a": "1"})
    said = transfer(one, {}, now=1.0)
    assert said is not None
    assert one.acknowledge(nonce=said.nonce, rejections=(), now=1.0).removed == ("a",)
    assert one.held == {}


def test_a_quiet_session_gets_the_digest_of_what_it_should_hold_now_and_then() -> None:
    one = a_session({"a": "1"}, now=0.0)
    assert transfer(one, wanted(a="1"), now=1.0) is None
    assert one.due == 60.0
    said = one.next(wanted=wanted(a="1"), revisions=deltas.Revisions(), now=60.0)
    assert said == session.Check(digest=digest.of_versions({"a": "1"}), intents=1)
    assert one.due == 120.0


@dataclasses.dataclass
class Agent:
    """What an agent does with deltas."""

    held: dict[str, str] = dataclasses.field(default_factory=dict)
    inbox: session.Transfer | None = None

    def take(self) -> tuple[str, list[session.Rejection]]:
        """Apply what came; odd versions of key `f` are rejected."""
        assert self.inbox is not None
        rejected = []
        for one in self.inbox.delta.set:
            if one.id == "f" and int(one.version) % 2:
                rejected.append(session.Rejection(intent_id=one.id, version=one.version, reason="odd"))
            else:
                self.held[one.id] = one.version
        for key in self.inbox.delta.removed:
            self.held.pop(key, None)
        nonce, self.inbox = self.inbox.nonce, None
        return nonce, rejected


class AnyOrder(RuleBasedStateMachine):
    """Changes, answers, rejections and lost connections in any order: in the end the agent's set is the world's."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.world: dict[str, str] = {}
        self.agent = Agent()
        self.session = a_session()

    @rule(key=st.sampled_from("abcdef"), version=st.integers(0, 9))
    def set(self, key: str, version: int) -> None:
        self.world[key] = str(version)
        self.session.changed(self.now)

    @rule(key=st.sampled_from("abcdef"))
    def remove(self, key: str) -> None:
        if self.world.pop(key, None) is not None:
            self.session.changed(self.now)

    @rule(seconds=st.floats(0.0, 1.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        said = self.session.next(wanted=wanted(**self.world), revisions=deltas.Revisions(), now=self.now)
        if isinstance(said, session.Transfer):
            assert self.agent.inbox is None, "two deltas on their way"
            self.agent.inbox = said

    @rule()
    def agent_answers(self) -> None:
        if self.agent.inbox is not None:
            nonce, rejected = self.agent.take()
            self.session.acknowledge(nonce=nonce, rejections=rejected, now=self.now)

    @rule(applied=st.booleans(), remembered=st.booleans())
    def connection_is_lost(self, *, applied: bool, remembered: bool) -> None:
        if self.agent.inbox is not None and applied:
            self.agent.take()  # in force and on disk, but the answer never arrives
        self.agent.inbox = None
        rejected = dict(self.session.rejected) if remembered else {}
        self.session = a_session(self.agent.held, rejected=rejected, now=self.now)

    @invariant()
    def it_is_behind_whenever_something_is_on_its_way(self) -> None:
        assert self.agent.inbox is None or self.session.behind_since is not None

    def teardown(self) -> None:
        for _ in range(4):
            self.time_passes(1.0)
            self.agent_answers()
        self.time_passes(1.0)
        assert self.session.behind_since is None
        assert dict(self.session.held) == self.agent.held
        refused = {key for key, version in self.world.items() if key == "f" and int(version) % 2}
        expected = {key: version for key, version in self.world.items() if key not in refused}
        assert {key: version for key, version in self.agent.held.items() if key not in refused} == expected
        assert self.agent.held.keys() <= self.world.keys()


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
