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
from pathlib import Path
from types import FrameType
from typing import Any

import spectrogram_operator.__main__ as operator_main
from spectrogram_operator.control.cluster import Cluster
from spectrogram_operator.control.kubernetes_cluster import connect

CRASHED = 99
# What the sweep asks is about no job; what a worker answers is no call to the API server.
_NOT_COUNTED = ("list_pods", "ask_worker", "close")


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


async def crashing_connect(namespaces: tuple[str, ...] = ()) -> Any:
    return CrashingCluster(await connect(namespaces), Path(os.environ["CRASH_FOLDER"]))


def main() -> None:
    setattr(operator_main, "connect", crashing_connect)  # noqa: B010
    code = CRASHED
    while code == CRASHED:
        child = os.fork()
        if child == 0:
            operator_main.main()
            sys.exit()

        def forward(number: int, _: FrameType | None, child: int = child) -> None:
            os.kill(child, number)

        signal.signal(signal.SIGTERM, forward)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # A child that has only just been forked dies of the signal that others obey.
    sys.exit(0 if code == -signal.SIGTERM else code)


if __name__ == "__main__":
    main()
