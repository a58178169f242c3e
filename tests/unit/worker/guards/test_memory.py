"""What counts against which limit: cgroups of both versions, as files a kernel would show."""

import mmap
from pathlib import Path

import psutil
import pytest

from spectrogram_worker.guards.memory import MemoryGauge, MemoryUse, ProcessMemory, find_cgroup, process_memory

MIB = 2**20


def version_2(folder: Path, *, limit: str, use: int = 0, inactive: int = 0, active: int = 0) -> Path:
    """A folder as cgroup v2 shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{use}\n")
    (folder / "memory.stat").write_text(f"anon 1\nactive_file {active}\ninactive_file {inactive}\n")
    return folder


def version_1(folder: Path, *, limit: int, use: int = 0, inactive: int = 0, active: int = 0) -> Path:
    """A folder as cgroup v1 shows it: the totals include the folders below."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{use}\n")
    totals = f"total_inactive_file {inactive}\ntotal_active_file {active}\n"
    (folder / "memory.stat").write_text(f"inactive_file 7\nactive_file 7\n{totals}")
    return folder


def memberships(folder: Path, text: str) -> Path:
    """A file like /proc/self/cgroup."""
    path = folder / "memberships"
    path.write_text(text)
    return path


def test_version_2_at_the_root_of_a_namespace(tmp_path: Path) -> None:
    version_2(tmp_path / "fs", limit=str(100 * MIB), use=80 * MIB, inactive=10 * MIB, active=20 * MIB)
    cgroup = find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs")
    assert cgroup is not None
    assert cgroup.limit() == 100 * MIB
    assert cgroup.use() == 50 * MIB, "file cache is not an emergency"


def test_version_2_finds_the_lowest_limit_on_the_way_up(tmp_path: Path) -> None:
    fs = tmp_path / "fs"
    version_2(fs / "pods/pod1/worker", limit="max", use=1)
    version_2(fs / "pods/pod1", limit=str(50 * MIB), use=2)
    version_2(fs / "pods", limit=str(500 * MIB), use=3)
    cgroup = find_cgroup(memberships(tmp_path, "0::/pods/pod1/worker\n"), fs)
    assert cgroup is not None
    assert (cgroup.limit(), cgroup.use()) == (50 * MIB, 2)


def test_version_1_behind_a_bind_mount(tmp_path: Path) -> None:
    version_1(tmp_path / "fs/memory", limit=64 * MIB, use=40 * MIB, inactive=8 * MIB, active=1 * MIB)
    text = "11:cpu,cpuacct:/kubepods/pod1/abc\n4:memory:/kubepods/pod1/abc\n0::/\n"
    cgroup = find_cgroup(memberships(tmp_path, text), tmp_path / "fs")
    assert cgroup is not None
    assert (cgroup.limit(), cgroup.use()) == (64 * MIB, 31 * MIB)


def test_version_1_at_its_own_path(tmp_path: Path) -> None:
    fs = tmp_path / "fs"
    version_1(fs / "memory", limit=9223372036854771712, use=5)
    version_1(fs / "memory/jobs/a", limit=32 * MIB, use=6)
    cgroup = find_cgroup(memberships(tmp_path, "4:memory:/jobs/a\n"), fs)
    assert cgroup is not None
    assert (cgroup.limit(), cgroup.use()) == (32 * MIB, 6)


def test_a_path_outside_of_the_namespace_is_the_root(tmp_path: Path) -> None:
    version_2(tmp_path / "fs", limit=str(MIB))
    version_2(tmp_path / "secret", limit="1")
    cgroup = find_cgroup(memberships(tmp_path, "0::/../secret\n"), tmp_path / "fs")
    assert cgroup is not None
    assert cgroup.limit() == MIB


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_no_limit_is_no_cgroup(tmp_path: Path, limit: str) -> None:
    version_2(tmp_path / "fs", limit=limit)
    assert find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs") is None
    assert find_cgroup(tmp_path / "absent", tmp_path / "fs") is None
    assert find_cgroup(memberships(tmp_path, "not a cgroup line\n"), tmp_path / "fs") is None


def test_the_limit_is_the_lower_one(tmp_path: Path) -> None:
    version_2(tmp_path / "fs", limit=str(100 * MIB))
    cgroup = find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs")
    assert MemoryGauge(200 * MIB, cgroup).limit == 100 * MIB
    assert MemoryGauge(50 * MIB, cgroup).limit == 50 * MIB
    assert MemoryGauge(50 * MIB).limit == 50 * MIB


