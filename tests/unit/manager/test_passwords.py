"""What a password must be, and how guessing is slowed down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gthulhu.common import errors
from gthulhu.manager.domain import passwords

COMMON = frozenset({"password", "letmein", "correcthorsebatterystaple", "1q2w3e4r5t6y"})


def check(password: str) -> None:
    passwords.check(password, field="newPassword", username="gregory.house", common=COMMON)


@pytest.mark.parametrize(
    "password",
    ["brave-badgers-dig-deep", "tnq8Zk2v!wLp", "пять зелёных яблок", "correct horse", "gregory.house's long cane"],
)
def test_good_passwords(password: str) -> None:
    check(password)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("tnq8Zk2v!wL", "11 characters; at least 12"),
        ("abababababab", "different characters"),
        ("password2024", "tried first"),
        ("!!PassWord!!", "tried first"),
        ("letmeinletmein", "tried first"),
        ("CorrectHorseBatteryStaple", "tried first"),
        ("1q2w3e4r5t6y", "tried first"),
        ("Gregory.House1", "user's name"),
        ("\N{LATIN SMALL LIGATURE FFI}" * 4, "different characters"),
    ],
)
def test_bad_passwords_and_why(password: str, why: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=why) as raised:
        check(password)
    assert raised.value.reason == "PASSWORD_TOO_WEAK"
    assert raised.value.fields[0].field == "newPassword"
    assert password not in raised.value.message


@given(st.text(max_size=64))
def test_any_text_is_either_taken_or_refused(password: str) -> None:
    try:
        check(password)
    except errors.InvalidInputError:
        return
    assert len(passwords.normalize(password)) >= passwords.SHORTEST


def test_locks_begin_at_the_limit_and_double() -> None:
    locks = [passwords.lock_seconds(failures, allowed=5) for failures in (0, 4, 5, 6, 7, 8, 9, 10, 11, 10_000)]
    assert locks == [0, 0, 30, 60, 120, 240, 480, 900, 900, 900]


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_more_failures_never_lock_for_less_and_never_for_more_than_a_quarter_of_an_hour(
    failures: int, allowed: int
) -> None:
    now, then = (passwords.lock_seconds(count, allowed=allowed) for count in (failures, failures + 1))
    assert 0 <= now <= then <= 900
