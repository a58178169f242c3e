"""Segments of stored samples joined to one recording.

A segment is samples without a gap between them: a raw file, a SigMF capture, a part of a Digital RF file. A gap is what
is missing: samples between two segments, or inside of one that are not numbers or only fill it up. Each format says
where the bytes of its segments are; reading, converting and marking what is missing are here, once.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.memory import READER_BUFFER_BYTES
from spectrogram_worker.sources.samples.buffers import page_aligned
from spectrogram_worker.sources.samples.file_samples import FileRange, FileSamples
from spectrogram_worker.sources.samples.sample_type import Decoded, SampleType, long_runs
from spectrogram_worker.sources.store import SampleFile

MAXIMUM_LISTED_GAPS = 1000
MOST_RANGES = 16
"""Ranges of files that samples may lie in, for a kernel that reads them there."""


class SegmentReader(ABC):
    """Reads samples for one thread, through a buffer of 512 KiB where they must be converted; see `Reader`.

    starts, stops: (segments,) sample indices from the recording's first sample, ascending, without overlap.
    """

    def __init__(self, sample_type: SampleType, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> None:
        self._type = sample_type
        self._starts = starts
        self._stops = stops
        self.at_full_scale = None if sample_type.component.kind == "f" else 0
        self._rows = max(1, READER_BUFFER_BYTES // sample_type.stride)
        self._buffer = page_aligned(self._rows * sample_type.stride, np.uint8)

    @abstractmethod
    def _fetch(self, segment: int, first: int, content: NDArray[np.uint8]) -> None:
        """Fill `content` with the stored bytes of the segment's samples from `first` on, all channels."""

    def _place(self, segment: int, first: int) -> tuple[SampleFile, int] | None:
        """The file, and the byte in it, where the segment's samples from `first` on lie one behind the other, if so."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Release files."""

    def read(self, start: int, samples: NDArray[Any], *, counted: int = 0) -> NDArray[np.bool_] | None:
        """Fill `samples` from sample index `start` on; returns what is missing, see `Reader.read`."""
        absent, (suspect, at_full_scale) = self._join(start, samples, counted=counted)
        if suspect is not None and self._type.padding_run:
            suspect = self._padding(start, suspect)
            at_full_scale -= int(np.count_nonzero(suspect[:counted]))  # padding is at the minimum, too
        if self.at_full_scale is not None:
            self.at_full_scale += at_full_scale
        missing = _union(absent, suspect)
        if missing is None or not missing.any():
            return None
        samples[missing] = 0
        return missing

    def in_files(self, start: int, count: int) -> FileSamples | None:
        """See `Reader.in_files`."""
        ranges: list[FileRange] = []
        position, stop = start, start + count
        segment = int(np.searchsorted(self._stops, start, side="right"))
        while self._type.is_plain and position < stop and len(ranges) < MOST_RANGES:
            if segment == len(self._starts) or self._starts[segment] > position:
                return None
            place = self._place(segment, position - int(self._starts[segment]))
            if place is None or place[0].descriptor is None:
                return None
            some = min(stop, int(self._stops[segment])) - position
            ranges.append(FileRange(*place, some))
            position, segment = position + some, segment + 1
        return FileSamples(self._type, tuple(ranges)) if position == stop else None

    def _padding(self, start: int, suspect: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which suspects are of a run that is long enough, wherever a read happens to cut it.

        At the beginning and end of a segment a single complex sample is enough: a writer that starts one sample later
        than its file pads one. With real samples that rule would take too many clipped ones for padding.
        """
        margin = self._type.padding_run - 1
        before, after = min(margin, start) * int(suspect[0]), margin * int(suspect[-1])
        begin, stop = start - before, start + len(suspect) + after
        around = (self._suspects(begin, before), suspect, self._suspects(stop - after, after))
        edges = self._edges(begin, stop) if self._type.is_complex else np.empty(0, np.int64)
        return long_runs(np.concatenate(around), margin + 1, edges - begin)[before : before + len(suspect)]

    def _suspects(self, start: int, count: int) -> NDArray[np.bool_]:
        _, found = self._join(start, np.empty(count, np.complex64 if self._type.is_complex else np.float32))
        return np.zeros(count, np.bool_) if found.suspect is None else found.suspect

    def _edges(self, start: int, stop: int) -> NDArray[np.int64]:
        """Where segments begin or end, from `start` to `stop`, ascending."""
        segments = slice(
            np.searchsorted(self._stops, start, side="left"), np.searchsorted(self._starts, stop, side="right")
        )
        return np.sort(np.concatenate((self._starts[segments], self._stops[segments])))

    def _join(self, start: int, samples: NDArray[Any], *, counted: int = 0) -> tuple[NDArray[np.bool_] | None, Decoded]:
        """Fill `samples`; returns which are outside every segment, (n,) or None for none, and what was seen of all."""
        absent: NDArray[np.bool_] | None = None
        suspect: NDArray[np.bool_] | None = None
        at_full_scale = 0
        position, stop = start, start + len(samples)
        direct = self._type.fits(samples)
        segment = int(np.searchsorted(self._stops, start, side="right"))
        while position < stop:
            known = segment < len(self._starts)
            begin = min(stop, int(self._starts[segment])) if known else stop
            if position < begin:
                absent = np.zeros(len(samples), np.bool_) if absent is None else absent
                absent[position - start : begin - start] = True
                samples[position - start : begin - start] = 0
                position = begin
                continue
            count = min(stop - position, int(self._stops[segment]) - position)
            if not direct:
                count = min(count, self._rows)
            piece = slice(position - start, position - start + count)
            content = samples[piece].view(np.uint8) if direct else self._buffer[: count * self._type.stride]
            self._fetch(segment, position - int(self._starts[segment]), content)
            found = self._type.decode(content, samples[piece], counted=max(0, counted - piece.start))
            at_full_scale += found.at_full_scale
            if found.suspect is not None:
                suspect = np.zeros(len(samples), np.bool_) if suspect is None else suspect
                suspect[piece] = found.suspect
            position += count
            if position >= self._stops[segment]:
                segment += 1
        return absent, Decoded(suspect, at_full_scale)


def _union(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def gaps_between(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """The first 1000 gaps between segments, as half-open (start, stop) sample indices."""
    apart = np.flatnonzero(starts[1:] > stops[:-1])[:MAXIMUM_LISTED_GAPS]
    return tuple((int(stops[k]), int(starts[k + 1])) for k in apart)
