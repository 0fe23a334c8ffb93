"""What a strategy must be beyond what its schema says."""

import datetime
from collections.abc import Iterator

from gthulhu.common import errors
from gthulhu.manager.domain import expressions, strategy


def check(
    value: strategy.Strategy,
    *,
    now: datetime.datetime,
    before: strategy.Strategy | None = None,
    prefix: str = "",
) -> None:
    """Raise `InvalidInputError` where a strategy cannot be stored, naming every field at fault.

    Args:
        value: Complete with defaults.
        now: What `expiresAt` must lie after, unless it stays as it is.
        before: What the strategy replaces.
        prefix: Goes before the JSON names of fields, for example `strategy.`.
    """
    violations = [
        errors.FieldViolation(prefix + field, description)
        for field, description in _violations(value, now=now, old_expiry=before.expires_at if before else None)
    ]
    if violations:
        message = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise errors.InvalidInputError("INVALID_ARGUMENT", message, fields=violations)


def _violations(
    value: strategy.Strategy, *, now: datetime.datetime, old_expiry: datetime.datetime | None
) -> Iterator[tuple[str, str]]:
    if not value.selectors and not value.all_pods:
        yield "labelSelectors", "is empty; give at least one label, or allPods: true for every pod of the namespaces"
    if value.selectors and value.all_pods:
        yield "allPods", "is true, and labelSelectors is not empty; give one of both"
    fault = expressions.fault(value.command_regex)
    if fault:
        yield "commandRegex", f'"{value.command_regex}" is no RE2 expression: {fault}'
    if value.expires_at is not None and value.expires_at != old_expiry and value.expires_at <= now:
        yield "expiresAt", f"{value.expires_at.isoformat()} is not in the future (now {now.isoformat()})"
