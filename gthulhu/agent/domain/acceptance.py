"""What an agent takes, and why not: the manager has checked it all, but the agent runs as root and looks for itself."""

import re2

from gthulhu.agent.domain import intent as intents
from gthulhu.common import priority as priorities

MIN_SLICE_NS = 100_000
MAX_SLICE_NS = 1_000_000_000
MAX_REGEX = 1024
"""Characters."""


def fault(intent: intents.Intent) -> str:
    """Return why an intent cannot be taken, naming field, value and what is allowed; empty where it can."""
    for field, value in (("id", intent.id), ("version", intent.version), ("podUid", intent.pod_uid)):
        if not value:
            return f"{field} must not be empty"
    if not priorities.STRONGEST <= intent.priority <= priorities.WEAKEST:
        return f"priority {intent.priority} must be {priorities.STRONGEST} to {priorities.WEAKEST}"
    if intent.execution_time_ns and not MIN_SLICE_NS <= intent.execution_time_ns <= MAX_SLICE_NS:
        return f"executionTime {intent.execution_time_ns} must be 0 or {MIN_SLICE_NS} to {MAX_SLICE_NS} nanoseconds"
    return _fault_of_regex(intent.command_regex)


def _fault_of_regex(regex: str) -> str:
    if len(regex) > MAX_REGEX:
        return f"commandRegex has {len(regex)} characters, {MAX_REGEX} are allowed"
    options = re2.Options()
    options.log_errors = False  # else the library writes to stderr, past our log
    try:
        re2.compile(regex, options)
    except re2.error as error:
        text = error.args[0] if error.args else error
        reason = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return f"commandRegex {regex!r} is not a regular expression (RE2 syntax): {reason}"
    return ""
