"""WAV, RF64, BW64 and W64 files of integers and floating-point samples: bytes behind a header."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.chunks import Data
from spectrogram_worker.sources.audio.header import FLOAT, WaveHeader
from spectrogram_worker.sources.audio.places import find_place, is_quiet
from spectrogram_worker.sources.plain.file_recording import Segment
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.samples.sample_type import SampleType, Stored
from spectrogram_worker.sources.selection import select
from spectrogram_worker.sources.store import SampleFile

_FLOATS = {32: "FLOAT", 64: "DOUBLE"}
_LARGEST_BITS = 64
_QUIET = (
    "its 32-bit samples use the lowest 24 bits only: if the recorder put 24-bit values there (arecord -f S24_LE), all"
    " levels are 48.16 dB too low, which transform.calibrationOffsetDb: 48.16 makes good"
)


@dataclass(frozen=True)
class Wave:
    """What lies in one component of each channel of a wave file, and how people call it."""

    component: np.dtype[np.generic]
    stored: Stored | None
    width: int
    name: str
    warnings: tuple[str, ...] = ()


def read_wave(file: SampleFile, header: WaveHeader) -> Wave:
    """What the samples are. Raises WorkerError 65 for a header that contradicts itself, or a width that is not read."""
    width = _width(file.name, header)
    order = ">" if header.is_big_endian else "<"
    if header.encoding == FLOAT:
        if header.bits not in _FLOATS or width * 8 != header.bits:
            raise input_invalid(
                f"{file.name} holds floating-point samples of {header.bits} bits in {width} bytes, but those of 32 and"
                " 64 are read: convert it"
            )
        return Wave(np.dtype(f"{order}f{width}"), None, width, _FLOATS[header.bits])
    if not 1 <= header.valid_bits <= 8 * width <= _LARGEST_BITS:
        raise input_invalid(
            f"{file.name} holds samples of {header.valid_bits} bits in {width} bytes, but those of 1 to 64 bits in up"
            " to 8 bytes are read: repair its header, or convert it"
        )
    if width > 1 and header.bits <= 8:
        raise input_invalid(
            f"{file.name} holds {header.bits}-bit samples in {width} bytes: write it again with 1 byte each"
        )
    if width == 1:
        return Wave(np.dtype("u1"), None, width, "PCM_U8")
    place, is_guess = find_place(file, header, width)
    component = np.dtype(f"{order}i{2 if place.size <= 2 else 4 if place.size <= 4 else 8}")
    is_plain = place == Stored(0, component.itemsize, component.itemsize)
    name = f"PCM_{8 * place.size}" + (f" in {width} bytes" if place.size < width else "")
    if is_guess:
        offset = f"{20 * math.log10(2.0 ** (8 * width - header.valid_bits)):.2f}"
        guess = f"its {header.valid_bits}-bit samples use neither the lowest nor the highest of {width} bytes: they are"
        guess += " taken to lie in the highest; if they lie in the lowest, all levels are"
        guess += f" {offset} dB too low, which transform.calibrationOffsetDb: {offset} makes good"
        return Wave(component, None if is_plain else place, width, name, (guess,))
    warnings = (_QUIET,) if (width, header.valid_bits) == (4, 32) and is_quiet(file, header) else ()
    return Wave(component, None if is_plain else place, width, name, warnings)


def _width(name: str, header: WaveHeader) -> int:
    """Bytes of a sample of one channel."""
    packed = -(-header.bits // 8)
    if header.channels == 0 or packed == 0:
        raise input_invalid(f"{name} says {header.channels} channels of {header.bits} bits: repair its header")
    is_packed = header.byte_rate == header.rate * header.channels * packed
    if header.frame_bytes == 0 or (is_packed and header.frame_bytes != header.channels * packed):
        return packed
    width, rest = divmod(header.frame_bytes, header.channels)
    if rest or width < packed:
        raise input_invalid(
            f"{name} contradicts itself: {header.channels} channels of {header.bits} bits cannot lie in"
            f" {header.frame_bytes} bytes (its block align): repair its header"
        )
    return width


def wave_type(wave: Wave, channels: int, chosen: tuple[int, ...]) -> SampleType:
    """The chosen channel, or the two that are I and Q."""
    is_iq = len(chosen) == 2
    return SampleType(
        component=wave.component,
        is_complex=is_iq,
        channels=channels,
        channel=0 if is_iq else chosen[0],
        iq_channels=(chosen[0], chosen[1]) if is_iq else None,
        zero_on_code=not is_iq,
        stored=wave.stored,
    )


def wave_segments(data: Iterable[Data], stride: int) -> list[Segment]:
    """The samples of all data chunks, one behind the other."""
    segments: list[Segment] = []
    position = 0
    for chunk in data:
        count = chunk.size // stride
        if count:
            segments.append(Segment(position, count, chunk.offset))
            position += count
    return segments


def checked(
    file: SampleFile, description: Description, selection: RecordingSelection, data: tuple[Data, ...], stride: int
) -> Description:
    """`description` with warnings where the header's lengths are not true.

    Raises WorkerError 65 where there is no sample, or where fewer are there than header and job say.
    """
    if any(chunk.size % stride for chunk in [chunk for chunk in data if chunk.size][:-1]):
        raise input_invalid(
            f"{file.name} has several data chunks, and not each of them holds whole samples of {stride} bytes: write it"
            " again with one data chunk"
        )
    there = sum(chunk.size // stride for chunk in data)
    declared = sum(chunk.declared // stride for chunk in data)
    kinds = {chunk.kind for chunk in data} - {"exact"}
    if there == 0 and "short" not in kinds:
        raise input_invalid(f"{file.name} is empty: its header says that it holds no sample")
    warnings: tuple[str, ...] = ()
    if "short" in kinds:
        needed = select(replace(description, length=declared), selection.range)
        said = sum(chunk.declared for chunk in data)
        if there == 0 or needed.start + needed.count > there:
            part = f", or set input.range to what is there: {{startSample: 0, samples: {there}}}" if there else ""
            raise input_invalid(
                f"{file.name} was cut off: its header says {said} bytes of samples ({declared} samples), {there}"
                f" samples are there: copy it again{part}"
            )
        warnings = (f"{file.name} was cut off: its header says {declared} samples, {there} are there",)
    elif "unknown" in kinds:
        warnings = (
            f"The header of {file.name} does not say how many samples it holds: all {there} to its end are read",
        )
    elif kinds:
        warnings = (f"The header of {file.name} says {declared} samples, but {there} are there: all of them are read",)
    return replace(description, warnings=(*description.warnings, *warnings), length=there)
