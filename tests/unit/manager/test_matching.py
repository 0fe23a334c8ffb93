"""The matcher must always say what a look at every strategy and every pod would say."""

import dataclasses

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from gthulhu.manager.domain import matching
from gthulhu.manager.domain.pod import Pod
from gthulhu.manager.domain.strategy import LabelSelector

NAMESPACES = ("prod", "dev", "kube-system")
KEYS = ("app", "tier", "app.kubernetes.io/name")
VALUES = ("", "web", "Web", "a_b.c-d")


def selects(rule: matching.Rule, pod: Pod) -> bool:
    """Tell the plain way whether a rule selects a pod."""
    return (
        not pod.finished
        and pod.namespace != "kube-system"
        and (rule.namespaces is None or pod.namespace in rule.namespaces)
        and all(one.key in pod.labels and (not one.value or pod.labels[one.key] == one.value) for one in rule.selectors)
    )


labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
rules = st.builds(
    matching.Rule,
    selectors=st.lists(
        st.builds(LabelSelector, key=st.sampled_from(KEYS), value=st.sampled_from(VALUES)), max_size=3
    ).map(tuple),
    namespaces=st.none() | st.frozensets(st.sampled_from(NAMESPACES)),
)
uids = st.sampled_from([f"uid-{number}" for number in range(6)])
strategy_ids = st.sampled_from([f"strategy-{number}" for number in range(5)])


@hypothesis.settings(max_examples=150, stateful_step_count=40, deadline=None)
class AnySequenceOfChanges(stateful.RuleBasedStateMachine):
    """After any sequence of changes the matcher equals a naive recomputation from scratch."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher = matching.Matcher(denied_namespaces=["kube-system"])
        self.rules: dict[str, matching.Rule] = {}
        self.pods: dict[str, Pod] = {}

    @stateful.rule(strategy_id=strategy_ids, rule=rules)
    def set_rule(self, strategy_id: str, rule: matching.Rule) -> None:
        self.rules[strategy_id] = rule
        self.matcher.set_rule(strategy_id, rule)

    @stateful.rule(strategy_id=strategy_ids)
    def remove_rule(self, strategy_id: str) -> None:
        self.rules.pop(strategy_id, None)
        self.matcher.remove_rule(strategy_id)

    @stateful.rule(uid=uids, namespace=st.sampled_from(NAMESPACES), labels=labels, finished=st.booleans())
    def set_pod(self, uid: str, namespace: str, labels: dict[str, str], finished: bool) -> None:  # noqa: FBT001 - drawn
        self.pods[uid] = Pod(uid=uid, name=uid, namespace=namespace, labels=labels, finished=finished)
        self.matcher.set_pod(self.pods[uid])

    @stateful.rule(uid=uids)
    def remove_pod(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self.matcher.remove_pod(uid)

    @stateful.rule()
    def refile(self) -> None:
        self.matcher.refile()

    @stateful.rule(rule=rules)
    def select(self, rule: matching.Rule) -> None:
        assert self.matcher.select(rule) == {uid for uid, pod in self.pods.items() if selects(rule, pod)}

    @stateful.invariant()
    def equals_a_look_at_everything(self) -> None:
        for strategy_id, rule in self.rules.items():
            assert self.matcher.pods_of(strategy_id) == {uid for uid, pod in self.pods.items() if selects(rule, pod)}
        for uid, pod in self.pods.items():
            assert self.matcher.strategies_of(uid) == {one for one, rule in self.rules.items() if selects(rule, pod)}

    def teardown(self) -> None:
        for strategy_id in self.rules:
            self.matcher.remove_rule(strategy_id)
        for uid in self.pods:
            self.matcher.remove_pod(uid)
        kept = {name: value for name, value in vars(self.matcher).items() if name != "_denied"}
        assert not any(kept.values()), "nothing is left of what is gone"


TestAnySequenceOfChanges = AnySequenceOfChanges.TestCase


@pytest.mark.parametrize(
    ("selectors", "labels", "selected"),
    [
        ([("app", "nginx")], {"app": "nginx"}, True),
        ([("app", "nginx")], {}, False),
        ([("app", "nginx")], {"app": "Nginx"}, False),
        ([("app", "nginx")], {"app": ""}, False),
        ([("app", "")], {"app": ""}, True),
        ([("app", "")], {"app": "anything"}, True),
        ([("app", "")], {"application": "nginx"}, False),
        ([("app", "nginx"), ("tier", "web")], {"app": "nginx", "tier": "web", "more": "x"}, True),
        ([("app", "nginx"), ("tier", "web")], {"app": "nginx"}, False),
        ([("app", "nginx"), ("app", "apache")], {"app": "nginx"}, False),
        ([("app", "nginx"), ("app", "")], {"app": "nginx"}, True),
        ([("app.kubernetes.io/name", "a_b.c-d")], {"app.kubernetes.io/name": "a_b.c-d"}, True),
        ([("prod", "")], {"app": "nginx"}, False),
        ([], {}, True),
    ],
)
def test_labels(selectors: list[tuple[str, str]], labels: dict[str, str], selected: bool) -> None:  # noqa: FBT001 - a case
    matcher = matching.Matcher()
    matcher.set_rule(
        "one", matching.Rule(selectors=tuple(LabelSelector(key=key, value=value) for key, value in selectors))
    )
    matcher.set_pod(Pod(uid="uid", name="pod", namespace="prod", labels=labels))
    assert ("uid" in matcher.pods_of("one")) is selected


def test_a_namespace_is_no_label() -> None:
    matcher = matching.Matcher()
    matcher.set_rule("one", matching.Rule(namespaces=frozenset(["prod"])))
    matcher.set_pod(Pod(uid="uid", name="pod", namespace="dev", labels={"": "prod", "prod": ""}))
    assert not matcher.pods_of("one")


def test_a_pod_that_finishes_is_no_longer_selected() -> None:
    matcher = matching.Matcher()
    matcher.set_rule("one", matching.Rule())
    pod = Pod(uid="uid", name="pod", namespace="prod")
    matcher.set_pod(pod)
    assert matcher.strategies_of("uid") == {"one"}
    matcher.set_pod(dataclasses.replace(pod, finished=True))
    assert not matcher.pods_of("one")
    assert not matcher.strategies_of("uid")
