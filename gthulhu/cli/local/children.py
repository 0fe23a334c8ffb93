"""Child processes that never outlive the command that started them."""

import contextlib
import dataclasses
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Self

STOP_SECONDS = 8.0
"""What a part gets to stop in order, before it is killed."""
_POLL_SECONDS = 0.05


class ChildError(Exception):
    """A part did not start, did not become ready, or ended by itself; the message holds the end of its log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Child:
    """A running part."""

    name: str
    process: subprocess.Popen[bytes]
    log: pathlib.Path

    def tail(self, lines: int = 12) -> str:
        """Return the end of its log, indented."""
        return "\n".join(f"    {line}" for line in self.log.read_text(errors="replace").splitlines()[-lines:])


class Children:
    """Runs parts of the system, each with a log file; a context manager that stops them, the last first."""

    def __init__(self, *, logs: pathlib.Path) -> None:
        """Take the folder for the logs."""
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        """Make the folder."""
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is running."""
        for child in reversed(self._children):
            self.stop(child)

    def start(self, name: str, arguments: Sequence[str]) -> Child:
        """Run `gthulhu ARGUMENTS`: in a session of its own, so that Ctrl-C reaches only us, and tied to our life.

        What it logs goes to NAME.log, what it prints to NAME.out; each is appended to: a restarted part's story is one.
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as sink, self.printed(name).open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "gthulhu", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=sink,
                start_new_session=True,
                env={**os.environ, FOLLOW: str(os.getpid())},
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def printed(self, name: str) -> pathlib.Path:
        """Return the file that holds what a part has printed."""
        return self._logs / f"{name}.out"

    def stop(self, child: Child) -> None:
        """Ask a part to stop, and kill it (with whatever it started) where it does not."""
        if child.process.poll() is None:
            child.process.terminate()
        try:
            child.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        if child in self._children:
            self._children.remove(child)

    def check(self) -> None:
        """Raise where a part has ended by itself."""
        for child in self._children:
            if child.process.poll() is not None:
                raise ChildError(f"{child.name} ended with code {child.process.returncode}:\n{child.tail()}")

    def await_ready(
        self, ready: Callable[[], bool], *, what: str, seconds: float, interval: float = _POLL_SECONDS
    ) -> None:
        """Return as soon as a condition holds; raise where it does not in time, or a part ends meanwhile."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(f"  {child.name}:\n{child.tail()}" for child in self._children)
                raise ChildError(f"{what} after {seconds:.0f} s:\n{tails}")
            time.sleep(interval)

    def wait(self) -> None:
        """Return when the first part ends."""
        poller = select.poll()
        with contextlib.ExitStack() as stack:
            for child in self._children:
                descriptor = os.pidfd_open(child.process.pid)
                stack.callback(os.close, descriptor)
                poller.register(descriptor, select.POLLIN)
            poller.poll()


FOLLOW = "GTHULHU_FOLLOW"
"""Environment variable: the PID of the command that a part belongs to, and ends with."""


def follow_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends, where a parent of ours has asked for that (prctl(2))."""
    parent = os.environ.pop(FOLLOW, "")
    if not parent:
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the command that this belongs to has ended")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that all ways to end a command clean up alike."""

    def interrupt(_number: int, _frame: types.FrameType | None) -> None:
        # Once: a second signal must not interrupt the cleaning up.
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
