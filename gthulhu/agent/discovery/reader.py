"""Processes from /proc, with what seldom changes about them read once per exec."""

from gthulhu.agent.domain import process as processes
from gthulhu.agent.kernel import procfs


class Reader:
    """Reads processes; one thread at a time may `read`, any may `changed`."""

    def __init__(self, *, proc_root: str) -> None:
        """Take the folder that procfs is mounted on."""
        self._proc = proc_root
        self._commands: dict[int, tuple[processes.ProcessKey, str, str]] = {}

    def read(self, pid: int, *, container_id: str, alone: bool) -> processes.Process | None:
        """Return a process as it is now; None where it has ended.

        Args:
            pid: The process.
            container_id: The container that it is in.
            alone: Whether it is the only process there, as a sandbox's pause process is.
        """
        try:
            stat = procfs.stat(self._proc, pid)
            threads = procfs.threads(self._proc, pid)
            key = processes.ProcessKey(pid, stat.start_time)
            known = self._commands.get(pid)
            if known is None or known[:2] != (key, stat.comm):
                known = self._commands[pid] = (key, stat.comm, procfs.command(self._proc, pid))
        except ProcessLookupError:
            self.changed(pid)
            return None
        if stat.state in "ZX" and len(threads) <= 1:
            return None
        return processes.Process(
            key=key,
            ppid=stat.ppid,
            comm=stat.comm,
            command=known[2],
            container_id=container_id,
            threads=threads,
            is_pause=alone and is_pause(comm=stat.comm, command=known[2]),
        )

    def changed(self, pid: int) -> None:
        """Forget what is remembered of a process: it has ended, or runs another program now."""
        self._commands.pop(pid, None)

    def forget_all(self) -> None:
        """Forget everything: for when an exec may have been missed."""
        self._commands.clear()


def is_pause(*, comm: str, command: str) -> bool:
    """Tell whether a process that is alone in its container is a sandbox's pause process: by what it is called."""
    program = command.partition(" ")[0]
    return comm == "pause" and program.rpartition("/")[2] == "pause"
