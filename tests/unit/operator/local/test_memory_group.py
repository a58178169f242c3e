"""Control groups of both versions: which files are written where, on machines of every kind."""

import os
from pathlib import Path

import pytest

from spectrogram_operator.local import memory_group
from spectrogram_operator.local.memory_group import MemoryGroup


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /sys/fs/cgroup; the process is in /user/app/terminal."""
    (tmp_path / "cgroup").write_text("4:cpu,memory:/user/app/terminal\n1:name=systemd:/\n0::/user/app/terminal\n")
    monkeypatch.setattr(memory_group, "MEMBERSHIPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory_group, "MOUNT", tmp_path / "mount")
    return tmp_path / "mount"


def hierarchy(top: Path, *delegating: str) -> Path:
    """The groups /user/app/terminal below `top`; those named hand the memory controller down."""
    folder = top
    for name in ("", "user", "app", "terminal"):
        folder = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").touch()
        (folder / "cgroup.subtree_control").write_text("cpu memory pids" if name in delegating else "cpu")
    return top


def made(top: Path) -> Path:
    """The one group that was made."""
    (folder,) = top.rglob(f"{memory_group.PREFIX}.{os.getpid()}.*")
    return folder


def test_version_1_limits_in_the_process_s_own_group(mount: Path) -> None:
    hierarchy(mount / "memory")
    group = MemoryGroup.create("pod-a1", 100)
    folder = made(mount)
    assert folder.parent == mount / "memory/user/app/terminal"
    assert (folder / "memory.limit_in_bytes").read_text() == "100"
    group.add(4711)
    assert (folder / "cgroup.procs").read_text() == "4711"
    assert group.kills == 0
    (folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.kills == 2


def test_version_2_limits_below_the_nearest_group_that_hands_the_controller_down(mount: Path) -> None:
    hierarchy(mount, "user", "app")
    group = MemoryGroup.create("pod-a1", 100)
    folder = made(mount)
    assert folder.parent == mount / "user/app"
    assert (folder / "memory.max").read_text() == "100"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "memory.oom.group").read_text() == "1"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 1\n")
    assert group.kills == 1


def test_a_container_sees_its_own_group_as_the_mount(mount: Path) -> None:
    (mount / "memory").mkdir(parents=True)
    (mount / "memory/cgroup.procs").touch()
    MemoryGroup.create("pod-a1", 100)
    assert made(mount).parent == mount / "memory"


def test_a_machine_without_control_groups(mount: Path) -> None:
    with pytest.raises(OSError, match="no control groups"):
        MemoryGroup.create("pod-a1", 100)
    hierarchy(mount)  # version 2, and nothing hands the memory controller down
    with pytest.raises(OSError, match="no control groups"):
        MemoryGroup.create("pod-a1", 100)


def test_groups_of_commands_that_were_killed_are_removed(mount: Path) -> None:
    own = hierarchy(mount / "memory") / "user/app/terminal"
    abandoned, in_use = own / f"{memory_group.PREFIX}.999999999.pod", own / f"{memory_group.PREFIX}.1.pod"
    abandoned.mkdir()
    in_use.mkdir()
    MemoryGroup.create("pod-a1", 100)
    assert not abandoned.exists()
    assert in_use.exists()
