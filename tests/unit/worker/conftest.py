"""Recordings for whole workers."""

from pathlib import Path

import numpy as np
import pytest

from unit.worker.jobs import RATE, write_endless
from unit.worker.worker_process import SAMPLES


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A file of cf32 noise around a carrier at +100 Hz, at full scale, with a gap."""
    (tmp_path / "input").mkdir()
    noise = np.random.default_rng(1).normal(0, 1e-3, (SAMPLES, 2)).view(np.complex128)[:, 0]
    samples = (noise + np.exp(2j * np.pi * 100 / RATE * np.arange(SAMPLES))).astype(np.complex64)
    samples[4000:4800] = np.nan
    path = tmp_path / "input/signal.cf32"
    samples.tofile(path)
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    return write_endless(tmp_path)
