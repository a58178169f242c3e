"""What the arrays say about themselves: names, units, and everything that the numbers depend on.

Zarr and HDF5 files follow the CF conventions (cfconventions.org), which xarray and its kin read.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from spectrogram_worker.contract.document import WorkerDocument
from spectrogram_worker.contract.parameters import Reduction
from spectrogram_worker.spectrum.axes import Layout

ARRAY_NAMES = {Reduction.MAX: "max", Reduction.MEAN: "mean", Reduction.MIN: "min", Reduction.NONE: "power"}
FRAMES_NAME = "frames"
"""The array of how many frames of each column have data."""
_CELL_METHODS = {Reduction.MAX: "maximum", Reduction.MEAN: "mean", Reduction.MIN: "minimum"}
_QUANTITIES = {"density": "power spectral density", "spectrum": "power"}

Texts = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What the axes need to know of the recording: Hz, Hz, UTC of the range's first sample."""

    name: str
    sample_rate: float
    center_frequency: float
    start_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """CF attributes of the whole, of the two axes, of the count of frames, and of the array of each reduction, in the
    layout's order."""

    whole: Texts
    frequency: Texts
    time: Texts
    frames: Texts
    arrays: tuple[Texts, ...]


def describe_arrays(document: WorkerDocument, layout: Layout, signal: Signal) -> Attributes:
    """The attributes of a job's arrays."""
    whole = {
        "Conventions": "CF-1.11",
        "title": signal.name,
        "source": f"spectrogram of {document.input.path}",
        "metadata": json.dumps(array_metadata(document, layout, signal), ensure_ascii=False),
    }
    return Attributes(
        whole=whole,
        frequency=_frequency(signal),
        time=_time(signal),
        frames={"units": "1", "long_name": "frames with data in each column"},
        arrays=tuple(_array(reduction, document, layout) for reduction in layout.reductions),
    )


def _frequency(signal: Signal) -> Texts:
    texts = {"units": "Hz", "long_name": "frequency"}
    if signal.center_frequency > 0:  # a radio's: what has none may be sound
        texts["standard_name"] = "radiation_frequency"
    return texts


def _time(signal: Signal) -> Texts:
    """CF times are UTC unless they say otherwise. Without a start they are mere seconds."""
    if signal.start_time is None:
        return {"units": "s", "long_name": "time after the start, middle of each column", "axis": "T"}
    start = signal.start_time.astimezone(UTC).replace(tzinfo=None)
    return {
        "units": f"seconds since {start.isoformat(' ')}",
        "calendar": "standard",
        "standard_name": "time",
        "long_name": "time (UTC), middle of each column",
        "axis": "T",
    }


def _array(reduction: Reduction, document: WorkerDocument, layout: Layout) -> Texts:
    quantity = _QUANTITIES[document.transform.scaling]
    texts = {"units": layout.unit, "comment": "NaN is no data, -inf is zero power; reduced in linear power"}
    if reduction is Reduction.NONE:
        return texts | {"long_name": quantity}
    method = _CELL_METHODS[reduction]
    return texts | {"long_name": f"{method} {quantity}", "cell_methods": f"time: {method}"}


def array_metadata(document: WorkerDocument, layout: Layout, signal: Signal) -> dict[str, object]:
    """What `metadata` in the arrays says: units and everything that the numbers depend on."""
    transform = document.transform
    return {
        "units": {"frequency": "Hz", "time": "s", "power": layout.unit},
        "scaling": transform.scaling,
        "window": transform.window.to_document(),
        "windowLength": transform.window_length,
        "fftSize": transform.fft_size,
        "hopSize": transform.hop_size,
        "detrend": transform.detrend,
        "precision": transform.precision,
        "calibrationOffsetDb": transform.offset_db,
        "reductions": [str(reduction) for reduction in layout.reductions],
        "framesPerColumn": layout.frames_per_column,
        "sampleRate": signal.sample_rate,
        "centerFrequency": signal.center_frequency,
        "startTime": signal.start_time.isoformat() if signal.start_time else None,
        "input": document.input.path,
        "job": document.job.title,
    }
