"""What a job is expected to take, and what is said about it."""

import logging

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.estimate import REST_BYTES, Estimate, announce, estimate_memory, require_memory
from spectrogram_worker.guards.memory import MemoryGauge


def test_the_transform_and_the_picture_take_turns_and_files_do_not_count() -> None:
    estimate = estimate_memory(files=10**12, resident=80, transform=30, picture=50)
    assert estimate == Estimate(files=10**12, processing=50 + REST_BYTES, total=130 + REST_BYTES)


@pytest.mark.parametrize(
    ("total", "level"), [(1, "low"), (599, "low"), (600, "moderate"), (800, "moderate"), (801, "high"), (5000, "high")]
)
def test_levels(total: int, level: str) -> None:
    assert Estimate(1, 1, total).level(1000) == level


def test_a_high_estimate_is_a_warning_in_the_designs_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    memory = announce("team/fm-band", Estimate(100_000_000, 300_000_000, 850_000_000), 1_000_000_000)
    assert (memory.estimate_bytes, memory.level) == (850_000_000, "high")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Job team/fm-band: Memory estimate - Files: 100.0MB, Processing: 300.0MB, Total: 850.0MB"),
        (
            "WARNING",
            "Job team/fm-band: High memory usage expected - Estimated: 850.0MB, Available: 1000.0MB, Usage: 85.0%. "
            "Job will proceed but may cause memory pressure.",
        ),
    ]


def test_a_low_estimate_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert announce("team/fm-band", Estimate(1, 1, 100), 1000).level == "low"
    assert caplog.records == []


def test_an_allocation_beyond_what_is_left_is_refused() -> None:
    gauge = MemoryGauge(2**40)
    require_memory(gauge, 2**20, "the transform")
    with pytest.raises(
        WorkerError, match=r"the transform needs 1099511\.6MB, .* are left .* raise resources\.memory"
    ) as caught:
        require_memory(gauge, 2**40, "the transform")
    assert caught.value.code is ExitCode.MEMORY_ERROR
