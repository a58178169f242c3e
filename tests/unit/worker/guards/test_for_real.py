"""The safeguard under a limit that the kernel enforces, where this machine can make a control group with one."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.waiting import wait_until
from spectrogram_operator.local.memory_group import MemoryGroup
from spectrogram_worker.contract import ExitCode
from unit.operator.local.test_local_cluster import needs_control_groups

LIMIT = 512 * 2**20

GROW = """
import sys, time
from spectrogram_worker.guards.memory import MemoryGauge, find_cgroup
from spectrogram_worker.guards.safeguard import Safeguard
from spectrogram_worker.guards.stop import StopRequest
print("ready", flush=True)
sys.stdin.readline()  # until this process is in its control group
cgroup = find_cgroup()
assert cgroup is not None and cgroup.limit() == {limit}
stop, held = StopRequest(), []
guard = Safeguard("team/fm-band", stop, MemoryGauge({limit}, cgroup, 95.0), soft_deadline=float("inf"), force=print)
with guard:
    while not stop.is_set() and len(held) < {mebibytes}:
        held.append(b"x" * 2**20)
        time.sleep(2**20 / {rate})  # so memory grows by this at most, in bytes a second
    for _ in range({looks} if not stop.is_set() else 0):
        time.sleep(0.05)
sys.exit(stop.stop.code if stop.stop else 0)
"""


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    made = MemoryGroup.create("safeguard", LIMIT)
    yield made
    wait_until(made.remove)


def grow(group: MemoryGroup, *, mebibytes: int, rate: float) -> int:
    """The exit code of a process whose memory grows by so many MiB."""
    program = GROW.format(limit=LIMIT, mebibytes=mebibytes, rate=rate, looks=10)
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            group.add(process.pid)
            process.communicate(b"\n", timeout=120)
        finally:
            process.kill()
    return process.returncode


@needs_control_groups
@pytest.mark.parametrize("rate", [150e6, 300e6])
def test_memory_that_grows_past_a_limit_of_the_kernels_is_stopped_before_the_kernel_kills(
    group: MemoryGroup, rate: float
) -> None:
    assert grow(group, mebibytes=2048, rate=rate) == ExitCode.MEMORY_SAFEGUARD_EXCEEDED
    assert group.kills == 0


@needs_control_groups
def test_memory_that_grows_as_fast_and_fits_is_left_alone(group: MemoryGroup) -> None:
    assert grow(group, mebibytes=400, rate=300e6) == 0
