"""What stands for a job's claims and stores on this machine: --mount NAME=DIR, for a store else what --settings says of
it, else a folder called NAME beside the job file.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spectrogram_operator.api.spec import Input, Output, SpectrogramJobSpec
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.core.building.stores import title_of_host
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.addresses import is_allowed, without_query


@dataclass(frozen=True)
class Places:
    """The folder of each claim, and the stores of the job: a folder is the claim of its store's name."""

    folders: Mapping[str, Path]
    stores: Mapping[str, Store]

    def show(self, place: Input | Output, path: str) -> str:
        """Where `path` is, for people: a path of this machine, a path in a store, or an address."""
        if isinstance(place, Input) and place.url is not None:
            return without_query(place.url)
        claim = place.claim_name
        if claim is None:
            store = self.stores[place.store or ""]
            if store.bucket is not None:
                return f"{path} in the store {place.store}"
            claim = store.claim_name
        return str(self.folders[claim] / path)


def find_places(
    file: Path, spec: SpectrogramJobSpec, mounts: Sequence[str], policy: Policy, *, needs_output: bool = True
) -> Places:
    """The places of the job, before anything starts; without `needs_output` only where its recording is.

    Raises CommandError: 2 for a wrong --mount, 66 for an input that is nowhere, 73 for an output that is, 64 for a host
    that is not allowed.
    """
    used = {name for place in (spec.input, spec.output) for name in (place.claim_name, place.store) if name}
    behind = {policy.stores[name].claim_name for name in used & policy.stores.keys()} - {""}
    mounted = _parse_mounts(mounts, used | behind)
    folders: dict[str, Path] = {}
    stores: dict[str, Store] = {}
    wanted: tuple[tuple[str, Input | Output, ExitCode], ...] = (
        ("input", spec.input, ExitCode.INPUT_NOT_FOUND),
        ("output", spec.output, ExitCode.OUTPUT_NOT_WRITABLE),
    )
    for field, place, code in wanted if needs_output else wanted[:1]:
        title, claim = f"spec.{field}.claimName", place.claim_name
        if place.store is not None:
            title = f"spec.{field}.store"
            stores[place.store] = store = _find_store(title, place.store, file, mounted, policy, code)
            claim = store.claim_name or None
        if claim is not None:
            folders[claim] = _find_folder(title, claim, file, mounted, code)
    if spec.input.url is not None and not is_allowed(spec.input.url, policy.allowed_url_hosts):
        message = (
            f"spec.input.url: {title_of_host(spec.input.url)} is not allowed: list it in allowedUrlHosts of a file"
        )
        raise CommandError(f"{message}, and name the file with --settings FILE", exit_code=ExitCode.INVALID_SPEC)
    return Places(folders, stores)


def _find_store(
    title: str, name: str, file: Path, mounted: Mapping[str, Path], policy: Policy, code: ExitCode
) -> Store:
    beside = file.absolute().parent / name
    if name in policy.stores and name not in mounted:
        return policy.stores[name]
    if name in mounted or beside.is_dir():
        return Store(claim_name=name)
    known = f" (there are {', '.join(sorted(policy.stores))} now)" if policy.stores else ""
    raise CommandError(
        f"{title}: nothing here stands for the store {name}: make the folder {beside}, or name another one with"
        f" --mount {name}=DIR, or describe the store in a file and name the file with --settings FILE{known}",
        exit_code=code,
    )


def _find_folder(title: str, claim: str, file: Path, mounted: Mapping[str, Path], code: ExitCode) -> Path:
    folder = mounted.get(claim, file.absolute().parent / claim)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise CommandError(
            f"{title}: {folder}, the folder of the claim {claim}, {what}:"
            f" make it, or name another one with --mount {claim}=DIR",
            exit_code=code,
        )
    return folder


def _parse_mounts(mounts: Sequence[str], names: set[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for mount in mounts:
        name, separator, folder = mount.partition("=")
        if not (name and separator and folder):
            raise _wrong(mount, "write NAME=DIR, as in recordings=/data/recordings")
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1) or sorted(names)
            raise _wrong(mount, f"the job has no claim or store {name}; did you mean {' or '.join(close)}?")
        if name in folders:
            raise _wrong(mount, f"{name} is mounted a second time: remove one of them")
        folders[name] = Path(folder).expanduser().absolute()
        if not folders[name].is_dir():
            raise _wrong(mount, f"{folders[name]} is not a folder: make it, or name another one")
    return folders


def _wrong(mount: str, what: str) -> CommandError:
    return CommandError(f"--mount {mount}: {what}", exit_code=WRONG_USAGE)
