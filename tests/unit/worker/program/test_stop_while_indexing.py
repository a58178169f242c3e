"""A stop is heeded at every question that a format asks of its store before the first sample is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import RATE, integer_pairs, write_digital_rf, write_sigmf
from unit.worker.stores import job_of, opened


def digital_rf(root: Path) -> dict[str, Any]:
    """A file for each tenth of a second."""
    write_digital_rf(root, [(0, integer_pairs(int(RATE)))], file_milliseconds=100)
    return {"path": "recording"}


def sigmf(root: Path) -> dict[str, Any]:
    write_sigmf(root, bytes(8000), datatype="cf32_le")
    return {"path": "signal.sigmf-meta"}


def numpy_file(root: Path) -> dict[str, Any]:
    np.save(root / "noise.npy", np.zeros(100, np.complex64))
    return {"path": "noise.npy", "raw": {"sampleRate": 1000.0}}


class Asked:
    """Counts the questions; the one after `patience` questions is too late."""

    def __init__(self, patience: int) -> None:
        self.count, self._patience = 0, patience

    def __call__(self) -> None:
        self.count += 1
        if self.count > self._patience:
            raise WorkerError(ExitCode.INTERRUPTED, "interrupted by SIGTERM")


@pytest.mark.parametrize("write", [digital_rf, sigmf, numpy_file])
def test_a_stop_ends_the_opening_at_any_question(tmp_path: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    root = tmp_path / "input"
    root.mkdir()
    fields = write(root)
    job = job_of(tmp_path, fields.pop("path"), fields=fields)
    every = Asked(10**9)
    with opened(job, raise_if_stopped=every):
        assert every.count >= sum(1 for path in root.rglob("*") if path.is_file())
    for patience in range(every.count):
        with pytest.raises(WorkerError) as caught, opened(job, raise_if_stopped=Asked(patience)):
            pass
        assert caught.value.code is ExitCode.INTERRUPTED
