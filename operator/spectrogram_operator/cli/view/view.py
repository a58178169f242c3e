"""`view NAME`: the job's picture, or with --save all its results."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from spectrogram_operator.api.job import Job, ValidJob, read_job
from spectrogram_operator.cli.cluster.access import Connection, Target, connect
from spectrogram_operator.cli.cluster.words import CANNOT_CREATE, NOT_FOUND, no_such_jobs, refusals_in_words
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.settings_file import settings_of, with_settings_file
from spectrogram_operator.cli.view.fetch import Source, fetch
from spectrogram_operator.cli.view.received import local_names
from spectrogram_worker.contract.report import OutputFile, clean_text

_PICTURE = "image/png"
_PREFIX = ".spectrogram-"


def view(
    target: Target,
    name: str,
    *,
    save: Path | None,
    settings_file: Path | None,
    image: str | None,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the job's picture, or save all its results. Raises CommandError where there are none to be had."""
    connection = connect(target)
    policy = settings_of(environ).policy
    policy = policy if settings_file is None else with_settings_file(policy, settings_file)
    source = Source(pods=connection.jobs, policy=policy, image=image, sleep=sleep)
    with refusals_in_words(connection.jobs.server, connection.namespace):
        job, outputs = _results(connection, name)
        if save is not None:
            _save(job, outputs, save, source)
            return
        pictures = [output for output in outputs if output.media_type == _PICTURE]
        if not pictures:
            message = f"{name} has no picture: `spectrogram view {name} --save DIR` fetches what it has"
            raise CommandError(message, exit_code=NOT_FOUND)
        _show(job, pictures[0], source, environ)


def _results(connection: Connection, name: str) -> tuple[ValidJob, Sequence[OutputFile]]:
    body = connection.jobs.read(connection.namespace, name)
    if body is None:
        raise no_such_jobs(connection.jobs, connection.namespace, [name])
    job: Job = read_job(body)
    if not isinstance(job, ValidJob) or not job.status.outputs:
        state = clean_text(f"{job.status.phase or 'not looked at by any operator'}")
        message = f"{name} has no results: it is {state}; `spectrogram status {name}` says more"
        raise CommandError(message, exit_code=NOT_FOUND)
    return job, job.status.outputs


def _save(job: ValidJob, outputs: Sequence[OutputFile], folder: Path, source: Source) -> None:
    """All or nothing; what is there already is never replaced."""
    names = local_names(outputs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = [folder / name for name in names.values() if (folder / name).exists()]
        if taken:
            raise CommandError(f"{taken[0]} is there already: name another folder", exit_code=CANNOT_CREATE)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as incoming:
            fetch(job, outputs, Path(incoming), source)
            for name in names.values():
                os.rename(Path(incoming, name), folder / name)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror or error}", exit_code=CANNOT_CREATE) from None
    for name in names.values():
        print(folder / name)


def _show(job: ValidJob, picture: OutputFile, source: Source, environ: Mapping[str, str]) -> None:
    from spectrogram_operator.cli.view.picture import in_terminal, on_desktop, opened

    (name,) = local_names([picture]).values()
    folder = Path(tempfile.mkdtemp(prefix=f"spectrogram-{job.name[:40]}-"))
    is_kept = False
    try:
        fetch(job, [picture], folder, source)
        opened(folder / name)
        if not in_terminal(folder / name, Console()):
            is_kept = True
            opens = on_desktop(folder / name, environ)
            print(f"The picture is {folder / name}{', and is being opened' if opens else ''}")
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
