"""What a priority means, and which of two wins: the one rule, for manager and agent."""

import datetime

STRONGEST = 0
NEUTRAL = 10
"""What an omitted priority means: the pod keeps the weight that it has."""
WEAKEST = 20

_STEPS_PER_DOUBLING = 2.5


def weight_factor(priority: int) -> float:
    """Return what a priority multiplies a pod's CPU weight by: 3 → 7, 0 → 16, 20 → 1/16."""
    return float(2.0 ** ((NEUTRAL - priority) / _STEPS_PER_DOUBLING))


def precedence(*, priority: int, created_at: datetime.datetime, strategy_id: str) -> tuple[int, datetime.datetime, str]:
    """Return a key by which the winner on a process sorts first: the stronger, then the older, then the smaller id."""
    return priority, created_at, strategy_id
