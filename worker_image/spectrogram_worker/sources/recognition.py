"""Which format a recording has: by its content first, by its name second."""

import logging
from contextlib import closing
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.audio.chunks import container
from spectrogram_worker.sources.digital_rf.folders import is_digital_rf
from spectrogram_worker.sources.sigmf.metadata import (
    ARCHIVE_EXTENSION,
    DATA_EXTENSION,
    METADATA_EXTENSION,
    metadata_path,
)
from spectrogram_worker.sources.store import RecordingStore

_HEAD_BYTES = 512
_OTHER_FORMATS = (
    (b"RIFF", "a RIFF file, but no WAV file"),
    (b"RF64", "an RF64 file, but no WAV file"),
    (b"FORM", "an AIFF file"),
    (b"OggS", "an Ogg file"),
    (b"\x00\x05\x16\x07", "an AppleDouble file, which macOS keeps beside another"),
    (b"\x89HDF\r\n\x1a\n", "a single HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
)
_EXTENSIONS = {
    METADATA_EXTENSION: InputFormat.SIGMF,
    DATA_EXTENSION: InputFormat.SIGMF,
    ARCHIVE_EXTENSION: InputFormat.SIGMF,
    ".wav": InputFormat.AUDIO,
    ".rf64": InputFormat.AUDIO,
    ".w64": InputFormat.AUDIO,
    ".flac": InputFormat.AUDIO,
    ".npy": InputFormat.NUMPY,
}

log = logging.getLogger(__name__)


def recognised(store: RecordingStore, selection: RecordingSelection) -> InputFormat:
    """The format of the recording at `selection.path`; a log line says what it was recognised by.

    Raises WorkerError: 65 for a format that is known but not read, or a folder that holds no recording; 66 for nothing.
    """
    path = PurePosixPath(selection.path)
    found, seen = _look(store, path, says_datatype=selection.raw is not None and selection.raw.datatype is not None)
    log.info("Recognised %s as %s: %s", store.shown(path), found, seen)
    return found


def _look(store: RecordingStore, path: PurePosixPath, *, says_datatype: bool) -> tuple[InputFormat, str]:
    """The format, and what was seen of it."""
    name = store.shown(path)
    if store.is_file(metadata := metadata_path(path)):
        return InputFormat.SIGMF, f"{metadata.name} describes it"
    store.require(path)
    if store.is_folder(path):
        if is_digital_rf(store, path):
            return InputFormat.DIGITAL_RF, "the folder holds channels with their properties"
        raise input_invalid(
            f"{name} is a folder without a Digital RF channel (<channel>/drf_properties.h5): name the recording itself"
        )
    head = _head(store, path)
    if (kind := container(head)) is not None:
        return InputFormat.AUDIO, f"it begins as a {kind} file does"
    if head.startswith(b"\x93NUMPY"):
        return InputFormat.NUMPY, "it begins as a NumPy file does"
    if head[257:].startswith(b"ustar"):
        return InputFormat.SIGMF, "it is a tar archive, as SigMF archives are"
    for magic, what in _OTHER_FORMATS:
        if head.startswith(magic):
            raise input_invalid(
                f"{name} is {what}, which is not read: convert it to SigMF, or set input.format: Raw to read its bytes"
            )
    extension = path.suffix.lower()
    if extension in _EXTENSIONS and not says_datatype:
        return _EXTENSIONS[extension], f"its name ends in {extension}, and its content says nothing else"
    return InputFormat.RAW, "its content has no header that is known"


def _head(store: RecordingStore, path: PurePosixPath) -> bytes:
    with closing(store.open(path)) as file:
        content = np.empty(min(file.size, _HEAD_BYTES), np.uint8)
        file.read(0, content)
    return content.tobytes()
