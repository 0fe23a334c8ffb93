"""Child processes: started, watched, stopped, and never left behind."""

import os
import pathlib
import signal
import time

import pytest

from gthulhu.cli.local import children as processes


def alive(pid: int) -> bool:
    return pathlib.Path("/proc", str(pid)).exists()


def test_a_part_that_ends_by_itself_is_noticed_with_the_end_of_its_log(tmp_path: pathlib.Path) -> None:
    with processes.Children(logs=tmp_path) as children:
        children.start("agent", ["no-such-command"])
        with pytest.raises(processes.ChildError, match=r"(?s)agent ended with code 2.*no-such-command"):
            children.await_ready(lambda: False, what="never ready", seconds=10)


def test_what_does_not_happen_in_time_is_named(tmp_path: pathlib.Path) -> None:
    with (
        processes.Children(logs=tmp_path) as children,
        pytest.raises(processes.ChildError, match="the moon did not rise after 0 s"),
    ):
        children.await_ready(lambda: False, what="the moon did not rise", seconds=0)


def test_leaving_the_block_stops_everything(tmp_path: pathlib.Path) -> None:
    with processes.Children(logs=tmp_path) as children:
        child = children.start("gateway", ["gateway", "run", "-d", str(tmp_path)])
        assert alive(child.process.pid)
    assert not alive(child.process.pid)


def interrupted(cleaned: list[str]) -> None:
    """Be interrupted, and interrupted again while cleaning up."""
    with processes.interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append("up")


def test_a_signal_interrupts_once_and_cleaning_up_is_left_in_peace() -> None:
    before, cleaned = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(KeyboardInterrupt):
        interrupted(cleaned)
    assert cleaned == ["up"]
    assert signal.getsignal(signal.SIGTERM) is before
