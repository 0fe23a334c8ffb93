"""Users' regular expressions: RE2, with the options that agents use, so that what is stored can be used there."""

import functools

import re2

_CACHED = 4096


@functools.lru_cache(maxsize=_CACHED)
def fault(expression: str) -> str:
    """Return why an expression cannot be used, in RE2's words; empty where it can."""
    try:
        _compile(expression)
    except re2.error as error:
        return bytes(error.args[0]).decode(errors="replace")
    return ""


@functools.lru_cache(maxsize=_CACHED)
def matches_everything(expression: str) -> bool:
    """Tell whether a usable expression says nothing: it is found in the empty text, and in one of no known command."""
    compiled = _compile(expression)
    return bool(compiled.search("") and compiled.search("\x00"))


def _compile(expression: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options=options)