def test_without_a_cgroup_the_process_itself_counts() -> None:
    use = MemoryGauge(2**40).look()
    assert use.current == use.process.own > 0
    assert use.process.virtual >= use.process.own
    assert use.limit == 2**40


def test_pages_of_mapped_files_are_not_the_jobs(tmp_path: Path) -> None:
    file = tmp_path / "library"
    file.write_bytes(b"\1" * (64 * MIB))
    before = process_memory()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 64 * MIB // mmap.PAGESIZE
        resident = psutil.Process().memory_info().rss
        mapping = process_memory()
    assert resident > 64 * MIB
    assert mapping.own < before.own + 8 * MIB
    with mmap.mmap(-1, 64 * MIB) as shared:
        shared.write(b"\1" * (64 * MIB))
        assert process_memory().own > before.own + 60 * MIB, "shared memory cannot be dropped"


def test_the_limit_that_is_nearer_decides(tmp_path: Path) -> None:
    version_2(tmp_path / "fs", limit=str(2**40), use=2**39)
    cgroup = find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs")
    assert MemoryGauge(2**50, cgroup).look().percent == 50.0
    tight = MemoryGauge(MIB, cgroup).look()
    assert tight.limit == MIB
    assert tight.percent > 100
    assert tight.available == 0


def test_of_a_larger_cgroup_that_others_share_only_the_bytes_of_this_process_count(tmp_path: Path) -> None:
    """`spectrogram run` beside a full container: what others use is no reason to stop this job."""
    version_2(tmp_path / "fs", limit=str(2**40), use=2**40 - 100 * MIB)
    cgroup = find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs")
    use = MemoryGauge(2**36, cgroup, 95.0).look()
    assert use.current == use.process.own
    assert use.percent < 10
    assert use.available == 100 * MIB, "but no more can be allocated than the cgroup has left"


def test_what_is_available_ends_at_the_safeguards_threshold() -> None:
    use = MemoryUse(ProcessMemory(1, 1, 1), current=900, limit=1000, threshold=95.0)
    assert (use.available, use.percent) == (50, 90.0)


def test_a_cgroup_that_can_no_longer_be_read_falls_back_to_the_process_itself(tmp_path: Path) -> None:
    folder = version_2(tmp_path / "fs", limit=str(MIB), use=1)
    cgroup = find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs")
    gauge = MemoryGauge(2**40, cgroup)
    (folder / "memory.current").unlink()
    assert gauge.look().limit == 2**40


def test_the_pressure_that_the_kernel_tells_of(tmp_path: Path) -> None:
    folder = version_2(tmp_path / "fs", limit=str(MIB))
    gauge = MemoryGauge(2**40, find_cgroup(memberships(tmp_path, "0::/\n"), tmp_path / "fs"))
    assert gauge.pressure is None, "a kernel without it"
    some = "some avg10=12.34 avg60=5.00 avg300=1.00 total=123456"
    (folder / "memory.pressure").write_text(f"{some}\nfull avg10=7.00 avg60=1.00 avg300=0.00 total=4\n")
    assert gauge.pressure == 12.34
    (folder / "memory.pressure").write_text("")
    assert gauge.pressure is None
    assert MemoryGauge(2**40).pressure is None, "outside of a cgroup with a limit"


STATUS = "Name:\tpython\nVmSize:\t 8000 kB\nVmHWM:\t 700 kB\n" + "".join(
    f"Rss{kind}:\t {size} kB\n" for kind, size in {"Anon": 100, "File": 300, "Shmem": 50}.items()
)


def test_what_the_system_says_of_the_process(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS)
    assert process_memory(status) == ProcessMemory(own=150 * 1024, highest=400 * 1024, virtual=8000 * 1024)
    status.write_text(STATUS.replace("VmHWM:\t 700", "VmHWM:\t 410"))
    assert process_memory(status).highest == 150 * 1024


def test_a_system_that_does_not_tell_the_kinds_apart_gives_the_resident_set(tmp_path: Path) -> None:
    found = process_memory(tmp_path / "absent")
    assert found.own > MIB
    assert found.highest > MIB
    assert found.virtual >= found.own


def test_the_peak_never_falls() -> None:
    gauge = MemoryGauge(2**40)
    with mmap.mmap(-1, 64 * MIB) as shared:
        shared.write(b"\1" * (64 * MIB))
        gauge.look()
    assert gauge.peak >= gauge.look().process.own + 60 * MIB
