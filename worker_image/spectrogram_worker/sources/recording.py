"""What every format looks like from inside the worker: a `Recording`, read by one `Reader` per thread."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol

from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import InputFormat
from spectrogram_worker.sources.samples.file_samples import FileSamples


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What a range counts in: the rate, the number of samples, the time of the first one where that is known."""

    sample_rate: Fraction
    length: int
    start_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Description(Extent):
    """What a recording is, known before any sample is read.

    `length` is the number of samples from the first to the last, gaps included. `gaps` are the gaps that are known
    without reading samples: half-open (start, stop) sample indices from the recording's first sample, in order; some
    formats know only those of the selected range. `warnings` are lines for people.
    """

    format: InputFormat
    name: str
    center_frequency: float
    is_complex: bool
    bytes_per_sample: int
    sample_type: str
    gaps: tuple[tuple[int, int], ...] = ()
    is_compressed: bool = False
    warnings: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads samples for one thread, with buffers of its own.

    at_full_scale: how many samples are, of those that reads were asked to count so far. None where the recording holds
    floating-point numbers, of which nobody knows where the receiver's range ends.
    """

    at_full_scale: int | None

    def read(self, start: int, samples: NDArray[Any], *, counted: int = 0) -> NDArray[Any] | None:
        """Fill `samples` (shape (n,), complex64/128 or float32/64, full scale = 1) from sample index `start` on.

        Returns None when every sample is there, else a boolean array (n,), True where a sample is missing; missing
        samples are 0 in `samples`. Of the first `counted` samples those at full scale are counted: reads overlap, and
        no sample is to be counted twice. Raises WorkerError (65, 74) for data that cannot be read.
        """
        ...

    def in_files(self, start: int, count: int) -> FileSamples | None:
        """Where samples lie in files, for a kernel that reads them there; its files stay open until the next call.

        None where they do not lie there one behind the other: some are missing, compressed, of several channels, in a
        file that has no descriptor, or in too many files. `read` gives the same samples.
        """
        ...

    def close(self) -> None:
        """Release files."""
        ...


class Recording(Protocol):
    """An opened recording."""

    @property
    def description(self) -> Description:
        """What the recording is."""
        ...

    def reader(self) -> Reader:
        """A new reader: each thread needs its own."""
        ...

    def close(self) -> None:
        """Release files."""
        ...
