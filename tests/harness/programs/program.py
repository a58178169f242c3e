"""One program in the background: its output in a file, its end certain.

The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), so nothing survives a test run that crashes
or is killed. Hence: start programs from the main thread only.
"""

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.waiting import HarnessError, wait_until

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """To be called in a child before it becomes its program: the kernel then kills it when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def own_name() -> str:
    """For what this process leaves behind if it is killed (a network, control groups), so that a later run can tell."""
    return f"spectrogram-{os.getpid()}"


def is_abandoned(name: str) -> bool:
    """Whether the process whose `own_name` it is has ended."""
    owner = re.fullmatch(r"spectrogram-(\d+)", name)
    return owner is not None and not Path("/proc", owner[1]).exists()


class Program:
    """With `wrapped`, the command is a wrapper (unshare, nsenter) that waits for the program proper, its only child."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, *, wrapped: bool = False) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.wrapped = wrapped
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise HarnessError(f"{self.name} is not started")
        if self.wrapped:
            return wait_until(lambda: _only_child(self._process), what=f"the process of {self.name}")
        return self._process.pid

    def start(self) -> None:
        if self._process is not None:
            raise HarnessError(f"{self.name} is already started")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C must reach the test run alone, which then ends its programs in order.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def kill(self) -> None:
        """End it at once and wait until it is gone. Never asks politely: nothing that tests run has a state to keep."""
        if self._process is None:
            return
        program = _only_child(self._process) if self.wrapped else None
        if program is None:
            self._process.kill()
        else:
            # The wrapper then ends by itself: not before the program, and all that was in its namespace, is gone.
            os.kill(program, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def wait_until(self, condition: Callable[[], bool], *, what: str, timeout: float = 120) -> None:
        """Wait for a condition that this program brings about; a failure shows the end of its log."""

        def met_or_ended() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise HarnessError(f"{self.name} ended by itself.\n{self._tail()}")
            return condition()

        try:
            wait_until(met_or_ended, timeout, what=what)
        except TimeoutError as error:
            error.add_note(self._tail())
            raise

    def _tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"The end of {self.log}:\n" + "\n".join(text.splitlines()[-lines:])


def _only_child(process: "subprocess.Popen[bytes] | None") -> int | None:
    if process is None or process.poll() is not None:
        return None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None
