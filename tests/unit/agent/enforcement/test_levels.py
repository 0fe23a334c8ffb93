"""Which lever carries what."""

import hypothesis
import pytest
from hypothesis import strategies as st

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base, levels
from gthulhu.common import priority as priorities

Sample = tuple[str, int | None] | tuple[str, int | None, int]

OLD, YOUNG = 10, 1000
SETTLED_BEFORE = 500


def target(*its: Sample) -> base.PodTarget:
    """Return a pod: of each process its container, its priority (None: not decided), and when it started."""
    found, decided = [], {}
    for pid, (container, priority, *rest) in enumerate(its, start=1):
        key = processes.ProcessKey(pid, rest[0] if rest else OLD)
        found.append(
            processes.Process(key=key, comm="x", container_id=container, threads=(pid,), is_pause=container == "pause")
        )
        if priority is not None:
            decided[key] = decisions.Decision(
                process=key,
                pod_uid="u",
                container_id=container,
                intent_id="i",
                strategy_id="s",
                priority=priority,
                execution_time_ns=0,
                threads=(pid,),
            )
    containers = tuple(processes.Container(id=one, cgroup=one) for one in sorted({one[0] for one in its}))
    pod = processes.Pod(uid="u", cgroup="p", qos="Guaranteed", containers=containers, processes=tuple(found))
    return base.PodTarget(pod=pod, decisions=decided)


def plan(*its: Sample) -> levels.Plan:
    return levels.plan(target(*its), settled_before=SETTLED_BEFORE)


def key(pid: int, start: int = OLD) -> processes.ProcessKey:
    return processes.ProcessKey(pid, start)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ([], levels.Plan()),
        ([("a", None)], levels.Plan()),
        ([("a", 3)], levels.Plan(pod=3)),
        ([("a", 3), ("a", 3), ("b", 3)], levels.Plan(pod=3)),
        ([("pause", None), ("a", 3)], levels.Plan(pod=3)),
        ([("a", 10)], levels.Plan()),
        ([("a", 3), ("b", None)], levels.Plan(containers={"a": 3})),
        ([("a", 3), ("b", 7)], levels.Plan(containers={"a": 3, "b": 7})),
        ([("a", 3), ("b", 10)], levels.Plan(containers={"a": 3})),
        ([("a", 3), ("a", None)], levels.Plan(nice={key(1): 3})),
        ([("a", 3), ("a", 5)], levels.Plan(nice={key(1): 3, key(2): 5})),
        ([("a", 3), ("a", 10)], levels.Plan(nice={key(1): 3})),
        ([("a", 3), ("a", None), ("b", 4)], levels.Plan(containers={"b": 4}, nice={key(1): 3})),
        ([("a", 3), ("a", None, YOUNG)], levels.Plan(pod=3)),
        ([("a", 3), ("a", 3, YOUNG)], levels.Plan(pod=3)),
        ([("a", 3), ("a", 5, YOUNG)], levels.Plan(nice={key(1): 3, key(2, YOUNG): 5})),
    ],
)
def test_each_decision_goes_to_the_highest_level_that_it_covers_alone(pod: list[Sample], expected: levels.Plan) -> None:
    assert plan(*pod) == expected


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 20), st.sampled_from([OLD, YOUNG])))
)
def test_every_decision_that_is_not_neutral_has_exactly_one_lever(its: list[Sample]) -> None:
    made = levels.plan(one := target(*its), settled_before=SETTLED_BEFORE)
    for process in one.pod.processes:
        decision = one.decisions.get(process.key)
        named = [made.pod, made.containers.get(process.container_id), made.nice.get(process.key)]
        levers = [priority for priority in named if priority not in (None, priorities.NEUTRAL)]
        if decision is None:
            settled = process.key.start_time < SETTLED_BEFORE
            assert not (settled and levers)
        elif decision.priority == priorities.NEUTRAL:
            assert levers == []
        else:
            assert levers == [decision.priority]
