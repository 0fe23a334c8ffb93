"""`gthulhu up` from the first start to Ctrl-C."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest

from gthulhu.cli.local import rest, system

SECONDS = 30


@contextlib.contextmanager
def up(state: pathlib.Path, listen: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a system; yields its process and what it said when it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gthulhu", "up", "-d", str(state), "--listen", listen, *arguments],
        env={**os.environ, "GTHULHU_E2E": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        yield process, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def running(state: pathlib.Path) -> list[str]:
    """Return the processes that belong to a run."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"GTHULHU_E2E={state}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [command for command in found if command]


@pytest.fixture
def state() -> Iterator[pathlib.Path]:
    """Return a folder whose path is short: unix sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="gthulhu-e2e-") as name:
        yield pathlib.Path(name)


def test_from_the_first_start_to_the_second(state: pathlib.Path) -> None:
    listen = f"127.0.0.1:{system.free_ports(1)[0]}"
    api = rest.Api(f"http://{listen}")
    with up(state, listen, "--nodes", "3") as (process, said):
        password = re.search(r"password \(shown only now\): (\S+)", said)
        assert password, said
        api.login(username="admin", password=password[1])
        # The password is for one use: nothing but changing it is possible.
        with pytest.raises(rest.RestError, match="PASSWORD_CHANGE_REQUIRED"):
            api.call("GET", "/api/v1/nodes")
        change = {"oldPassword": password[1], "newPassword": "a-password-of-my-own"}
        api.call("PUT", "/api/v1/users/self/password", change)
        api.login(username="admin", password="a-password-of-my-own")
        nodes = api.call("GET", "/api/v1/nodes")["nodes"]
        assert [node["name"] for node in nodes if node["name"].startswith("simulated-")] == [
            "simulated-1",
            "simulated-2",
        ]
        assert len(nodes) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert running(state) == []

    with up(state, listen) as (process, said):
        assert "password" not in said
        api.login(username="admin", password="a-password-of-my-own")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert running(state) == []


def test_killed_it_takes_its_parts_with_it(state: pathlib.Path) -> None:
    listen = f"127.0.0.1:{system.free_ports(1)[0]}"
    with up(state, listen) as (process, _):
        assert len(running(state)) >= 4
        process.kill()
        process.wait()
        deadline = time.monotonic() + SECONDS
        while running(state):
            assert time.monotonic() < deadline, running(state)
            time.sleep(0.05)
