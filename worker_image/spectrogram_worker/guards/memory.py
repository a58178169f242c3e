"""How much memory this process may use, and how much it uses: from the container's cgroup, not from the host.

Inside a container the host's numbers mislead: the kernel kills at the cgroup's limit. Both versions of cgroups are
read (docs.kernel.org: admin-guide/cgroup-v2, cgroup-v1/memory). This module only looks; safeguard.py acts.
"""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

_UNLIMITED = 2**60
"""Version 1 writes "no limit" as the largest number of whole pages."""


@dataclass(frozen=True)
class Cgroup:
    """One cgroup's folder and what this version calls its files."""

    folder: Path
    limit_file: str
    use_file: str
    cache_fields: frozenset[str]

    def limit(self) -> int | None:
        """The limit in bytes, or None where there is none."""
        try:
            text = (self.folder / self.limit_file).read_text().strip()
        except OSError:
            return None
        return int(text) if text.isdecimal() and int(text) < _UNLIMITED else None

    def use(self) -> int:
        """Bytes in use that the kernel cannot simply take back.

        The file cache is subtracted, active pages too: the kernel drops them before it kills, and reading a recording
        with overlap or copying a result makes them active. An emergency is what remains.
        """
        statistics = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        cache = sum(int(statistics.get(field, 0)) for field in self.cache_fields)
        return max(0, int((self.folder / self.use_file).read_text()) - cache)


def _version_2(folder: Path) -> Cgroup:
    return Cgroup(folder, "memory.max", "memory.current", frozenset({"inactive_file", "active_file"}))


def _version_1(folder: Path) -> Cgroup:
    fields = frozenset({"total_inactive_file", "total_active_file"})
    return Cgroup(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", fields)


def find_cgroup(memberships: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> Cgroup | None:
    """The cgroup of this process with the lowest limit, or None where nothing limits it.

    A limit may be set on any folder from the process's own up to the root. The path in /proc/self/cgroup is the host's;
    in a cgroup namespace, or behind a bind mount, the mount's root is the process's own cgroup.
    """
    try:
        lines = memberships.read_text().splitlines()
    except OSError:
        return None
    candidates: list[Cgroup] = []
    for fields in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        controllers, path = fields[1:]
        if not controllers:
            candidates += map(_version_2, _folders(mount, path))
        elif "memory" in controllers.split(","):
            candidates += map(_version_1, _folders(mount / "memory", path))
    limits = [(limit, number) for number, cgroup in enumerate(candidates) if (limit := cgroup.limit()) is not None]
    return candidates[min(limits)[1]] if limits else None


def _folders(mount: Path, path: str) -> list[Path]:
    """The cgroup's folder and those above it, up to the mount."""
    parts = [part for part in path.split("/") if part]
    if ".." in parts:  # a cgroup outside of this namespace: it cannot be seen from here
        parts = []
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


@dataclass(frozen=True)
class MemoryUse:
    """A look at the memory, in bytes: the process's own sizes, and what counts against which limit."""

    resident: int
    virtual: int
    current: int
    limit: int

    @property
    def percent(self) -> float:
        """Use as a share of the limit, in percent."""
        return 100.0 * self.current / self.limit

    @property
    def available(self) -> int:
        """Bytes left below the limit."""
        return max(0, self.limit - self.current)


class MemoryGauge:
    """Looks at the memory of this process and of its cgroup.

    Two limits count, and the one that is nearer decides: the document's against the resident set of this process, and
    the cgroup's against the use of the whole cgroup, which a helper process or a memory-backed volume shares.
    """

    def __init__(self, limit: int, cgroup: Cgroup | None = None) -> None:
        self._limit = limit
        self._cgroup = cgroup
        self._process = psutil.Process()

    @property
    def limit(self) -> int:
        """The lower of the limits, in bytes."""
        cgroup_limit = self._cgroup.limit() if self._cgroup else None
        return self._limit if cgroup_limit is None else min(self._limit, cgroup_limit)

    def look(self) -> MemoryUse:
        """What is in use now, against the limit that is nearer."""
        sizes = self._process.memory_info()
        own = MemoryUse(sizes.rss, sizes.vms, sizes.rss, self._limit)
        if self._cgroup is None or (limit := self._cgroup.limit()) is None:
            return own
        try:
            shared = MemoryUse(sizes.rss, sizes.vms, self._cgroup.use(), limit)
        except (OSError, ValueError):
            return own
        return max(own, shared, key=lambda use: use.percent)


def peak_resident_bytes(status: Path = Path("/proc/self/status")) -> int:
    """The highest resident set of this process so far, in bytes (VmHWM; a cgroup's peak contains page cache)."""
    try:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
