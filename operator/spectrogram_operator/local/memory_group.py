"""A memory limit that the kernel enforces on one child process: a control group, where this machine lets us make one.

Both versions of control groups (docs.kernel.org: admin-guide/cgroup-v2, admin-guide/cgroup-v1/memory).
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "spectrogram_run"
MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIPS = Path("/proc/self/cgroup")
_END_SECONDS, _END_LOOKS = 10.0, 500


@dataclass(frozen=True)
class _Version:
    """What one version of control groups calls its files, and what it wants written into them."""

    limit: str
    others: tuple[tuple[str, str], ...]
    """Further files, where they exist: "{}" stands for the limit."""
    events: str


_VERSION_1 = _Version("memory.limit_in_bytes", (("memory.memsw.limit_in_bytes", "{}"),), "memory.oom_control")
_VERSION_2 = _Version("memory.max", (("memory.swap.max", "0"), ("memory.oom.group", "1")), "memory.events")


class MemoryGroup:
    """One control group with a memory limit: `end` it with its processes."""

    def __init__(self, folder: Path, version: _Version) -> None:
        self._folder = folder
        self._version = version

    @classmethod
    def create(cls, name: str, limit_bytes: int) -> "MemoryGroup":
        """A new group near this process's own. Raises OSError where this machine does not let us."""
        refusal = OSError("this machine has no control groups for memory that this user may write")
        for parent, version in _parents(MEMBERSHIPS, MOUNT):
            _remove_abandoned(parent)
            folder = parent / f"{PREFIX}.{os.getpid()}.{name}"
            try:
                folder.mkdir()
            except OSError as error:
                refusal = error
                continue
            group = cls(folder, version)
            try:
                group._limit(limit_bytes)
            except OSError as error:
                refusal = error
                group.remove()
                continue
            return group
        raise refusal

    def _limit(self, limit_bytes: int) -> None:
        (self._folder / self._version.limit).write_text(str(limit_bytes))
        for name, value in self._version.others:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                (self._folder / name).write_text(value.format(limit_bytes))

    def add(self, process: int) -> None:
        """Put a process, by its id, under the limit. Raises OSError where the machine does not let us."""
        (self._folder / "cgroup.procs").write_text(str(process))

    @property
    def kills(self) -> int:
        """How many processes of the group the kernel killed for want of memory."""
        try:
            events = (self._folder / self._version.events).read_text()
        except OSError:
            return 0
        counted = re.search(r"^oom_kill (\d+)$", events, re.MULTILINE)
        return int(counted[1]) if counted else 0

    async def end(self) -> None:
        """Kill what is left in the group, and remove it."""
        for _ in range(_END_LOOKS):
            if self.remove():
                return
            for process in self._processes():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            await asyncio.sleep(_END_SECONDS / _END_LOOKS)  # the kernel needs a moment to forget a process

    def remove(self) -> bool:
        """Remove the group; False while the kernel counts a process in it."""
        try:
            self._folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _processes(self) -> list[int]:
        try:
            return [int(line) for line in (self._folder / "cgroup.procs").read_text().split()]
        except OSError:
            return []


def _parents(memberships: Path, mount: Path) -> Iterator[tuple[Path, _Version]]:
    """The groups in which a group with a memory limit can be made for a process of ours, the nearest first."""
    try:
        lines = memberships.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield from ((folder, _VERSION_1) for folder in _upwards(mount / "memory", path))
        elif not controllers:
            # Below a group that has processes of its own, version 2 allows none with a limit: look further up. To move
            # a process needs the right to write the common ancestor's list.
            for folder in _upwards(mount, path):
                if _delegates_memory(folder):
                    yield folder, _VERSION_2


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a group and those above it. In a container the path may be the host's: then only the mount."""
    parts = [part for part in path.split("/") if part]
    for depth in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:depth])
        if ".." not in parts[:depth] and (folder / "cgroup.procs").exists():
            yield folder


def _delegates_memory(folder: Path) -> bool:
    try:
        controllers = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return "memory" in controllers and os.access(folder / "cgroup.procs", os.W_OK)


def _remove_abandoned(parent: Path) -> None:
    """Groups of commands that were killed: nobody else removes them."""
    for folder in parent.glob(f"{PREFIX}.*"):
        owner = folder.name.split(".")[1]
        if not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
