"""What an external scheduler is told."""

import dataclasses

from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import process as processes
from gthulhu.agent.domain import table


def a_decision(pid: int, *, priority: int = 3, slice_ns: int = 1_000_000) -> decisions.Decision:
    return decisions.Decision(
        process=processes.ProcessKey(pid, 1),
        pod_uid="p",
        container_id="c",
        intent_id="i",
        strategy_id="s",
        priority=priority,
        execution_time_ns=slice_ns,
        threads=(pid,),
    )


def pids(of: table.Table) -> list[int]:
    return [one.pid for one in of.entries]


def test_neutral_decisions_are_left_out() -> None:
    made = table.build(of=[a_decision(1, priority=10), a_decision(2, priority=11)], default_slice_ns=5)
    assert (pids(made), made.omitted) == ([2], 0)


def test_no_slice_is_the_configured_one() -> None:
    made = table.build(of=[a_decision(1, slice_ns=0), a_decision(2, slice_ns=7)], default_slice_ns=5)
    assert [one.execution_time_ns for one in made.entries] == [5, 7]


def test_the_strongest_come_first_and_the_weakest_are_left_out_where_there_is_no_room() -> None:
    of = [a_decision(9, priority=3), a_decision(8, priority=3), a_decision(7, priority=20), a_decision(6, priority=0)]
    made = table.build(of=of, default_slice_ns=5, room=3)
    assert (pids(made), made.omitted) == ([6, 8, 9], 1)


def test_there_is_room_for_as_much_as_that_scheduler_holds() -> None:
    made = table.build(of=[a_decision(pid) for pid in range(5000)], default_slice_ns=5)
    assert (len(made.entries), made.omitted) == (4096, 904)
    assert dataclasses.is_dataclass(made.entries[0])
