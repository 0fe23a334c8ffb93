"""Keep one CPU busy; the demo runs this file as a process of its own: `python burn.py NAME SECONDS`.

It ends by itself after SECONDS, and with its parent: nothing burns on after a demo that was killed.
"""

import ctypes
import signal
import sys
import time

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_NAME = 15


def main() -> None:
    """Burn."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_NAME, name.encode())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


if __name__ == "__main__":
    main()
