"""Built trees that stand in for /sys/fs/cgroup and /proc."""

import pathlib

from gthulhu.agent.discovery import connector, node
from gthulhu.agent.kernel import hierarchy as hierarchies


class Machine:
    """A node made of plain files."""

    def __init__(self, folder: pathlib.Path, *, version: int) -> None:
        self.proc = folder / "proc"
        self.cgroups = folder / "cgroup"
        self.root = self.cgroups if version == 2 else self.cgroups / "cpu"
        self.root.mkdir(parents=True)
        self.proc.mkdir()
        if version == 2:
            (self.root / "cgroup.controllers").write_text("cpuset cpu memory\n")
        else:
            (self.root / "cgroup.procs").write_text("")
        self.version = version

    def cgroup(self, path: str, *pids: int) -> pathlib.Path:
        """Make a cgroup with processes."""
        made = self.root / path
        made.mkdir(parents=True, exist_ok=True)
        (made / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        return made

    def process(
        self,
        pid: int,
        *,
        comm: bytes = b"nginx",
        command: bytes = b"nginx\0-g\0daemon off;\0",
        start: int = 100,
        threads: tuple[int, ...] = (),
        state: str = "S",
        ppid: int = 1,
        cgroup: str = "/",
    ) -> None:
        """Make a process."""
        folder = self.proc / str(pid)
        for tid in threads or (pid,):
            (folder / "task" / str(tid)).mkdir(parents=True, exist_ok=True)
        numbers = " ".join(["0"] * 17)
        (folder / "stat").write_bytes(
            b"%d (%s) %s %d %s %d 0 0\n" % (pid, comm, state.encode(), ppid, numbers.encode(), start)
        )
        (folder / "cmdline").write_bytes(command)
        line = f"0::{cgroup}\n" if self.version == 2 else f"3:cpuset:/\n4:cpu,cpuacct:{cgroup}\n0::/\n"
        (folder / "cgroup").write_text(line)

    def discovery(
        self, *, walk_seconds: float = 60.0, events: connector.ProcessEvents | None = None
    ) -> node.NodeDiscovery:
        """Return a discovery of it."""
        return node.NodeDiscovery(
            proc_root=self.proc,
            hierarchy=hierarchies.find(self.cgroups),
            kubepods=("kubepods.slice", "kubepods"),
            walk_seconds=walk_seconds,
            events=events,
        )
