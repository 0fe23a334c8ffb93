"""Single strategies, changed on the command line."""

import pytest

from gthulhu.cli.user import editing
from gthulhu.common import errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20ms", 20_000_000),
        ("500us", 500_000),
        ("500 µs", 500_000),
        ("0.5s", 500_000_000),
        ("0", 0),
        ("1000", 1000),
    ],
)
def test_slices_are_written_with_units(text: str, expected: int) -> None:
    assert editing.nanoseconds(text) == expected


@pytest.mark.parametrize("text", ["", "ms", "-1ms", "20 minutes", "1e3"])
def test_what_is_no_slice_is_named(text: str) -> None:
    with pytest.raises(errors.InvalidInputError, match="is not like 20ms"):
        editing.nanoseconds(text)
