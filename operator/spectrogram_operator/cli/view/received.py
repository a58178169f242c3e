"""Results as they come in: whoever sends them is not trusted.

What comes is written below one new folder, under names that were checked, no more bytes than the job's status says, and
kept only where its checksum is the one in the status.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from spectrogram_operator.cli.errors import CommandError
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.handing_out import MOST_FILES, Piece
from spectrogram_worker.contract.report import OutputFile, clean_text

_LONGEST_NAME = 200


@dataclass
class _Incoming:
    """One output under way: a file, or a folder of files."""

    output: OutputFile
    bytes: int = 0
    digests: dict[str, "hashlib._Hash"] = field(default_factory=dict)

    def checksum(self) -> str:
        """Of a file its own; of a folder that of what sha256sum says of its files, ordered by path."""
        if set(self.digests) == {""}:
            return self.digests[""].hexdigest()
        lines = (f"{digest.hexdigest()}  {path}\n" for path, digest in sorted(self.digests.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def local_names(outputs: Iterable[OutputFile]) -> dict[str, PurePosixPath]:
    """Where each output goes below the person's folder: its last name. Raises CommandError for a name that is none."""
    names: dict[str, PurePosixPath] = {}
    for output in outputs:
        name = _checked(output.path.rpartition("/")[2])
        if name in names.values():
            raise _refused(f"two results are called {name}")
        names[output.path] = name
    return names


def receive(lines: Iterable[bytes], outputs: Iterable[OutputFile], folder: Path) -> None:
    """Write the outputs into `folder`. Raises CommandError where what comes is not what the job's status says."""
    incoming = {output.path: _Incoming(output) for output in outputs}
    names = local_names(one.output for one in incoming.values())
    current: tuple[_Incoming, str, Path] | None = None
    ended, stray = False, ""
    for line in lines:
        piece = _read(line)
        if piece is None:
            stray = clean_text(line.decode(errors="replace"), _LONGEST_NAME) or stray
            continue
        if piece.error is not None:
            raise CommandError(clean_text(piece.error), exit_code=ExitCode.IO_ERROR)
        if piece.file is not None:
            current = _begin(piece.file, incoming, names, folder)
        elif piece.data is not None:
            if current is None:
                raise _refused("there are bytes of no file")
            _add(current, piece.data)
        elif piece.end:
            ended = True
            break
    if not ended:
        why = f" after: {stray}" if stray else ""
        raise CommandError(f"the transfer broke off{why}; try again", exit_code=ExitCode.TRANSIENT_ERROR)
    for path, one in incoming.items():
        if one.bytes != one.output.bytes or one.checksum() != one.output.sha256:
            raise _refused(f"{path} is not what the job published: it has changed since")


def _read(line: bytes) -> Piece | None:
    """None for what is none, as a line that a library has written."""
    try:
        return Piece.model_validate_json(line)
    except ValidationError:
        return None


def _begin(
    path: str, incoming: Mapping[str, _Incoming], names: Mapping[str, PurePosixPath], folder: Path
) -> tuple[_Incoming, str, Path]:
    for wanted, one in incoming.items():
        inside = "" if path == wanted else path.removeprefix(f"{wanted}/")
        if inside == path:
            continue
        if inside in one.digests or len(one.digests) >= MOST_FILES:
            raise _refused(f"{path} comes twice, or there are too many files")
        target = folder / names[wanted] / (_checked(inside) if inside else "")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.open("xb").close()
        except OSError:
            raise _refused(f"{path} is a file and a folder") from None
        one.digests[inside] = hashlib.sha256()
        return one, inside, target
    raise _refused(f"{path} is none of the job's results")


def _add(current: tuple[_Incoming, str, Path], content: bytes) -> None:
    one, inside, target = current
    one.bytes += len(content)
    if one.bytes > one.output.bytes:
        raise _refused(f"{one.output.path} is larger than the job says")
    one.digests[inside].update(content)
    with target.open("ab") as file:
        file.write(content)


def _checked(path: str) -> PurePosixPath:
    """The path, where each part of it is an ordinary name."""
    parts = path.split("/")
    if any(not part or (part.startswith(".") and not _is_metadata(part)) or _is_odd(part) for part in parts):
        raise _refused(f"{path} is no name for a file")
    return PurePosixPath(*parts)


def _is_metadata(part: str) -> bool:
    """What a Zarr folder calls its descriptions."""
    return part in (".zarray", ".zattrs", ".zgroup", ".zmetadata")


def _is_odd(part: str) -> bool:
    return len(part) > _LONGEST_NAME or clean_text(part, _LONGEST_NAME) != part or "\\" in part or ":" in part


def _refused(what: str) -> CommandError:
    return CommandError(clean_text(f"the results are not as they should be: {what}"), exit_code=ExitCode.INPUT_INVALID)
