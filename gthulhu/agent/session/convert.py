"""Between the session's messages and what the agent works with."""

import datetime

from gthulhu.agent import held as helds
from gthulhu.agent import reconciler as reconcilers
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.enforcement import base as enforcement
from gthulhu.v1 import session_pb2


def intent(message: session_pb2.Intent) -> intents.Intent:
    """Return an intent as the agent holds it."""
    return intents.Intent(
        id=message.id,
        version=message.version,
        strategy_id=message.strategy_id,
        strategy_created_at=message.strategy_create_time.ToDatetime(tzinfo=datetime.UTC),
        pod_uid=message.pod_uid,
        pod_name=message.pod_name,
        namespace=message.namespace,
        labels=dict(message.labels),
        command_regex=message.command_regex,
        priority=message.priority,
        execution_time_ns=message.execution_time,
    )


def revisions(message: session_pb2.Revisions) -> helds.Revisions:
    """Return what a set was computed from."""
    return helds.Revisions(store=message.store, inventory=message.inventory, inventory_source=message.inventory_source)


def capabilities(of: enforcement.Capabilities) -> session_pb2.StreamIntentsRequest.Capabilities:
    """Return what the enforcer is and can, for the hello."""
    return session_pb2.StreamIntentsRequest.Capabilities(
        enforcer=of.enforcer,
        reason=of.reason,
        levers=of.levers,
        min_slice=of.min_slice_ns,
        max_slice=of.max_slice_ns,
    )


def applied(of: reconcilers.Outcome) -> session_pb2.StreamIntentsRequest.Applied.Intent:
    """Return what has become of one intent."""
    return session_pb2.StreamIntentsRequest.Applied.Intent(
        intent_id=of.outcome.intent_id,
        version=of.version,
        processes=of.outcome.processes,
        threads=of.outcome.threads,
        superseded_by=of.outcome.superseded_by,
        limits=sorted(of.limits),
        failure=of.failure,
    )
