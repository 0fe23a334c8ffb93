"""How far intents and nodes have come: derived when read, from what the agent's session and its reports say."""

import dataclasses
import datetime
import enum

from gthulhu.manager.domain import intent

NODE_NOT_ASSIGNED = "NODE_NOT_ASSIGNED"
"""The pod has no node yet."""
AGENT_DISCONNECTED = "AGENT_DISCONNECTED"
"""The node's agent has no live session. What it has accepted before stays in force there."""
NO_MATCHING_PROCESS = "NO_MATCHING_PROCESS"
"""In force, but no process of the pod matches now."""

STALE_AFTER = datetime.timedelta(seconds=5)


class NodeState(enum.StrEnum):
    """How far a node's agent is."""

    SYNCED = "SYNCED"
    SYNCING = "SYNCING"
    STALE = "STALE"
    DISCONNECTED = "DISCONNECTED"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A node's session, as far as states depend on it."""

    connected: bool = False
    """It has a lease that is not over."""
    behind_since: datetime.datetime | None = None
    """Since when something that is wanted has not been acknowledged; None where all has."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far one intent has come."""

    state: intent.IntentState
    reason: str = ""
    report: intent.Report | None = None
    """What the agent has said of this very version; None: nothing yet."""


def of(value: intent.Intent, *, link: Link, report: intent.Report | None) -> Standing:
    """Return how far an intent has come.

    Args:
        value: The intent as it is wanted.
        link: Its node's session.
        report: What an agent has last said of the intent, of whatever version and node.
    """
    if not value.node:
        return Standing(state=intent.IntentState.PENDING, reason=NODE_NOT_ASSIGNED)
    if not link.connected:
        return Standing(state=intent.IntentState.PENDING, reason=AGENT_DISCONNECTED)
    if report is None or (report.version, report.node) != (value.version, value.node):
        return Standing(state=intent.IntentState.SENT if link.behind_since else intent.IntentState.PENDING)
    if report.failure:
        return Standing(state=intent.IntentState.FAILED, reason=report.failure, report=report)
    if report.superseded_by:
        return Standing(state=intent.IntentState.SUPERSEDED, report=report)
    reason = "" if report.processes else NO_MATCHING_PROCESS
    return Standing(state=intent.IntentState.APPLIED, reason=reason, report=report)


def of_node(link: Link, *, now: datetime.datetime) -> NodeState:
    """Return how far a node's agent is."""
    if not link.connected:
        return NodeState.DISCONNECTED
    if link.behind_since is None:
        return NodeState.SYNCED
    return NodeState.STALE if now - link.behind_since > STALE_AFTER else NodeState.SYNCING
