"""Each guarantee's validator accepts a good history, and finds the one thing that is wrong in a bad one."""

from collections.abc import Callable

import pytest

from tests.chaos import history, validator
from tests.chaos.history import Accepted, Acknowledged, Compared, Hello, Sent


def sent(nonce: str, *, session: str = "s1", removed: tuple[str, ...] = (), **versions: str) -> Sent:
    return Sent(node="n", session=session, nonce=nonce, set=versions, removed=removed)


def accepted(
    nonce: str,
    *,
    held: dict[str, str],
    revision: int,
    removed: tuple[str, ...] = (),
    chunks: tuple[tuple[int, int], ...] = ((1, 1),),
    **versions: tuple[str, int],
) -> Accepted:
    return Accepted(node="n", nonce=nonce, chunks=chunks, set=versions, removed=removed, revision=revision, held=held)


def acknowledged(nonce: str, *, session: str = "s1") -> Acknowledged:
    return Acknowledged(node="n", session=session, nonce=nonce)


GOOD: list[history.Event] = [
    Hello(node="n", held={}),
    sent("d1", a="v1"),
    sent("d1", b="v1"),
    accepted("d1", a=("v1", 1), b=("v1", 1), chunks=((1, 2), (2, 2)), held={"a": "v1", "b": "v1"}, revision=1),
    acknowledged("d1"),
    Compared(node="n", equal=True),
    sent("d2", a="v2", removed=("b",)),
    accepted("d2", a=("v2", 2), removed=("b",), held={"a": "v2"}, revision=2),
    # The answer is lost with the connection.
    Hello(node="n", held={"a": "v2"}),
    sent("d3", session="s2", c="v1"),
    accepted("d3", c=("v1", 1), held={"a": "v2", "c": "v1"}, revision=2),
    acknowledged("d3", session="s2"),
]
GUARANTEES = (
    validator.ordered,
    validator.unique,
    validator.nothing_lost,
    validator.atomic,
    validator.resumable,
    validator.never_rolled_back,
    validator.one_in_flight,
    validator.agreed,
)


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda one: one.__name__)
def test_a_good_history_violates_nothing(guarantee: Callable[[validator.History], list[str]]) -> None:
    assert guarantee(GOOD) == []


HELD = {"a": "v2", "c": "v1"}


@pytest.mark.parametrize(
    ("guarantee", "bad"),
    [
        (validator.ordered, accepted("d4", d=("v1", 1), held=HELD | {"d": "v1"}, revision=1)),
        (validator.unique, accepted("d3", d=("v1", 1), held=HELD | {"d": "v1"}, revision=3)),
        (validator.unique, accepted("d4", a=("v2", 2), held=HELD, revision=3)),
        (validator.nothing_lost, acknowledged("d4")),
        (validator.nothing_lost, accepted("d4", d=("v1", 1), held=HELD | {"d": "v1"}, revision=3)),
        (validator.atomic, accepted("d4", d=("v1", 1), chunks=((2, 2),), held=HELD | {"d": "v1"}, revision=3)),
        (validator.atomic, accepted("d4", d=("v1", 1), removed=("a",), held=HELD | {"d": "v1"}, revision=3)),
        (validator.resumable, Hello(node="n", held={"a": "v2"})),
        (validator.resumable, accepted("d4", removed=("b",), held=HELD, revision=3)),
        (validator.never_rolled_back, accepted("d4", a=("v1", 1), held=HELD | {"a": "v1"}, revision=3)),
        (validator.agreed, Compared(node="n", equal=False)),
    ],
)
def test_what_is_wrong_is_found(guarantee: Callable[[validator.History], list[str]], bad: history.Event) -> None:
    assert len(guarantee([*GOOD, bad])) == 1


def test_a_second_delta_on_its_way_is_found() -> None:
    events = [sent("d4", session="s3"), sent("d5", session="s4"), sent("d6", session="s3")]
    assert len(validator.one_in_flight([*GOOD, *events])) == 1


def test_what_differs_in_the_end_is_found() -> None:
    wanted = {"n": {"a": "v1"}, "m": {}}
    assert validator.eventually_equal({"n": {"a": "v1"}}, wanted) == []
    assert len(validator.eventually_equal({"n": {"a": "v2"}, "m": {"b": "v1"}}, wanted)) == 2
