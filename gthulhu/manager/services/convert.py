"""Between the schema's messages and the domain."""

import datetime
from collections.abc import Sequence

from google.protobuf import timestamp_pb2

from gthulhu.common import errors
from gthulhu.common import priority as priorities
from gthulhu.manager.domain import intent as intents
from gthulhu.manager.domain import standing as standings
from gthulhu.manager.domain import strategy as strategies
from gthulhu.v1 import intent_pb2, strategy_pb2


def timestamp(time: datetime.datetime | None) -> timestamp_pb2.Timestamp | None:
    """Return a point in time as a message; None stays absent."""
    if time is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time)
    return message


def time(message: timestamp_pb2.Timestamp, *, field: str) -> datetime.datetime:
    """Return a point in time in whole milliseconds; `InvalidInputError` where no calendar has it."""
    try:
        exact = message.ToDatetime(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        raise errors.InvalidInputError.of_field(field, "must be a time of the years 1 to 9999") from None
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


def written(
    message: strategy_pb2.ScheduleStrategy | strategy_pb2.UpdateStrategyRequest,
    *,
    strategy_id: str,
    creator_id: str,
    creator: str,
    now: datetime.datetime,
    prefix: str = "",
) -> strategies.Strategy:
    """Return what a user wrote, complete with defaults, but for a name: that may be empty.

    Args:
        message: Both messages have the fields that users write under the same names.
        strategy_id: The strategy's id.
        creator_id: The user whose roles bound what it selects.
        creator: That user's name.
        now: When it is written.
        prefix: Goes before the JSON names of fields in errors.
    """
    return strategies.Strategy(
        id=strategy_id,
        name=message.name,
        namespace=message.strategy_namespace or strategies.DEFAULT_NAMESPACE,
        description=message.description,
        selectors=tuple(strategies.LabelSelector(key=one.key, value=one.value) for one in message.label_selectors),
        all_pods=message.all_pods,
        k8s_namespaces=tuple(message.k8s_namespace),
        command_regex=message.command_regex,
        priority=message.priority if message.HasField("priority") else priorities.NEUTRAL,
        execution_time_ns=message.execution_time,
        suspended=message.suspended,
        expires_at=time(message.expires_at, field=f"{prefix}expiresAt") if message.HasField("expires_at") else None,
        creator_id=creator_id,
        creator=creator,
        created_at=now,
        updated_at=now,
    )


def strategy(
    value: strategies.Strategy,
    *,
    state: tuple[strategies.StrategyState, str] | None = None,
    matched_pods: int = 0,
    warnings: Sequence[str] = (),
) -> strategy_pb2.ScheduleStrategy:
    """Return a strategy with what is known of it now."""
    return strategy_pb2.ScheduleStrategy(
        id=value.id,
        name=value.name,
        description=value.description,
        strategy_namespace=value.namespace,
        label_selectors=[strategy_pb2.LabelSelector(key=one.key, value=one.value) for one in value.selectors],
        all_pods=value.all_pods,
        k8s_namespace=value.k8s_namespaces,
        command_regex=value.command_regex,
        priority=value.priority,
        execution_time=value.execution_time_ns,
        suspended=value.suspended,
        expires_at=timestamp(value.expires_at),
        apply_set=value.apply_set,
        creator_id=value.creator_id,
        creator=value.creator,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
        state=state[0].value if state else None,
        state_reason=state[1] if state else "",
        matched_pods=matched_pods,
        warnings=warnings,
    )


def intent(value: intents.Intent, its: standings.Standing) -> intent_pb2.ScheduleIntent:
    """Return an intent and how far it has come."""
    report = its.report
    return intent_pb2.ScheduleIntent(
        id=value.id,
        strategy_id=value.strategy_id,
        pod_name=value.pod_name,
        pod_id=value.pod_uid,
        node_id=value.node,
        k8s_namespace=value.namespace,
        command_regex=value.command_regex,
        priority=value.priority,
        execution_time=value.execution_time_ns,
        pod_labels=value.labels,
        state=its.state.value,
        state_reason=its.reason,
        applied_processes=report.processes if report else 0,
        applied_threads=report.threads if report else 0,
        superseded_by=report.superseded_by if report else "",
        enforcer=report.enforcer if report else "",
        limits=report.limits if report else (),
        update_time=timestamp(report.reported_at) if report else None,
    )


def intent_state(number: int) -> intents.IntentState | None:
    """Return the state that a request filters by; None: any."""
    return intents.IntentState(intent_pb2.ScheduleIntent.State.Name(number)) if number else None
