"""What a password must be, and how long guessing is stopped."""

import re
import unicodedata
from collections.abc import Collection

from gthulhu.common import errors

SHORTEST = 12
"""Characters, after normalization."""
LONGEST_LOCK = 15 * 60.0
"""Seconds: a lock that anybody can cause must not shut the rightful owner out for long."""

_FIRST_LOCK = 30.0
_DIFFERENT = 5
_REPEATED = re.compile(r"(.+?)\1+", re.DOTALL)


def normalize(password: str) -> str:
    """Return the form that is hashed: the same however a keyboard composes it (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, *, field: str, username: str, common: Collection[str]) -> None:
    """Raise `InvalidInputError` for a password that is too easy to guess; its message never holds the password.

    Args:
        password: As it was typed.
        field: Its name in the request.
        username: The user's, which must not be a part of it.
        common: Passwords and words, in lower case, that guessers try first; decorating one of them with digits and
            signs at its ends, or repeating it, does not make it uncommon.
    """
    plain = normalize(password)
    if len(plain) < SHORTEST:
        raise _refused(field, f"has {len(plain)} characters; at least {SHORTEST} are needed")
    folded = plain.casefold()
    if len(set(folded)) < _DIFFERENT:
        raise _refused(field, f"has fewer than {_DIFFERENT} different characters")
    if username and username.casefold() in folded and len(folded) - len(username) < SHORTEST:
        raise _refused(field, "is mostly the user's name")
    core = folded.strip("0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    if any(_unit(form) in common for form in (folded, core)):
        raise _refused(field, "is one of the passwords that are tried first")


def lock_seconds(failures: int, *, allowed: int) -> float:
    """Return for how long to refuse after so many failures in a row: 0 below `allowed`, then 30 s, doubling."""
    if failures < allowed:
        return 0.0
    doublings = min(failures - allowed, 16)
    return min(LONGEST_LOCK, _FIRST_LOCK * 2.0**doublings)


def _unit(text: str) -> str:
    repeated = _REPEATED.fullmatch(text)
    return repeated[1] if repeated else text


def _refused(field: str, why: str) -> errors.InvalidInputError:
    return errors.InvalidInputError("PASSWORD_TOO_WEAK", f"{field} {why}", fields=[errors.FieldViolation(field, why)])
