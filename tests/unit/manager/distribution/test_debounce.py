"""When a burst of changes is over."""

from gthulhu.manager.distribution import debounce


def test_nothing_changed_is_never_due() -> None:
    assert debounce.Debounce(quiet=0.05, longest=0.5).due is None


def test_one_change_is_due_after_the_quiet() -> None:
    burst = debounce.Debounce(quiet=0.05, longest=0.5)
    burst.touch(10.0)
    assert burst.due == 10.05


def test_each_further_change_postpones_it() -> None:
    burst = debounce.Debounce(quiet=0.05, longest=0.5)
    burst.touch(10.0)
    burst.touch(10.04)
    assert burst.due == 10.04 + 0.05


def test_but_not_beyond_the_limit_of_the_first() -> None:
    burst = debounce.Debounce(quiet=0.05, longest=0.5)
    for step in range(100):
        burst.touch(10.0 + step * 0.04)
    assert burst.due == 10.5


def test_after_a_look_it_begins_anew() -> None:
    burst = debounce.Debounce(quiet=0.05, longest=0.5)
    burst.touch(10.0)
    burst.clear()
    assert burst.due is None
    burst.touch(20.0)
    assert burst.due == 20.05
