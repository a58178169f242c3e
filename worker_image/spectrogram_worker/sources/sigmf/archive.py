"""SigMF archives: a tar file that holds a recording's two files. They are read where they lie; nothing is extracted.

tarfile parses the headers and sees nothing else. How much it may read is bounded, since a header can claim that the
next one has gigabytes. Members that are not plain files, or whose names lead out of the archive, are refused.
"""

import io
import os
import re
import tarfile
from contextlib import closing
from pathlib import PurePosixPath

import numpy as np

from spectrogram_worker.errors import input_invalid
from spectrogram_worker.sources.plain.file_recording import Stored
from spectrogram_worker.sources.sigmf.metadata import (
    MAXIMUM_METADATA_BYTES,
    METADATA_EXTENSION,
    Metadata,
    parse_metadata,
)
from spectrogram_worker.sources.store import RecordingStore, SampleFile, is_left_by_macos

_MAXIMUM_MEMBERS = 1000
_LONGEST_NAME = 4096
_MAXIMUM_READ = 64 * 1024
_MAXIMUM_READS = 20_000
_OF_ROHDE_SCHWARZ = re.compile(r"[.](complex|polar|real)[.]\d+ch[.](float|int)\d+$")


def open_archive(store: RecordingStore, path: PurePosixPath) -> tuple[Metadata, Stored]:
    """The metadata and the place of the samples of the one recording in an archive.

    Raises WorkerError: 65 for an archive that is damaged, cut off, or holds anything but one recording; 66.
    """
    with closing(store.open(path)) as file:
        members = _members(file, path)
        described = [name for name in members if name.endswith(METADATA_EXTENSION)]
        if not described and any(_OF_ROHDE_SCHWARZ.search(name) for name in members):
            raise input_invalid(
                f"{file.name} is an iq.tar file of Rohde & Schwarz, which is not read: convert it to SigMF"
            )
        if len(described) != 1:
            found = f"{len(described)} recordings: extract it and name one" if described else "no .sigmf-meta file"
            raise input_invalid(f"{file.name} is a tar archive that holds {found}")
        folder, _, file_name = described[0].rpartition("/")
        place = members[described[0]]
        if place.size > MAXIMUM_METADATA_BYTES:
            raise input_invalid(f"{place.name} is larger than 16 MiB: remove annotations that are not needed")
        content = bytearray(place.size)
        file.read(place.offset, np.frombuffer(content, np.uint8))
    metadata = parse_metadata(place.name, file_name, content)
    samples = members.get(f"{folder}/{metadata.dataset_name}" if folder else metadata.dataset_name)
    if samples is None:
        raise input_invalid(f"{file.name} holds no {metadata.dataset_name} beside its metadata: archive it again")
    return metadata, samples


def _members(file: SampleFile, path: PurePosixPath) -> dict[str, Stored]:
    """The plain files in the archive by their names. Raises WorkerError 65 for members of any other kind."""
    found: dict[str, Stored] = {}
    try:
        with tarfile.TarFile(fileobj=_Headers(file)) as archive:
            while (member := archive.next()) is not None:
                # Else it keeps them all, with whatever their headers say. The types do not know this attribute.
                archive.members = []  # type: ignore[attr-defined]
                name = member.name.removeprefix("./")
                if any(map(is_left_by_macos, name.split("/"))):
                    continue
                if len(found) >= _MAXIMUM_MEMBERS:
                    raise input_invalid(f"{file.name} has more than {_MAXIMUM_MEMBERS} members: it is no SigMF archive")
                if name.startswith("/") or ".." in name.split("/") or "\0" in name:
                    raise input_invalid(f"{file.name} holds {name[:80]}, a name that leads out of it: archive it again")
                if len(name) > _LONGEST_NAME:
                    raise input_invalid(f"{file.name} holds {name[:80]}…, a name that is too long: archive it again")
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise input_invalid(f"{file.name} holds {name[:80]}, which is no plain file: archive it again")
                if name in found:
                    raise input_invalid(f"{file.name} holds {name[:80]} twice: archive it again")
                if member.offset_data + member.size > file.size:
                    raise input_invalid(f"{file.name} was cut off in the middle of {name[:80]}: copy it again")
                found[name] = Stored(path, f"{file.name}:{name}", member.offset_data, member.size)
    except (tarfile.TarError, ValueError, LookupError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:80]
        raise input_invalid(f"{file.name} is not a tar archive, or damaged ({reason}): archive it again") from None
    return found


class _Headers(io.RawIOBase):
    """The file as tarfile reads it: small pieces, forwards, and not without end."""

    def __init__(self, file: SampleFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0
        self._reads = 0

    def read(self, count: int = -1, /) -> bytes:
        """Up to `count` bytes from the position on."""
        self._reads += 1
        if not 0 <= count <= _MAXIMUM_READ or self._reads > _MAXIMUM_READS:
            raise ValueError("its headers are too long")
        content = np.empty(min(count, max(0, self._file.size - self._position)), np.uint8)
        self._file.read(self._position, content)
        self._position += len(content)
        return content.tobytes()

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte of the file, counted from its start."""
        if position < 0 or whence != os.SEEK_SET:
            raise ValueError("a header points before the file")
        self._position = position
        return position

    def tell(self) -> int:
        """The position."""
        return self._position
