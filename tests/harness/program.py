"""One program in the background: its output in a file, its end certain.

The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), so nothing survives a test run that crashes
or is killed. Hence: start programs from the main thread only.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.waiting import HarnessError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise HarnessError(f"{self.name} was not started")
        return self._process.pid

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        if self._process is not None:
            raise HarnessError(f"{self.name} is already started")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # A session of its own: Ctrl-C must reach the test run alone, which then ends its programs in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def kill(self) -> None:
        """End it at once and wait until it is gone. Never asks politely: nothing that tests run has a state to keep."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def check(self) -> None:
        """Raise, with the end of its log, if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise HarnessError(f"{self.name} ended with code {self._process.returncode}.\n{self.tail()}")

    def tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"The end of {self.log}:\n" + "\n".join(text.splitlines()[-lines:])
