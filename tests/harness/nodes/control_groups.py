"""The control groups below which a node's containers are accounted: one folder in each hierarchy of the kernel."""

from functools import partial
from pathlib import Path

from harness.programs.program import is_abandoned
from harness.waiting import wait_until


def create(name: str) -> None:
    for hierarchy in _hierarchies():
        for path in hierarchy.glob("spectrogram-*"):
            if is_abandoned(path.name):
                delete(path.name)
        (hierarchy / name).mkdir(exist_ok=True)


def delete(name: str) -> None:
    """Delete the groups. The processes in them must have been killed; the kernel may need a moment to forget them."""
    for hierarchy in _hierarchies():
        wait_until(partial(_deleted, hierarchy / name), what=f"the end of the control group {hierarchy / name}")


def _deleted(top: Path) -> bool:
    try:
        for path in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        top.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _hierarchies() -> list[Path]:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]
