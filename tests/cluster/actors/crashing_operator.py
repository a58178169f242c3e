"""The operator, killed after each of its calls to the API server in turn, and started again. Run as a module.

A job called crash-7 is the one for which the process dies right after its seventh call about that job: as if it had
been killed there, for nothing between two calls can be seen from outside. Each job kills once. The process that is
started forks the operator, so that a new start takes no time for imports. It records every call in $CRASH_FOLDER/calls,
and takes calls that name no job as about the one named in $CRASH_FOLDER/newest.
"""

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import spectrogram_operator.__main__ as operator_main
from spectrogram_operator.control.cluster.kubernetes import connect
from spectrogram_operator.control.cluster.protocol import Cluster

CRASHED = 99
# Lists and leases are about no job; what a worker answers is no call to the API server.
_NOT_COUNTED = ("list_jobs", "list_pods", "read_lease", "write_lease", "list_leases", "ask_worker", "close")


class CrashingCluster:
    """Calls the real cluster, and ends the process after the call at which it is to."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._calls, self._newest = folder / "calls", folder / "newest"
        self._made = Counter(line.split()[0] for line in self._calls.read_text().splitlines())

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._cluster, method)
        if method in _NOT_COUNTED:
            return real

        async def call(*arguments: Any) -> Any:
            try:
                return await real(*arguments)
            finally:
                self._count(method, arguments)

        return call

    def _count(self, method: str, arguments: tuple[Any, ...]) -> None:
        named = re.search(r"crash-\d+", str(arguments))
        job = named[0] if named else self._newest.read_text()  # a claim does not say whose job it is
        if not job:
            return
        self._made[job] += 1
        with self._calls.open("a") as file:
            file.write(f"{job} {method}\n")
        if self._made[job] == int(job.removeprefix("crash-")):
            os._exit(CRASHED)


async def crashing_connect(*told: Callable[..., None]) -> Any:
    return CrashingCluster(await connect(*told), Path(os.environ["CRASH_FOLDER"]))


def main() -> None:
    """Start the operator, and start it again whenever it was killed, until somebody ends it."""
    setattr(operator_main, "connect", crashing_connect)  # noqa: B010
    child, ends, code = 0, False, CRASHED

    def forward(number: int, _: FrameType | None) -> None:
        nonlocal ends
        ends = True
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, number)

    signal.signal(signal.SIGTERM, forward)
    while code == CRASHED:
        # Held back until it is clear whom it is for: a child that has only just been forked would take itself for us.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if ends:
            break
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if child == 0:
            operator_main.main()
            sys.exit()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # A child that has not come to its own handler yet dies of the signal.
    sys.exit(0 if code in (CRASHED, -signal.SIGTERM) else code)


if __name__ == "__main__":
    main()
