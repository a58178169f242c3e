"""What a job is expected to take, and what is said about it."""

import logging
from dataclasses import fields

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.memory import MemoryPlan, level_of
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.estimate import announce, require_memory
from spectrogram_worker.guards.memory import MemoryGauge


def plan(**parts: int) -> MemoryPlan:
    """A plan with these parts."""
    return MemoryPlan(**{part.name: parts.get(part.name, 0) for part in fields(MemoryPlan)})


@pytest.mark.parametrize(
    ("total", "level"), [(1, "low"), (599, "low"), (600, "moderate"), (800, "moderate"), (801, "high"), (5000, "high")]
)
def test_levels(total: int, level: str) -> None:
    assert level_of(total, 1000) == level


def test_a_high_estimate_is_a_warning_in_the_designs_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    memory = announce("team/fm-band", 100_000_000, plan(process=550_000_000, picture=292_000_000), 1_000_000_000)
    assert (memory.estimate_bytes, memory.level) == (850_000_000, "high")
    assert "process 550.0MB, metadata 0.0MB" in caplog.records.pop(1).getMessage()
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
    assert announce("team/fm-band", 1, plan(process=100), 1_000_000_000).level == "low"
    assert caplog.records == []


def test_an_allocation_beyond_what_is_left_is_refused() -> None:
    gauge = MemoryGauge(2**40)
    require_memory(gauge, 2**20, "the transform")
    with pytest.raises(
        WorkerError, match=r"the transform needs 1099511\.6MB, .* are left .* raise resources\.memory"
    ) as caught:
        require_memory(gauge, 2**40, "the transform")
    assert caught.value.code is ExitCode.MEMORY_ERROR
