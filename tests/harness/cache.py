"""Things that are slow to make, made once and kept in the user's cache folder, named by what they are made of.

A thing is never changed after it appeared: other inputs have another key, hence another folder. To make all anew,
delete the folder that `folder()` names.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_VERSIONS = 3


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "spectrogram-operator"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(*inputs: str | bytes) -> str:
    """The same for the same inputs, and only then: each input is hashed on its own, so that none runs into the next."""
    digest = hashlib.sha256()
    for data in inputs:
        digest.update(hashlib.sha256(data.encode() if isinstance(data, str) else data).digest())
    return digest.hexdigest()[:16]


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `kind-key`; if it is not there, `make` fills a new folder, which then takes its place all at once."""
    wanted = folder() / f"{kind}-{key}"
    if wanted.exists():
        os.utime(wanted)
        return wanted
    with locked(kind):
        if not wanted.exists():
            unfinished = folder() / f"unfinished-{kind}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                make(unfinished)
                unfinished.rename(wanted)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            _forget_old_versions(kind)
    return wanted


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Two runs at once must not make the same thing twice. The lock ends with the process, whatever ends that."""
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old_versions(kind: str) -> None:
    versions = [path for path in folder().glob(f"{kind}-*") if len(path.name) == len(kind) + 17]
    for path in sorted(versions, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_VERSIONS:]:
        shutil.rmtree(path, ignore_errors=True)
