"""Strategies in files, made true: created, replaced, and deleted where they are in the files no longer.

What an apply creates carries the name of a set (ScheduleStrategy.applySet). Only that can be pruned: a strategy that
was made otherwise is replaced where a file names it, and never deleted.
"""

import dataclasses
import difflib
import enum
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from gthulhu.cli.user import actions, connection, manifests
from gthulhu.v1 import strategy_pb2, strategy_pb2_grpc


class Change(enum.StrEnum):
    """What becomes of a strategy."""

    CREATE = "created"
    REPLACE = "configured"
    KEEP = "unchanged"
    PRUNE = "pruned"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One strategy: as it is, and as the files want it."""

    change: Change
    present: strategy_pb2.ScheduleStrategy | None = None
    wanted: strategy_pb2.ScheduleStrategy | None = None

    def diff(self) -> Iterator[str]:
        """Yield what would change, as `diff -u` does, over the strategy as a manifest."""
        shown = self.wanted or self.present
        title = manifests.title(shown) if shown else ""
        before, after = (manifests.dump([one]).splitlines() if one else [] for one in (self.present, self.wanted))
        return difflib.unified_diff(
            before,
            after,
            f"{title} (now)" if before else "/dev/null",
            f"{title} (files)" if after else "/dev/null",
            lineterm="",
        )


def plan(link: connection.Connection, paths: Sequence[pathlib.Path], *, apply_set: str, prune: bool) -> Sequence[Step]:
    """Return what is to be done, deletions last; nothing has been done then.

    Args:
        link: To the manager.
        paths: Files, and folders of them.
        apply_set: Whose strategies are pruned.
        prune: Whether what the set has created, and no file names now, is to be deleted.
    """
    wanted = {manifests.title(one): one for one in manifests.read(paths)}
    present = {manifests.title(one): one for one in actions.strategies(link)}
    steps = [_step(present.get(name), one) for name, one in wanted.items()]
    if prune:
        gone = (one for name, one in present.items() if one.apply_set == apply_set and name not in wanted)
        steps += (Step(change=Change.PRUNE, present=one) for one in gone)
    return steps


def apply(link: connection.Connection, steps: Iterable[Step], *, apply_set: str) -> Iterator[str]:
    """Do what a plan says; yields a line for each strategy. The first that is refused ends it."""
    stub = strategy_pb2_grpc.StrategyServiceStub(link.channel)
    for step in steps:
        answer = _do(link, stub, step, apply_set=apply_set)
        line = f"strategy {manifests.title(answer)} {step.change}"
        yield line if step.change is Change.PRUNE else f"{line}, selects {actions.pods(answer.matched_pods)}"
        yield from (f"  warning: {warning}" for warning in answer.warnings)


def diff(steps: Iterable[Step]) -> list[str]:
    """Return what a plan would change; empty: nothing."""
    return [line for step in steps for line in step.diff()]


def _do(
    link: connection.Connection, stub: strategy_pb2_grpc.StrategyServiceStub, step: Step, *, apply_set: str
) -> strategy_pb2.ScheduleStrategy:
    """Returns the strategy as it is then, or was."""
    present, wanted = step.present, step.wanted
    if present is None and wanted is not None:
        wanted.apply_set = apply_set
        made: strategy_pb2.ScheduleStrategy = link.call(
            stub.CreateStrategy, strategy_pb2.CreateStrategyRequest(strategy=wanted)
        )
        return made
    assert present is not None  # noqa: S101 - a step has one of both
    if wanted is None:
        link.call(stub.DeleteStrategy, strategy_pb2.DeleteStrategyRequest(strategy_id=present.id, etag=present.etag))
    elif step.change is Change.REPLACE:
        return actions.replace(link, present, wanted)
    return present


def _step(present: strategy_pb2.ScheduleStrategy | None, wanted: strategy_pb2.ScheduleStrategy) -> Step:
    change = Change.CREATE
    if present is not None:
        change = Change.KEEP if manifests.written(wanted) == manifests.written(present) else Change.REPLACE
    return Step(change=change, present=present, wanted=wanted)
