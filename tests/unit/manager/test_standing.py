"""How far intents and nodes have come, from sessions and reports."""

import datetime

import pytest

from gthulhu.manager.domain import intent, standing
from gthulhu.manager.domain.intent import IntentState
from gthulhu.manager.domain.standing import NodeState

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
LIVE = standing.Link(connected=True)
BEHIND = standing.Link(connected=True, behind_since=NOW)
GONE = standing.Link()


def wanted(node: str = "a") -> intent.Intent:
    return intent.Intent(
        id="i",
        version="2",
        strategy_id="s",
        strategy_created_at=NOW,
        pod_uid="u",
        pod_name="p",
        namespace="prod",
        node=node,
        labels={},
        command_regex="",
        priority=3,
        execution_time_ns=0,
    )


def report(**fields: object) -> intent.Report:
    return intent.Report(**({"intent_id": "i", "version": "2", "node": "a", "reported_at": NOW} | fields))


@pytest.mark.parametrize(
    ("node", "link", "its_report", "state", "reason"),
    [
        ("", LIVE, None, IntentState.PENDING, "NODE_NOT_ASSIGNED"),
        ("a", GONE, None, IntentState.PENDING, "AGENT_DISCONNECTED"),
        ("a", GONE, report(processes=1), IntentState.PENDING, "AGENT_DISCONNECTED"),
        ("a", LIVE, None, IntentState.PENDING, ""),
        ("a", BEHIND, None, IntentState.SENT, ""),
        ("a", BEHIND, report(version="1", processes=1), IntentState.SENT, ""),
        ("a", LIVE, report(node="b", processes=1), IntentState.PENDING, ""),
        ("a", BEHIND, report(processes=1), IntentState.APPLIED, ""),
        ("a", LIVE, report(processes=1), IntentState.APPLIED, ""),
        ("a", LIVE, report(), IntentState.APPLIED, "NO_MATCHING_PROCESS"),
        ("a", LIVE, report(superseded_by="other"), IntentState.SUPERSEDED, ""),
        ("a", LIVE, report(failure="EPERM", superseded_by="other"), IntentState.FAILED, "EPERM"),
    ],
)
def test_an_intent(
    node: str, link: standing.Link, its_report: intent.Report | None, state: IntentState, reason: str
) -> None:
    its = standing.of(wanted(node), link=link, report=its_report)
    assert (its.state, its.reason) == (state, reason)
    assert its.report in {None, its_report}


@pytest.mark.parametrize(
    ("link", "state"),
    [
        (GONE, NodeState.DISCONNECTED),
        (LIVE, NodeState.SYNCED),
        (BEHIND, NodeState.SYNCING),
        (standing.Link(connected=True, behind_since=NOW - datetime.timedelta(seconds=5)), NodeState.SYNCING),
        (standing.Link(connected=True, behind_since=NOW - datetime.timedelta(seconds=5.001)), NodeState.STALE),
    ],
)
def test_a_node(link: standing.Link, state: NodeState) -> None:
    assert standing.of_node(link, now=NOW) is state
