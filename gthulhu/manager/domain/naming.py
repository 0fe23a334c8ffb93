"""Ids and names of strategies that come without."""

import re
import uuid

from gthulhu.manager.domain import strategy

_LONGEST_STEM = 40
_SUFFIX_DIGITS = 6


def new_id() -> str:
    """Return an id: 32 hexadecimal digits, random."""
    return uuid.uuid4().hex


def name_for(value: strategy.Strategy) -> str:
    """Return a name for a strategy without one: what it selects, and something of its id, `nginx-5f1c3a`."""
    selector = value.selectors[0] if value.selectors else strategy.LabelSelector(key="all-pods")
    text = (selector.value or selector.key.rpartition("/")[2]).lower()
    stem = re.sub(r"[^a-z0-9]+", "-", text)[:_LONGEST_STEM].strip("-")
    return f"{stem or 'strategy'}-{value.id[:_SUFFIX_DIGITS]}"
