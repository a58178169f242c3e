"""A child process in a session of its own, whose life is tied to this process's by launcher.py."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from spectrogram_operator.local import launcher

_LAUNCHER = (sys.executable, "-I", "-S", launcher.__file__)


class Process:
    """One child process. Not asyncio's: that one's `wait` also waits for whoever else holds the output open."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start the launcher, which becomes `command` when `go` is called. Raises OSError."""
        self._process = subprocess.Popen(
            (*_LAUNCHER, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,  # the terminal's Ctrl-C is for the command, which asks the worker in its own time
        )
        self._exited = asyncio.create_task(self._follow())

    @property
    def number(self) -> int:
        """The process id."""
        return self._process.pid

    def go(self) -> None:
        """Let the launcher become the command."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"\n")
            self._process.stdin.close()

    @contextlib.asynccontextmanager
    async def output(self) -> AsyncIterator[asyncio.StreamReader]:
        """What the process prints, for as long as the context lasts."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            yield reader
        finally:
            transport.close()

    async def wait(self) -> int:
        """Wait until the process has ended; returns its code, −n where signal n ended it."""
        return await asyncio.shield(self._exited)

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process and its children at once."""
        if self._process.returncode is None:
            self._kill_group()

    async def _follow(self) -> int:
        code = await asyncio.to_thread(self._process.wait)
        self._kill_group()  # with a container's first process, all of it ends
        return code

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.number, signal.SIGKILL)
