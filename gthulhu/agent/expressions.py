"""Users' regular expressions, in linear time: RE2, because agents run user input as root."""

import functools

import re2

from gthulhu.agent.domain import process as processes

CACHED = 4096
"""Expressions that are kept compiled; a strategy has one, whatever the number of its pods."""


@functools.lru_cache(maxsize=CACHED)
def _compiled(expression: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options=options)


def matches(expression: str, process: processes.Process) -> bool:
    """Tell whether an expression is found (unanchored) in a process's comm or command line.

    One that does not compile matches nothing: managers refuse it, and a fault of one intent must not hurt the others.
    """
    try:
        found = _compiled(expression)
    except re2.error:
        return False
    return bool(found.search(process.comm) or found.search(process.command))


def fault(expression: str) -> str:
    """Return why an expression cannot be used, in RE2's words; empty where it can."""
    try:
        _compiled(expression)
    except re2.error as error:
        return bytes(error.args[0]).decode(errors="replace")
    return ""
