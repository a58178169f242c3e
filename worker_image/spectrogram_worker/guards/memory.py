"""How much memory this process may use, and how much it uses: from the container's cgroup, not from the host.

Inside a container the host's numbers mislead: the kernel kills at the cgroup's limit. Both versions of cgroups are
read (docs.kernel.org: admin-guide/cgroup-v2, cgroup-v1/memory). This module only looks; safeguard.py acts.
"""

import resource
import sys
from dataclasses import dataclass, replace
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

        The file cache is subtracted, with its active pages: the kernel drops those too before it kills, and they become
        active when a recording is read with overlap or a result is copied.
        """
        statistics = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        cache = sum(int(statistics.get(field, 0)) for field in self.cache_fields)
        return max(0, int((self.folder / self.use_file).read_text()) - cache)

    def pressure(self) -> float | None:
        """Percent of the last 10 s in which some of its work waited for memory, or None where the kernel does not say.

        Version 2 alone has it (docs.kernel.org: accounting/psi), and not on every kernel.
        """
        try:
            lines = (self.folder / "memory.pressure").read_text().splitlines()
        except OSError:  # also where the kernel was started without it
            return None
        found = [field for line in lines if line.startswith("some ") for field in line.split() if field[:6] == "avg10="]
        return float(found[0].removeprefix("avg10=")) if found else None


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
class ProcessMemory:
    """What this process has in memory, in bytes.

    own: what is not in a file (RssAnon + RssShmem). Pages of mapped libraries are not the job's: the kernel drops them
    when it needs the room. highest: of `own` so far, or a little less. virtual: the address space.
    """

    own: int
    highest: int
    virtual: int


def process_memory(status: Path = Path("/proc/self/status")) -> ProcessMemory:
    """The memory of this process (proc(5)). Where the system does not tell, mapped libraries are counted too."""
    try:
        lines = (line.split() for line in status.read_text().splitlines())
        sizes = {line[0].rstrip(":"): 1024 * int(line[1]) for line in lines if line[-1:] == ["kB"]}
        own = sizes["RssAnon"] + sizes["RssShmem"]
        # Libraries stay loaded: at the peak no more of their pages can have been resident than now.
        return ProcessMemory(own, max(own, sizes["VmHWM"] - sizes["RssFile"]), sizes["VmSize"])
    except (OSError, KeyError, ValueError):
        found = psutil.Process().memory_info()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return ProcessMemory(found.rss, peak if sys.platform == "darwin" else peak * 1024, found.vms)


@dataclass(frozen=True)
class MemoryUse:
    """A look at the memory: `current` bytes count against `limit`, and `threshold` percent of that are the safeguard's.

    process: this process alone. left_elsewhere: bytes left below the limit of a larger cgroup that others use too.
    """

    process: ProcessMemory
    current: int
    limit: int
    threshold: float = 100.0
    left_elsewhere: int | None = None

    @property
    def percent(self) -> float:
        """Use as a share of the limit, in percent."""
        return 100.0 * self.current / self.limit

    @property
    def available(self) -> int:
        """Bytes left below the safeguard's threshold."""
        left = max(0, int(self.limit * self.threshold / 100) - self.current)
        return left if self.left_elsewhere is None else min(left, self.left_elsewhere)


class MemoryGauge:
    """Looks at the memory of this process and of its cgroup; `threshold` is the safeguard's, in percent of the limit.

    In a container the cgroup is the job's. There are two uses then, and the one nearer to its limit counts: that of
    the cgroup, with helper processes and memory-backed volumes, and that of this process against the document's limit.

    A cgroup whose limit is higher than the document's is shared with others (`spectrogram run` on a machine that grants
    no cgroup). Then only this process's use counts; the cgroup merely bounds how many bytes are available.
    """

    def __init__(self, limit: int, cgroup: Cgroup | None = None, threshold: float = 100.0) -> None:
        self._limit, self._cgroup, self._threshold = limit, cgroup, threshold
        self._peak = 0

    @property
    def limit(self) -> int:
        """The lower of the limits, in bytes."""
        cgroup_limit = self._cgroup.limit() if self._cgroup else None
        return self._limit if cgroup_limit is None else min(self._limit, cgroup_limit)

    @property
    def pressure(self) -> float | None:
        """Percent of the last 10 s in which work of the cgroup waited for memory, or None where nobody says."""
        return self._cgroup.pressure() if self._cgroup else None

    @property
    def peak(self) -> int:
        """The highest use of this process's own memory so far, in bytes. (A cgroup's peak would include file cache.)"""
        found = process_memory()
        self._peak = max(self._peak, found.highest)
        return self._peak

    def look(self) -> MemoryUse:
        """What is in use now, against the limit that is nearer."""
        process = process_memory()
        self._peak = max(self._peak, process.own)
        own = MemoryUse(process, process.own, self._limit, self._threshold)
        if self._cgroup is None or (limit := self._cgroup.limit()) is None:
            return own
        try:
            use = self._cgroup.use()
        except (OSError, ValueError):
            return own
        if limit > self._limit:
            return replace(own, left_elsewhere=max(0, limit - use))
        shared = MemoryUse(process, use, limit, self._threshold)
        return max(own, shared, key=lambda look: look.percent)
