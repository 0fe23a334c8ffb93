"""Boots a kernel in QEMU with this machine's own root file system, read-only, and runs one command in it.

There is no image to build and nothing to install: the virtual environment and the sources are simply there. QEMU
emulates the processor, because many machines that run tests are virtual themselves; `--kvm` is some ten times faster
where it works.
"""

import argparse
import base64
import contextlib
import dataclasses
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO, cast

import fetch

ROOT = pathlib.Path(__file__).resolve().parents[2]
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
BOOT_ATTEMPTS = 3
BOOT_SECONDS = 60
NEEDS = "the virtual machine needs QEMU and virtiofsd: apt-get install qemu-system-x86"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run in the guest ended."""

    came_up: bool
    exit_code: int | None
    """None: the guest did not get as far as that."""


@contextlib.contextmanager
def shared_root(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Serve this machine's `/` by virtiofs on a socket for as long as the block lasts."""
    program = next((path for path in VIRTIOFSD if pathlib.Path(path).exists()), None)
    if program is None:
        raise fetch.FetchError(NEEDS)
    socket = folder / "root.sock"
    with (folder / "virtiofsd.log").open("wb") as log:
        options = ["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot", "-o", "no_posix_lock"]
        server = subprocess.Popen([program, f"--socket-path={socket}", *options], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 10
            while not socket.exists() and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            yield socket
        finally:
            server.kill()
            server.wait()


# `max` without cx16: plain `max` under emulation crashes guests now and then.
EMULATION = ("-accel", "tcg,thread=single", "-cpu", "max,-cx16")
VIRTUALIZATION = ("-accel", "kvm", "-cpu", "host")


def run(*, kernel: pathlib.Path, libbpf: pathlib.Path, command: str, cpus: int, seconds: float, kvm: bool) -> Outcome:
    """Boot once and run the command, its output going to standard output as it comes."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise fetch.FetchError(NEEDS)
    guest = {
        "gthulhu.folder": ROOT,
        "gthulhu.libbpf": libbpf,
        "gthulhu.command": base64.b64encode(command.encode()).decode(),
        "init": pathlib.Path(__file__).with_name("init.sh"),
    }
    # BPF timers need allocations without locks, which without cx16 only checked caches give.
    line = "console=ttyS0 panic=-1 quiet slab_debug=F,kmalloc-* root=rootfs rootfstype=virtiofs ro " + " ".join(
        f"{key}={value}" for key, value in guest.items()
    )
    with tempfile.TemporaryDirectory() as name, shared_root(pathlib.Path(name)) as socket:
        machine = [
            "-smp", str(cpus), "-m", "2048",
            "-object", "memory-backend-memfd,id=mem,size=2048M,share=on", "-numa", "node,memdev=mem",
            "-chardev", f"socket,id=root,path={socket}",
            "-device", "vhost-user-fs-pci,queue-size=1024,chardev=root,tag=rootfs",
            "-nodefaults", "-nographic", "-serial", "stdio", "-no-reboot",
            "-kernel", str(kernel), "-append", line,
        ]  # fmt: skip
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(seconds), qemu, *(VIRTUALIZATION if kvm else EMULATION), *machine],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return follow(cast("IO[bytes]", process.stdout), process)


def follow(console: IO[bytes], process: subprocess.Popen[bytes]) -> Outcome:
    """Copy the guest's console to standard output until the machine is off; stop one that never comes up."""
    came_up, exit_code, pending = False, None, b""
    started = time.monotonic()
    try:
        while True:
            readable, _, _ = select.select([console], [], [], 1.0)
            if readable:
                received = os.read(console.fileno(), 65536)
                if not received:
                    return Outcome(came_up=came_up, exit_code=exit_code)
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace").rstrip("\r")
                    print(text, flush=True)
                    came_up = came_up or "GUEST-UP" in text
                    if found := re.search(r"GUEST-EXIT (\d+)", text):
                        exit_code = int(found[1])
            if not came_up and time.monotonic() - started > BOOT_SECONDS:
                return Outcome(came_up=False, exit_code=None)
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Run a command in a guest of each series that is asked for; the worst exit code counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", action="append", choices=sorted(fetch.KERNELS), help="default: all")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--kvm", action="store_true")
    parser.add_argument("command")
    options = parser.parse_args()
    worst = 0
    try:
        archive = fetch.Archive(fetch.cache_folder())
        archive.refresh()
        library = fetch.libbpf(archive)
        for series in options.series or sorted(fetch.KERNELS):
            image = fetch.kernel(archive, series)
            for _ in range(BOOT_ATTEMPTS):  # again only where the guest never came up, never for a failed test
                outcome = run(
                    kernel=image,
                    libbpf=library,
                    command=options.command,
                    cpus=options.cpus,
                    seconds=options.seconds,
                    kvm=options.kvm,
                )
                if outcome.came_up:
                    break
            print(f"{image.name}: {'exit ' + str(outcome.exit_code) if outcome.came_up else 'never came up'}")
            worst = max(worst, 1 if outcome.exit_code is None else outcome.exit_code)
    except fetch.FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
