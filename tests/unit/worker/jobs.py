"""Documents, layouts and columns for the worker's tests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.document import JobReference
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.outputs.arrays.attributes import Signal
from spectrogram_worker.spectrum.axes import Column, Layout

RATE = 1000.0
START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SIGNAL = Signal(name="fm.sigmf", sample_rate=RATE, center_frequency=100e6, start_time=START)


def job(**changes: Any) -> JobReference:
    """The job `team/fm-band`, attempt 1."""
    values = {"namespace": "team", "name": "fm-band", "uid": "uid-1", "attempt": 1, "spec_hash": "hash-1"}
    return JobReference.model_validate(values | changes)


def document(folder: Path, **changes: Any) -> dict[str, Any]:
    """The JSON form of a document whose folders lie in `folder`; `changes` replace whole sections."""
    for name in ("input", "output", "scratch"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "job": job().to_document(),
        "input": {
            "path": "signal.cf32",
            "raw": {"datatype": "cf32_le", "sampleRate": RATE, "centerFrequency": 100e6},
        },
        "transform": {"fftSize": 64, "hopSize": 32, "window": {"name": "hann"}},
        "reduce": {"time": ["max", "mean"], "columns": 50},
        "limits": {"softSeconds": 600, "memoryBytes": 2**30},
        "folders": {
            "input": str(folder / "input"),
            "output": str(folder / "output"),
            "scratch": str(folder / "scratch"),
            "terminationMessage": str(folder / "termination"),
        },
        "port": 0,
        **changes,
    }


def write_endless(folder: Path) -> Path:
    """The document's input as a terabyte of zeros that takes no space: no worker comes to its end."""
    (folder / "input").mkdir()
    path = folder / "input/signal.cf32"
    with path.open("wb") as file:
        file.truncate(2**40)
    return path


def parsed(folder: Path, **changes: Any) -> WorkerDocument:
    """The document itself."""
    return WorkerDocument.model_validate(document(folder, **changes))


def layout(*, bins: int = 8, columns: int = 6, reductions: tuple[str, ...] = ("max", "mean")) -> Layout:
    """A layout of two frames per column."""
    return Layout(
        frequencies=100e6 + (np.arange(bins) - bins // 2) * RATE / bins,
        times=np.arange(1, 2 * columns, 2, dtype=np.float64) * 0.032,
        reductions=tuple(Reduction(name) for name in reductions),
        frames=2 * columns,
        frames_per_column=2,
        samples=1000,
        unit="dB(FS²/Hz)",
    )


def values(shape: Layout) -> NDArray[np.float32]:
    """(reductions, F, T) of noise in dB, with one column of no data and one of zero power."""
    noise = np.random.default_rng(1).normal(-80, 5, (len(shape.reductions), len(shape.frequencies), len(shape.times)))
    noise[:, :, 1] = np.nan
    noise[:, :, 2] = -np.inf
    return noise.astype(np.float32)


def columns_of(content: NDArray[np.float32]) -> Iterator[Column]:
    """The columns of `content`, (reductions, F, T), in order."""
    for index in range(content.shape[2]):
        frames = 0 if np.isnan(content[:, :, index]).all() else 2
        yield Column(index, np.ascontiguousarray(content[:, :, index]), frames)
