"""The folders that stand for a job's claims: --mount NAME=DIR, else a folder called NAME beside the job file."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_worker.contract import ExitCode


def find_claims(file: Path, spec: SpectrogramJobSpec, mounts: Sequence[str]) -> dict[str, Path]:
    """The folder of each claim of the job, before anything starts.

    Raises CommandError: 2 for a wrong --mount, 66 for an input that has no folder, 73 for an output that has none.
    """
    mounted = _parse_mounts(mounts, {spec.input.claim_name, spec.output.claim_name})
    wanted = (
        ("input", spec.input.claim_name, ExitCode.INPUT_NOT_FOUND),
        ("output", spec.output.claim_name, ExitCode.OUTPUT_NOT_WRITABLE),
    )
    folders = {}
    for field, name, code in wanted:
        folder = mounted.get(name, file.absolute().parent / name)
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise CommandError(
                f"spec.{field}.claimName: {folder}, the folder of the claim {name}, {what}:"
                f" make it, or name another one with --mount {name}=DIR",
                exit_code=code,
            )
        folders[name] = folder
    return folders


def _parse_mounts(mounts: Sequence[str], claims: set[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for mount in mounts:
        name, separator, folder = mount.partition("=")
        if not (name and separator and folder):
            raise _wrong(mount, "write NAME=DIR, as in recordings=/data/recordings")
        if name not in claims:
            close = difflib.get_close_matches(name, claims, n=1) or sorted(claims)
            raise _wrong(mount, f"the job has no claim {name}; did you mean {' or '.join(close)}?")
        if name in folders:
            raise _wrong(mount, f"{name} is mounted a second time: remove one of them")
        folders[name] = Path(folder).expanduser().absolute()
        if not folders[name].is_dir():
            raise _wrong(mount, f"{folders[name]} is not a folder: make it, or name another one")
    return folders


def _wrong(mount: str, what: str) -> CommandError:
    return CommandError(f"--mount {mount}: {what}", exit_code=WRONG_USAGE)
