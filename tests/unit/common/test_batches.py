"""Many things some at a time."""

import pytest

from gthulhu.common import batches


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (1, [(0,)]), (4, [(0, 1), (2, 3)]), (5, [(0, 1), (2, 3), (4,)])]
)
def test_all_come_in_order_and_the_last_time_fewer(count: int, expected: list[tuple[int, ...]]) -> None:
    assert list(batches.of(range(count), size=2)) == expected
