"""One pass over some dirty pods: read each afresh, decide it as a whole, hand the result to the enforcer.

Blocking; runs on the reconciler's worker thread. One pod's trouble is not another's: what is unexpected about a pod
becomes the failure of that pod's intents, and is logged.
"""

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence

from gthulhu.agent.discovery import base as discovering
from gthulhu.agent.domain import decision as deciding
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base as enforcing

_logger = logging.getLogger(__name__)

Wanted = Mapping[str, Mapping[str, intents.Intent]]
"""Intents by pod UID and intent id."""

Effects = Mapping[processes.ProcessKey, enforcing.Effect]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has become of one intent on this node."""

    outcome: deciding.IntentOutcome
    version: str
    """The intent's version that it is about."""
    limits: tuple[str, ...] = ()
    failure: str = ""
    """Why it is not in force at all; empty where it is, and where no process matches."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One pod, reconciled."""

    pod: processes.Pod
    outcomes: Mapping[str, Outcome]
    """By intent id, of every intent of the pod."""
    decisions: Mapping[processes.ProcessKey, deciding.Decision] = dataclasses.field(default_factory=dict)
    effects: Effects = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Reconciles pods with the node's parts."""

    discovery: discovering.Discovery
    enforcer: enforcing.Enforcer
    matches: deciding.Matches

    def run(self, uids: Iterable[str], wanted: Wanted) -> Mapping[str, Result | None]:
        """Reconcile pods; returns each one's result, None for those that nothing is wanted of any more."""
        results: dict[str, Result | None] = {}
        targets: dict[str, tuple[enforcing.PodTarget, deciding.Decisions]] = {}
        gone: list[str] = []
        for uid in uids:
            its = wanted.get(uid, {})
            results[uid] = None
            try:
                pod = self.discovery.pod(uid)
                if pod is None:
                    gone.append(uid)
                    results[uid] = _absent(uid, its)
                    continue
                decided = deciding.decide(pod=pod, wanted=its.values(), matches=self.matches)
                targets[uid] = (enforcing.PodTarget(pod=pod, decisions=decided.decisions), decided)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this pod's
                results[uid] = _failed(uid, its, error)
        self._forget(gone)
        effects, errors = self._apply([target for target, _ in targets.values()])
        for uid, (target, decided) in targets.items():
            its = wanted.get(uid, {})
            if uid in errors:
                results[uid] = _failed(uid, its, errors[uid])
            elif its:
                results[uid] = _result(target.pod, its, decided, effects)
        return results

    def _forget(self, gone: Sequence[str]) -> None:
        try:
            self.enforcer.forget(gone)
        except Exception:
            _logger.exception("pods that are gone could not be forgotten; it does no harm")

    def _apply(self, targets: Sequence[enforcing.PodTarget]) -> tuple[Effects, Mapping[str, Exception]]:
        """Apply all at once; where that fails, one by one, to find whose trouble it is."""
        try:
            return self.enforcer.apply(targets), {}
        except Exception as error:  # noqa: BLE001 -- as above
            if len(targets) == 1:
                return {}, {targets[0].pod.uid: error}
        effects: dict[processes.ProcessKey, enforcing.Effect] = {}
        errors: dict[str, Exception] = {}
        for target in targets:
            its, failed = self._apply([target])
            effects.update(its)
            errors.update(failed)
        return effects, errors


def _result(
    pod: processes.Pod, its: Mapping[str, intents.Intent], decided: deciding.Decisions, effects: Effects
) -> Result:
    """Sum up one pod: an intent counts the processes that have its decision in force."""
    # A process without an effect has ended between being read and being changed.
    live = {key: one for key, one in decided.decisions.items() if key in effects}
    outcomes = {}
    for intent_id, outcome in decided.outcomes.items():
        won = [(one, effects[key]) for key, one in live.items() if one.intent_id == intent_id]
        good = [one for one, effect in won if not effect.failure]
        failures = sorted({effect.failure for _, effect in won if effect.failure})
        outcomes[intent_id] = Outcome(
            outcome=dataclasses.replace(outcome, processes=len(good), threads=sum(len(one.threads) for one in good)),
            version=its[intent_id].version,
            limits=tuple(sorted({limit for _, effect in won for limit in effect.limits})),
            failure="; ".join(failures) if failures and not good else "",
        )
    return Result(pod=pod, outcomes=outcomes, decisions=live, effects={key: effects[key] for key in live})


def _absent(uid: str, its: Mapping[str, intents.Intent]) -> Result | None:
    """Return the result for a pod that is not on the node (yet, or any more)."""
    return _without_processes(uid, its, failure="") if its else None


def _failed(uid: str, its: Mapping[str, intents.Intent], error: Exception) -> Result | None:
    _logger.error("pod cannot be reconciled", exc_info=error, extra={"pod_uid": uid})
    reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else "internal error, see the log"
    return _without_processes(uid, its, failure=reason) if its else None


def _without_processes(uid: str, its: Mapping[str, intents.Intent], *, failure: str) -> Result:
    return Result(
        pod=processes.Pod(uid=uid, cgroup="", qos=""),
        outcomes={
            one.id: Outcome(
                outcome=deciding.IntentOutcome(intent_id=one.id, processes=0, threads=0),
                version=one.version,
                failure=failure,
            )
            for one in its.values()
        },
    )
