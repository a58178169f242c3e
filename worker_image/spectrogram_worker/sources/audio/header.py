"""The header of a WAV, RF64, BW64 or W64 file: what its samples are and where they lie, out of bounded reads."""

import struct
from dataclasses import dataclass

import numpy as np

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.auxi import Tuning, tuning
from spectrogram_worker.sources.audio.chunks import Data, Layout, ReadBytes
from spectrogram_worker.sources.store import SampleFile

PCM, FLOAT, ALAW, ULAW = 1, 3, 6, 7
_EXTENSIBLE = 0xFFFE
_ENCODINGS = {2: "MS_ADPCM", 0x11: "IMA_ADPCM", 0x31: "GSM610", 0x50: "MPEG", 0x55: "MP3", 0x161: "WMA", 0xFF: "AAC"}
_WINDOW_BYTES = 4096
_MOST_FORMAT_BYTES = 40
_MOST_AUXI_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class WaveHeader:
    """What the header says. encoding: PCM, FLOAT, ALAW or ULAW. bits: of a sample of one channel; valid_bits: those in
    use. frame_bytes: from one sample of all channels to the next, 0 where it does not say.
    """

    kind: str
    is_big_endian: bool
    encoding: int
    channels: int
    rate: int
    byte_rate: int
    frame_bytes: int
    bits: int
    valid_bits: int
    data: tuple[Data, ...]
    tuning: Tuning


def read_header(file: SampleFile, kind: str) -> WaveHeader:
    """The header of a file of this kind. Raises WorkerError 65 where it does not say what the samples are."""
    read = _windowed(file)
    layout = Layout(file.name, read, file.size, kind)
    format_content, said, data = b"", Tuning(), []
    for chunk, samples in layout.chunks():
        if samples is not None:
            data.append(samples)
        elif chunk.name == b"fmt " and not format_content:
            format_content = read(chunk.offset, min(chunk.size, _MOST_FORMAT_BYTES))
        elif chunk.name == b"auxi" and said == Tuning():
            said = tuning(read(chunk.offset, min(chunk.size, _MOST_AUXI_BYTES)))
    if not data:
        raise input_invalid(f"{file.name} is a {kind} file without samples (no data chunk): record or copy it again")
    order = ">" if layout.is_big_endian else "<"
    if len(format_content) < 16:
        raise input_invalid(f"{file.name} does not say what its samples are (no fmt chunk): repair its header")
    encoding, channels, rate, byte_rate, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", format_content[:16])
    valid_bits = bits
    if encoding == _EXTENSIBLE and len(format_content) >= 26:
        valid_bits, encoding = struct.unpack(f"{order}2xH4xH", format_content[16:26])
    if encoding not in (PCM, FLOAT, ALAW, ULAW):
        name = _ENCODINGS.get(encoding, f"encoding 0x{encoding:04X}")
        raise input_invalid(f"{file.name} holds {name} samples, which are not read: convert it to PCM or FLAC")
    return WaveHeader(
        kind=kind,
        is_big_endian=layout.is_big_endian,
        encoding=encoding,
        channels=channels,
        rate=rate,
        byte_rate=byte_rate,
        frame_bytes=frame_bytes,
        bits=bits,
        valid_bits=valid_bits or bits,
        data=tuple(data),
        tuning=said,
    )


def _windowed(file: SampleFile) -> ReadBytes:
    """Reads of small pieces, through one of 4 KiB."""
    held, held_from = b"", 0

    def read(offset: int, count: int) -> bytes:
        nonlocal held, held_from
        count = max(0, min(count, file.size - offset))
        if not held_from <= offset <= offset + count <= held_from + len(held):
            content = np.empty(min(max(count, _WINDOW_BYTES), file.size - offset) if count else 0, np.uint8)
            file.read(offset, content)
            held, held_from = content.tobytes(), offset
        return held[offset - held_from : offset - held_from + count]

    return read
