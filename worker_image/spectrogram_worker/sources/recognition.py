"""Which format a recording has: by its content first, by its name second."""

from pathlib import Path

from spectrogram_worker.contract.parameters import InputFormat, RecordingSelection
from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.digital_rf_folders import is_digital_rf
from spectrogram_worker.sources.files import inside, regular_file, shown, unreadable
from spectrogram_worker.sources.sigmf_metadata import DATA_EXTENSION, METADATA_EXTENSION, metadata_path

_HEAD_BYTES = 512
_OTHER_FORMATS = (
    (0, b"RIFF", "a WAV file"),
    (0, b"RF64", "an RF64 file"),
    (0, b"riff", "a W64 file"),
    (0, b"fLaC", "a FLAC file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"\x93NUMPY", "a NumPy file"),
    (0, b"\x89HDF\r\n\x1a\n", "a single HDF5 file"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (257, b"ustar", "a tar archive"),
)


def recognised(root: Path, selection: RecordingSelection) -> InputFormat:
    """The format of the recording at `selection.path`.

    Raises WorkerError: 65 for a format that is known but not read, or a folder that holds no recording; 66 for nothing.
    """
    path = root / selection.path
    name = shown(root, path)
    if metadata_path(path).is_file():
        return InputFormat.SIGMF
    if inside(root, path).is_dir():
        if is_digital_rf(root, path):
            return InputFormat.DIGITAL_RF
        raise input_invalid(
            f"{name} is a folder without a Digital RF channel (<channel>/drf_properties.h5): name the recording itself"
        )
    head = _head(root, path)
    for offset, magic, what in _OTHER_FORMATS:
        if head[offset:].startswith(magic):
            raise input_invalid(
                f"{name} is {what}, which is not read: convert it to SigMF, or set input.format: Raw to read its bytes"
            )
    if path.name.endswith((METADATA_EXTENSION, DATA_EXTENSION)) and selection.raw is None:
        return InputFormat.SIGMF
    return InputFormat.RAW


def _head(root: Path, path: Path) -> bytes:
    real = regular_file(root, path)
    try:
        with real.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(shown(root, path), error) from None
