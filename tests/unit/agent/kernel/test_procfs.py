"""The formats of /proc, with everything that a process may put into them."""

import os
import pathlib
import threading
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st

from gthulhu.agent.kernel import hierarchy, procfs
from gthulhu.common import errors


@hypothesis.given(st.binary(min_size=0, max_size=15).filter(lambda raw: b"\0" not in raw))
def test_any_comm_is_read_and_the_fields_after_it_are_right(comm: bytes) -> None:
    raw = b"42 (" + comm + b") S 7 " + b" ".join(b"%d" % field for field in range(5, 22)) + b" 12345 0 0\n"
    stat = procfs.parse_stat(raw)
    assert (stat.state, stat.ppid, stat.start_time) == ("S", 7, 12345)
    assert stat.comm == procfs.text(comm)
    assert stat.comm.isprintable() or not stat.comm.isascii()


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"nginx", "nginx"), (b"a b)(", "a b)("), (b"\xff\n", "\\xff\\x0a"), ("grün".encode(), "grün"), (b"", "")],
)
def test_odd_bytes_are_escaped(raw: bytes, text: str) -> None:
    assert procfs.text(raw) == text


def test_this_process_reads_itself() -> None:
    assert procfs.stat("/proc", os.getpid()).ppid == os.getppid()
    assert "pytest" in procfs.command("/proc", os.getpid())
    assert threading.get_native_id() in procfs.threads("/proc", os.getpid())


@pytest.mark.parametrize("read", [procfs.stat, procfs.command, procfs.threads])
def test_a_process_that_has_ended_is_said_so(read: Callable[[str, int], object]) -> None:
    with pytest.raises(ProcessLookupError):
        read("/proc", 2**22 + 1)


def test_a_long_command_line_is_cut(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cmdline").write_bytes(b"a\0" * 10_000)
    assert procfs.command(str(tmp_path), 1) == ("a " * 10_000)[: procfs.COMMAND_LIMIT]


@pytest.mark.parametrize(
    ("version", "lines", "expected"),
    [
        (1, "4:cpu,cpuacct:/kubepods/x\n3:cpuset:/y\n0::/z\n", "/kubepods/x"),
        (1, "4:cpuset:/kubepods/x\n1:name=systemd:/y\n", ""),
        (2, "4:cpu:/a\n0::/kubepods:with:colons\n", "/kubepods:with:colons"),
    ],
)
def test_the_cgroup_of_the_cpu_controller(tmp_path: pathlib.Path, version: int, lines: str, expected: str) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cgroup").write_text(lines)
    assert procfs.cgroup(str(tmp_path), 1, version=version) == expected


def made(root: pathlib.Path, *files: str) -> pathlib.Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("cpu memory" if name.endswith("controllers") else "")
    return root


def test_the_unified_hierarchy_is_taken_where_it_has_the_controller(tmp_path: pathlib.Path) -> None:
    found = hierarchy.find(made(tmp_path, "cgroup.controllers", "cgroup.procs"))
    assert (found.version, found.root, found.weight_file) == (2, tmp_path, "cpu.weight")


@pytest.mark.parametrize("name", ["cpu", "cpu,cpuacct"])
def test_else_the_older_one(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("hugetlb\n")
    found = hierarchy.find(made(tmp_path, f"{name}/cgroup.procs"))
    assert (found.version, found.root, found.weight_file) == (1, tmp_path / name, "cpu.shares")


def test_without_either_it_says_where_it_looked(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.PreconditionError, match=str(tmp_path)):
        hierarchy.find(tmp_path)
