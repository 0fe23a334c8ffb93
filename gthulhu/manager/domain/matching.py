"""Which strategies select which pods, kept up to date change by change.

Everything that can be asked of a pod is a *term*: `("", namespace)`, `(key,)` for a label that exists, and
`(key, value)`. An inverted index leads from each term to the pods that have it, so that a strategy finds its pods by
intersecting sets, the rarest first. The other way round each strategy is filed under one term only, its rarest, so
that a pod meets just the strategies that wait for one of its terms. A change costs what it matches, not what there is.
"""

import dataclasses
from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from gthulhu.manager.domain import pod as pods
from gthulhu.manager.domain import strategy as strategies

_Term = tuple[str, ...]
_Key = TypeVar("_Key", bound=Hashable)

_EVERYTHING: _Term = ()
"""Where strategies without selectors are filed."""
_NOTHING: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a strategy selects: pods that carry all labels, in any of the namespaces."""

    selectors: tuple[strategies.LabelSelector, ...] = ()
    """None at all: every pod."""
    namespaces: frozenset[str] | None = None
    """None: every one; empty: no pod at all."""


class Matcher:
    """Holds rules by strategy and pods by UID, and which match; single-threaded.

    Finished pods and those of denied namespaces are never selected.
    """

    def __init__(self, *, denied_namespaces: Iterable[str] = ()) -> None:
        """Start without any rule or pod."""
        self._denied = frozenset(denied_namespaces)
        self._pods: dict[str, pods.Pod] = {}
        self._pods_with: dict[_Term, set[str]] = {}
        self._pods_of: dict[str, set[str]] = {}
        self._strategies_of: dict[str, set[str]] = {}
        self._rules: dict[str, Rule] = {}
        self._terms_of: dict[str, frozenset[_Term]] = {}
        self._filed_under: dict[str, _Term] = {}
        self._waiting: dict[str | None, dict[_Term, set[str]]] = {}
        """Namespace (None: all), then term, then the strategies that are filed there."""

    def pods_of(self, strategy_id: str) -> AbstractSet[str]:
        """Return the UIDs of the pods that a strategy selects; do not change the set."""
        return self._pods_of.get(strategy_id, _NOTHING)

    def strategies_of(self, pod_uid: str) -> AbstractSet[str]:
        """Return the ids of the strategies that select a pod; do not change the set."""
        return self._strategies_of.get(pod_uid, _NOTHING)

    def select(self, rule: Rule) -> set[str]:
        """Return the UIDs of the pods that a rule selects, whether it is held or not."""
        having = [self._pods_with.get(_term(one), _NOTHING) for one in rule.selectors]
        if rule.namespaces is None:
            return _intersection(having) if having else set(self._pods)
        inside = [self._pods_with.get(("", namespace), _NOTHING) for namespace in rule.namespaces]
        if len(inside) == 1:
            return _intersection([*having, *inside])
        if not having or sum(map(len, inside)) < min(map(len, having)):
            return set().union(*(_intersection([*having, some]) for some in inside))
        return {uid for uid in _intersection(having) if self._pods[uid].namespace in rule.namespaces}

    def set_rule(self, strategy_id: str, rule: Rule) -> None:
        """Add or replace a strategy's rule."""
        if self._rules.get(strategy_id) == rule:
            return
        self._unfile(strategy_id)
        self._rules[strategy_id] = rule
        self._terms_of[strategy_id] = frozenset(map(_term, rule.selectors))
        self._file(strategy_id)
        self._select_pods(strategy_id, self.select(rule))

    def remove_rule(self, strategy_id: str) -> None:
        """Forget a strategy, if it is known."""
        if strategy_id in self._rules:
            self._unfile(strategy_id)
            self._select_pods(strategy_id, set())
            del self._rules[strategy_id], self._terms_of[strategy_id], self._pods_of[strategy_id]

    def set_pod(self, pod: pods.Pod) -> None:
        """Add or replace a pod."""
        if pod.finished or pod.namespace in self._denied:
            self.remove_pod(pod.uid)
            return
        before = self._pods.get(pod.uid)
        self._pods[pod.uid] = pod
        if before is not None and (before.namespace, before.labels) == (pod.namespace, pod.labels):
            return
        old = _terms(before) if before is not None else frozenset()
        new = _terms(pod)
        for term in old - new:
            _discard(self._pods_with, term, pod.uid)
        for term in new - old:
            self._pods_with.setdefault(term, set()).add(pod.uid)
        self._select_strategies(pod.uid, self._strategies_for(pod, new))

    def remove_pod(self, uid: str) -> None:
        """Forget a pod, if it is known."""
        pod = self._pods.pop(uid, None)
        if pod is not None:
            for term in _terms(pod):
                _discard(self._pods_with, term, uid)
            self._select_strategies(uid, set())

    def refile(self) -> None:
        """File all strategies anew, under what is rarest now; worth it after many pods have come at once."""
        for strategy_id in self._rules:
            self._unfile(strategy_id)
            self._file(strategy_id)

    def _strategies_for(self, pod: pods.Pod, terms: frozenset[_Term]) -> set[str]:
        found: set[str] = set()
        for namespace in (pod.namespace, None):
            waiting = self._waiting.get(namespace)
            if waiting:
                for term in waiting.keys() & terms:
                    found.update(one for one in waiting[term] if self._terms_of[one] <= terms)
                found |= waiting.get(_EVERYTHING, _NOTHING)
        return found

    def _select_pods(self, strategy_id: str, selected: set[str]) -> None:
        before = self._pods_of.get(strategy_id, _NOTHING)
        for uid in before - selected:
            _discard(self._strategies_of, uid, strategy_id)
        for uid in selected - before:
            self._strategies_of.setdefault(uid, set()).add(strategy_id)
        self._pods_of[strategy_id] = selected

    def _select_strategies(self, uid: str, selected: set[str]) -> None:
        before = self._strategies_of.get(uid, _NOTHING)
        for strategy_id in before - selected:
            self._pods_of[strategy_id].discard(uid)
        for strategy_id in selected - before:
            self._pods_of[strategy_id].add(uid)
        if selected:
            self._strategies_of[uid] = selected
        else:
            self._strategies_of.pop(uid, None)

    def _file(self, strategy_id: str) -> None:
        def commonness(term: _Term) -> tuple[int, int]:
            return len(self._pods_with.get(term, _NOTHING)), -len(term)

        term = min(self._terms_of[strategy_id], key=commonness, default=_EVERYTHING)
        self._filed_under[strategy_id] = term
        namespaces = self._rules[strategy_id].namespaces
        for namespace in (None,) if namespaces is None else namespaces:
            self._waiting.setdefault(namespace, {}).setdefault(term, set()).add(strategy_id)

    def _unfile(self, strategy_id: str) -> None:
        rule = self._rules.get(strategy_id)
        if rule is None:
            return
        term = self._filed_under.pop(strategy_id)
        for namespace in (None,) if rule.namespaces is None else rule.namespaces:
            _discard(self._waiting[namespace], term, strategy_id)
            if not self._waiting[namespace]:
                del self._waiting[namespace]


def _intersection(sets: Sequence[AbstractSet[str]]) -> set[str]:
    """Return what is in all of the sets, at the cost of the smallest."""
    smallest, *others = sorted(sets, key=len)
    return set(smallest).intersection(*others)


def _term(selector: strategies.LabelSelector) -> _Term:
    return (selector.key, selector.value) if selector.value else (selector.key,)


def _terms(pod: pods.Pod) -> frozenset[_Term]:
    return frozenset([("", pod.namespace), *((key,) for key in pod.labels), *pod.labels.items()])


def _discard(index: dict[_Key, set[str]], key: _Key, value: str) -> None:
    """Take a value out of an index, and the key with the last of them."""
    its = index.get(key)
    if its is not None:
        its.discard(value)
        if not its:
            del index[key]
