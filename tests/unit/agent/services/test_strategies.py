"""The bytes that schedulers poll."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from gthulhu.agent import reconciler
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import base as enforcing
from gthulhu.agent.services import strategies
from tests.unit.agent.domain.test_table import a_decision
from tests.unit.agent.test_held import an_intent
from tests.unit.common.clocks import START


class View:
    """Decisions that a test sets."""

    def __init__(self, *pids: int, **intent: object) -> None:
        self.generation = 1
        self.asked = 0
        self.pids = pids
        self._intent = an_intent("i", **intent)

    def intents(self) -> Mapping[str, intents.Intent]:
        return {"i": self._intent}

    def decisions(self) -> Sequence[reconciler.Enforced]:
        self.asked += 1
        return [
            reconciler.Enforced(
                decision=a_decision(pid),
                process=processes.Process(key=processes.ProcessKey(pid, 1), comm="x", container_id="c", threads=(pid,)),
                effect=enforcing.Effect(),
                share=None,
            )
            for pid in self.pids
        ]


def answer(table: strategies.Strategies) -> dict[str, Any]:
    content = json.loads(table.body(now=START))
    assert isinstance(content, dict)
    return content


def test_an_empty_table_is_an_empty_list() -> None:
    table = strategies.Strategies(view=View(), default_slice_ns=5)
    assert answer(table)["scheduling"] == []
    assert answer(table)["timestamp"] == "2026-01-02T03:04:05Z"


def test_the_bytes_are_made_once_for_each_change() -> None:
    view = View(1, 2)
    table = strategies.Strategies(view=view, default_slice_ns=5)
    for _ in range(3):
        assert [one["pid"] for one in answer(table)["scheduling"]] == [1, 2]
    assert view.asked == 1
    view.pids, view.generation = (2, 3), 2
    assert [one["pid"] for one in answer(table)["scheduling"]] == [2, 3]
    assert (view.asked, table.omitted) == (2, 0)


@hypothesis.given(labels=st.dictionaries(st.text(), st.text(), max_size=4), regex=st.text(max_size=20))
def test_whatever_labels_and_expressions_hold_the_answer_is_json(labels: dict[str, str], regex: str) -> None:
    table = strategies.Strategies(view=View(1, labels=labels, command_regex=regex), default_slice_ns=5)
    (element,) = answer(table)["scheduling"]
    assert element == {
        "priority": 3,
        "execution_time": 1_000_000,
        "pid": 1,
        "selectors": [{"key": key, "value": labels[key]} for key in sorted(labels)],
        "command_regex": regex,
    }
