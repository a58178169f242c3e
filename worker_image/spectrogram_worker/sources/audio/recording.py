"""Audio files: WAV, RF64, BW64, W64 and FLAC. One channel is real; two are I and Q when the job says so.

Integers and floating-point samples behind a header are read as raw files are, the others by a library.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.auxi import Tuning
from spectrogram_worker.sources.audio.chunks import container
from spectrogram_worker.sources.audio.described import chosen_channels, described
from spectrogram_worker.sources.audio.header import FLOAT, PCM, WaveHeader, read_header
from spectrogram_worker.sources.audio.wave import checked, read_wave, wave_segments, wave_type
from spectrogram_worker.sources.plain.file_recording import FileRecording
from spectrogram_worker.sources.recording import Recording
from spectrogram_worker.sources.store import RecordingStore, SampleFile

_HEAD_BYTES = 16


def open_audio(store: RecordingStore, selection: RecordingSelection) -> Recording:
    """Open an audio file.

    Raises WorkerError: 64 for a channel that is not there, or I/Q that is not two channels; 65 for a file that is
    damaged, cut off, empty or of another kind; 66 where there is none.
    """
    path, said = PurePosixPath(selection.path), Tuning()
    with closing(store.open(path)) as file:
        kind = _require_known(file)
        if kind != "FLAC":
            header = read_header(file, kind)
            if header.encoding in (PCM, FLOAT):
                return _open_wave(store, path, selection, file, header)
            if [chunk.kind for chunk in header.data] != ["exact"]:
                raise input_invalid(
                    f"{file.name} holds compressed samples, and its header does not say how many: repair its header, or"
                    " convert it to PCM"
                )
            said = header.tuning
    if kind == "FLAC":
        store.fetch([path])  # to reach a sample takes many reads, here and there in the file
    from spectrogram_worker.sources.audio.compressed import open_compressed  # the library is loaded for these only

    return open_compressed(store, path, selection, said)


def _open_wave(
    store: RecordingStore, path: PurePosixPath, selection: RecordingSelection, file: SampleFile, header: WaveHeader
) -> FileRecording:
    wave = read_wave(file, header)
    chosen = chosen_channels(file.name, selection, header.channels)
    sample_type = wave_type(wave, header.channels, chosen)
    description = described(file.name, selection, header.rate, chosen, header.tuning)
    description = replace(
        description,
        bytes_per_sample=sample_type.sample_bytes,
        sample_type=f"{wave.name} I/Q" if sample_type.is_complex else wave.name,
        warnings=(*description.warnings, *(f"{file.name}: {warning}" for warning in wave.warnings)),
    )
    description = checked(file, description, selection, header.data, sample_type.stride)
    return FileRecording(store, path, description, sample_type, wave_segments(header.data, sample_type.stride))


def _require_known(file: SampleFile) -> str:
    if file.size == 0:
        raise input_invalid(f"{file.name} is empty: it holds no byte, record or copy it again")
    head = np.zeros(_HEAD_BYTES, np.uint8)
    if file.size >= _HEAD_BYTES:
        file.read(0, head)
    kind = container(head.tobytes())
    if kind is None:
        raise input_invalid(f"{file.name} is not a WAV, RF64, W64 or FLAC file: set input.format to what it is")
    return kind
