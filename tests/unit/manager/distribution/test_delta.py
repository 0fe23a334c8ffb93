"""What leads from the set that an agent holds to the set that it should hold."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

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


def test_what_is_held_already_is_not_sent() -> None:
    assert not deltas.difference(wanted={"a": an_intent("a")}, held={"a": "1"}, rejected={})


def test_what_is_missing_or_different_is_sent_and_what_is_too_much_removed() -> None:
    new, changed = an_intent("new"), an_intent("changed", "2")
    delta = deltas.difference(
        wanted={"new": new, "changed": changed, "same": an_intent("same")},
        held={"changed": "1", "same": "1", "old": "1"},
        rejected={},
    )
    assert delta == deltas.Delta(set=(new, changed), removed=("old",))


def test_a_rejected_version_is_not_sent_again_but_the_next_one_is() -> None:
    rejected = {"a": "1"}
    assert not deltas.difference(wanted={"a": an_intent("a", "1")}, held={}, rejected=rejected)
    assert deltas.difference(wanted={"a": an_intent("a", "2")}, held={}, rejected=rejected).set


sets = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("123"), max_size=8)


@given(wanted=sets, held=sets)
def test_a_difference_in_force_leads_to_what_is_wanted(wanted: dict[str, str], held: dict[str, str]) -> None:
    delta = deltas.difference(
        wanted={key: an_intent(key, version) for key, version in wanted.items()}, held=held, rejected={}
    )
    after = {key: version for key, version in held.items() if key not in delta.removed}
    after |= {one.id: one.version for one in delta.set}
    assert after == wanted


@given(
    sizes=st.lists(st.integers(1, 150), max_size=30),
    removed=st.lists(st.uuids().map(lambda one: one.hex), unique=True, max_size=30),
)
def test_chunks_hold_everything_once_in_order_and_stay_within_the_limit(sizes: list[int], removed: list[str]) -> None:
    whole = deltas.Delta(set=tuple(an_intent(str(index)) for index in range(len(sizes))), removed=tuple(removed))

    def size(one: intent.Intent) -> int:
        return sizes[int(one.id)]

    parts = list(deltas.chunks(whole, size=size, limit=100))
    assert sum((part.set for part in parts), ()) == whole.set
    assert sum((part.removed for part in parts), ()) == whole.removed
    for part in parts:
        alone = len(part.set) == 1 and not part.removed
        assert alone or sum(map(size, part.set)) + 40 * len(part.removed) <= 100


def test_an_empty_delta_is_one_empty_chunk() -> None:
    assert list(deltas.chunks(deltas.Delta(), size=lambda _: 1, limit=100)) == [deltas.Delta()]
