"""Samples as they lie in files, for whoever reads them there without a reader between."""

from dataclasses import dataclass

from spectrogram_worker.sources.samples.sample_type import SampleType
from spectrogram_worker.sources.store import SampleFile


@dataclass(frozen=True)
class FileRange:
    """`count` samples that lie one behind the other in a file with a descriptor, the first at byte `offset`."""

    file: SampleFile
    offset: int
    count: int


@dataclass(frozen=True)
class FileSamples:
    """Samples without a gap: each range continues the one before it. Nothing but they lies in the ranges.

    What lies there may still have to be looked at: numbers that are not finite, or padding.
    """

    sample_type: SampleType
    ranges: tuple[FileRange, ...]

    def require_unchanged(self) -> None:
        """Raise WorkerError 65 where a file was changed since it was opened: to be called when all was read."""
        for each in self.ranges:
            each.file.require_unchanged()
