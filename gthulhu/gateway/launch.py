"""Becomes Envoy, tied to the process that started it: `python -m gthulhu.gateway.launch PARENT_PID ENVOY ARGUMENT…`.

A program of its own rather than `preexec_fn`, which runs Python between fork and exec in a process that has gRPC's
threads. What prctl sets survives exec.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h


def main() -> None:
    """Ask the kernel for SIGKILL when the parent ends, and exec."""
    parent, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):
        sys.exit("the process that started this one has ended already")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
