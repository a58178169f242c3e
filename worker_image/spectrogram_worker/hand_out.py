"""`python -m spectrogram_worker.hand_out`: prints results that lie in a claim or bucket, as lines of JSON."""

import errno
import os
import stat
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import OUTPUT_CREDENTIALS
from spectrogram_worker.contract.handing_out import MOST_FILES, PIECE_BYTES, WANTED_VARIABLE, Piece, WantedResults
from spectrogram_worker.errors import WorkerError, ending_of
from spectrogram_worker.storage.folders import walk
from spectrogram_worker.storage.way import LeadsOutError, way_to

if TYPE_CHECKING:
    from spectrogram_worker.storage.bucket import BucketClient, Entry

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Found:
    """A file: its path in the claim or bucket, its bytes, and its content piece by piece."""

    path: str
    size: int
    read: Callable[[], Iterator[bytes]]


def main() -> int:
    """Print what is wanted; returns the exit code of the contract."""
    try:
        hand_out(_wanted(os.environ.get(WANTED_VARIABLE, "")))
    except LeadsOutError:
        _print(Piece(error="a symbolic link among the results leads out of the claim"))
        return ExitCode.INPUT_INVALID
    except Exception as error:
        ending = ending_of(error)
        _print(Piece(error=ending.message))
        return ending.code
    return ExitCode.DONE


def _wanted(text: str) -> WantedResults:
    try:
        return WantedResults.model_validate_json(text)
    except ValidationError:
        raise WorkerError(ExitCode.WORKER_CONFIG_ERROR, f"{WANTED_VARIABLE} is not of this version") from None


def hand_out(wanted: WantedResults) -> None:
    """Print the results. Raises WorkerError: 66 for what is not there, 86 for more than is wanted."""
    find = _in_claim if wanted.bucket is None else _in_bucket
    found = [file for path in wanted.paths for file in find(wanted, path)]
    size = sum(file.size for file in found)
    if size > wanted.most_bytes or len(found) > MOST_FILES:
        message = f"files: {len(found)}, bytes: {size}, more than the job's status says: the results have changed"
        raise WorkerError(ExitCode.OUTPUT_NO_SPACE, message)
    for file in found:
        _print(Piece(file=file.path))
        for content in file.read():
            sys.stdout.write(f'{{"data":"{b64encode(content).decode()}"}}\n')
    _print(Piece(end=True))


def _print(piece: Piece) -> None:
    sys.stdout.write(piece.model_dump_json(exclude_none=True, exclude_defaults=True) + "\n")
    sys.stdout.flush()


def _missing(path: str) -> WorkerError:
    return WorkerError(ExitCode.INPUT_NOT_FOUND, f"there is no {path} any more")


def _in_claim(wanted: WantedResults, path: str) -> Iterator[Found]:
    """The file, or the files in the folder. Nothing outside of the claim, wherever links lead."""
    root = Path(os.path.realpath(wanted.folder))
    try:
        with way_to(root, PurePosixPath(path)) as (folder, name):
            status = folder.status(name)
            if status is None:
                raise _missing(path)
            if not stat.S_ISDIR(status.st_mode):
                yield Found(path, status.st_size, partial(_read_file, root, path))
                return
            with closing(folder.folder(name)) as inside:
                for below, place, last in walk(inside):
                    found = place.status(last)
                    size = found.st_size if found is not None else 0
                    yield Found(f"{path}/{below}", size, partial(_read_file, root, f"{path}/{below}"))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise _missing(path) from None
        raise


def _read_file(root: Path, path: str) -> Iterator[bytes]:
    with way_to(root, PurePosixPath(path)) as (folder, name), folder.open(name) as file:
        while content := file.read(PIECE_BYTES):
            yield content


def _in_bucket(wanted: WantedResults, path: str) -> Iterator[Found]:
    """The object, or all below it. boto3 is loaded only here."""
    from spectrogram_worker.storage.bucket import BucketClient, credentials_in

    assert wanted.bucket is not None
    keys = credentials_in(os.environ, OUTPUT_CREDENTIALS)
    client = BucketClient(wanted.bucket, keys, refused=ExitCode.INPUT_NOT_FOUND)
    entry = client.look(path)
    entries = [entry] if entry is not None else list(client.list(f"{path}/"))
    if not entries:
        raise _missing(path)
    for one in entries:
        yield Found(one.key, one.size, partial(_read_object, client, one))


def _read_object(client: "BucketClient", entry: "Entry") -> Iterator[bytes]:
    for start in range(0, entry.size, _BLOCK_BYTES):
        block = client.read(entry, start, min(_BLOCK_BYTES, entry.size - start))
        for begin in range(0, len(block), PIECE_BYTES):
            yield block[begin : begin + PIECE_BYTES]


if __name__ == "__main__":
    sys.exit(main())
