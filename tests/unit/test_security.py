"""The page on security leaves no requirement out, and names tests that there are."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "security.md").read_text()

SECTIONS = {
    "6": (3, 12, 8, 6, 8, 4, 2, 4),
    "7": (3, 4, 2, 5, 3, 2),
    "9": (3, 4),
    "16": (1, 5, 4, 3, 4),
}
"""How many requirements each section of a chapter of OWASP ASVS 5.0.0 has."""


def rows() -> list[tuple[list[str], str, str]]:
    """Return the requirements, what is said of them, and what shows it, of each row of the table."""
    table = PAGE.partition("## OWASP ASVS 5.0")[2]
    found = re.findall(r"^\| ([\d., ]+)[^|]*\| ([^|]*?) \| ([^|]*?) ?\|$", table, re.MULTILINE)
    return [(re.findall(r"\d+\.\d+\.\d+", numbers), met, shown) for numbers, met, shown in found]


def test_every_requirement_is_answered_once() -> None:
    answered = [number for numbers, _, _ in rows() for number in numbers]
    wanted = {
        f"{chapter}.{section}.{number}"
        for chapter, counts in SECTIONS.items()
        for section, count in enumerate(counts, start=1)
        for number in range(1, count + 1)
    }
    assert len(answered) == len(set(answered))
    assert wanted - set(answered) == set()
    assert {number for number in set(answered) - wanted if not number.startswith(("8.", "12."))} == set()


def test_what_counts_as_met_is_shown() -> None:
    assert [numbers for numbers, met, shown in rows() if met.startswith(("yes", "in part")) and not shown] == []


def test_the_tests_are_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^ *(async )?def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE)
    ]
    assert len(named) > 40
    assert missing == []
