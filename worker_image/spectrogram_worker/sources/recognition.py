"""Which format a recording has: by its content first, by its name second."""

import logging
import re
import zlib
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
    describing,
    metadata_path,
)
from spectrogram_worker.sources.store import RecordingStore

_HEAD_BYTES = 512
_SDRIQ_BYTES = 32
_COLLECTION = re.compile(rb'\s*\{\s*"collection"\s*:')
_OTHER_FORMATS = (
    (b"RIFF", "a RIFF file, but no WAV file"),
    (b"RF64", "an RF64 file, but no WAV file"),
    (b"FORM", "an AIFF file"),
    (b".snd", "an AU file"),
    (b"caff", "a CAF file"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"MATLAB 7.3 MAT-file", "a MATLAB file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"OggS", "an Ogg file"),
    (b"\x00\x05\x16\x07", "an AppleDouble file, which macOS keeps beside another"),
    (b"\x89HDF\r\n\x1a\n", "a single HDF5 file (of Digital RF name the folder)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
)
_BEHIND_HEADERS = (
    (b"ZIQ_", "a compressed baseband of SatDump (ZIQ)", "record it as cs16 or cf32, or convert it with SatDump"),
    (b"ZIQ2", "a compressed baseband of SatDump (ZIQ)", "record it as cs16 or cf32, or convert it with SatDump"),
    (b"BLUEEEEI", "an X-Midas BLUE file", "convert it to SigMF"),
    (b"BLUEIEEE", "an X-Midas BLUE file", "convert it to SigMF"),
)
"""What is noise where it is read as samples from the first byte on; and what mends it."""
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
    head = require_no_foreign_header(store, path)
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
    if (named_in := describing(store, path)) is not None:
        return InputFormat.SIGMF, f"{named_in.name} names it as its samples"
    return InputFormat.RAW, "its content has no header that is known"


def header_warnings(name: str, head: bytes) -> tuple[str, ...]:
    """What a person should know who reads the file from its first byte on, as lines; `head` are its first bytes."""
    if (kind := container(head)) is not None:
        what, mend = f"a {kind} file", "; set input.format: Audio to read what is behind it"
    elif head.startswith(b"\x93NUMPY"):
        what, mend = "a NumPy file", "; set input.format: NumPy to read what is behind it"
    elif head[257:].startswith(b"ustar"):
        what, mend = "a tar archive", ""
    else:
        what, mend = next((what for magic, what in _OTHER_FORMATS if head.startswith(magic)), ""), ""
    return (f"{name} begins as {what} does: its header is read as samples{mend}",) if what else ()


def require_no_foreign_header(store: RecordingStore, path: PurePosixPath) -> bytes:
    """The file's first bytes. Raises WorkerError 65 where they, or its name, say that no format fits, not even Raw."""
    with closing(store.open(path)) as file:
        content = np.empty(min(file.size, _HEAD_BYTES), np.uint8)
        file.read(0, content)
    head, name = content.tobytes(), path.name.lower()
    if name.endswith(".sigmf-collection") or _COLLECTION.match(head):
        what, mend = "a SigMF collection, which holds no samples", "name one of its recordings"
    elif name.endswith(".iq.tar"):
        what, mend = "an iq.tar file of Rohde & Schwarz", "convert it to SigMF"
    elif len(head) > _SDRIQ_BYTES and int.from_bytes(head[28:32], "little") == zlib.crc32(head[:28]):
        what, mend = "an sdriq file of SDRangel", "record it as SigMF or WAV, or convert it"
    else:
        found = next((known for known in _BEHIND_HEADERS if head.startswith(known[0])), None)
        if found is None:
            return head
        _, what, mend = found
    raise input_invalid(f"{store.shown(path)} is {what}, which is not read: {mend}")
