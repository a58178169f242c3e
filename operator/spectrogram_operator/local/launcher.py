"""Runs in the child process, before the worker does: ties it to the life of the command, then becomes the worker.

Called as `python launcher.py COMMAND…`, without site packages. Nothing else can be asked of a process from outside on
every Python: `preexec_fn` is not safe beside threads. It waits for one byte on standard input, the sign that the
process stands in its control group; the end of input instead means that there is nobody left to work for.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)
CANNOT_START = 127
"""Exit code for a command that cannot be started, as shells have it."""


def main() -> None:
    """Become the command in sys.argv."""
    command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if not os.read(0, 1):
        sys.exit(CANNOT_START)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
