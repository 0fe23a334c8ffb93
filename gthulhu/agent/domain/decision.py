"""What each process gets: the one pure function from intents and processes to decisions."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.common import priority as priorities


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one process gets, and the intent that it comes from."""

    process: processes.ProcessKey
    pod_uid: str
    container_id: str
    intent_id: str
    strategy_id: str
    priority: int
    execution_time_ns: int
    threads: tuple[int, ...]
    """TIDs that it covers."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IntentOutcome:
    """What has become of one intent among the processes that there are."""

    intent_id: str
    processes: int
    """Those on which it won."""
    threads: int
    superseded_by: str = ""
    """The strategy that won on all of the processes that it matches, where it won on none of them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Everything that follows from a set of intents and the processes of one pod."""

    decisions: Mapping[processes.ProcessKey, Decision]
    outcomes: Mapping[str, IntentOutcome]
    """By intent id, of every intent of the pod."""


Matches = Callable[[str, processes.Process], bool]
"""Tells whether a regular expression is found in a process's comm or command line."""


def decide(*, pod: processes.Pod, wanted: Iterable[intents.Intent], matches: Matches) -> Decisions:
    """Return what each process of a pod gets: of the intents that match it, the one that takes precedence."""
    ranked = sorted(
        wanted,
        key=lambda one: priorities.precedence(
            priority=one.priority, created_at=one.strategy_created_at, strategy_id=one.strategy_id
        ),
    )
    decisions: dict[processes.ProcessKey, Decision] = {}
    won: dict[str, list[processes.Process]] = {one.id: [] for one in ranked}
    lost_to: dict[str, str] = {}
    for process in pod.processes:
        if process.is_pause:
            continue
        matching = [one for one in ranked if not one.command_regex or matches(one.command_regex, process)]
        if not matching:
            continue
        winner = matching[0]
        won[winner.id].append(process)
        for loser in matching[1:]:
            lost_to.setdefault(loser.id, winner.strategy_id)
        decisions[process.key] = Decision(
            process=process.key,
            pod_uid=pod.uid,
            container_id=process.container_id,
            intent_id=winner.id,
            strategy_id=winner.strategy_id,
            priority=winner.priority,
            execution_time_ns=winner.execution_time_ns,
            threads=process.threads,
        )
    outcomes = {
        one_id: IntentOutcome(
            intent_id=one_id,
            processes=len(its),
            threads=sum(len(process.threads) for process in its),
            superseded_by="" if its else lost_to.get(one_id, ""),
        )
        for one_id, its in won.items()
    }
    return Decisions(decisions=decisions, outcomes=outcomes)
