"""`submit`: the jobs of files and flags, looked at here before the cluster gets any of them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from spectrogram_operator.cli.cluster.access import Connection, Target, connect
from spectrogram_operator.cli.cluster.words import CANNOT_CREATE, in_words, refusals_in_words
from spectrogram_operator.cli.commands.listing import title
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.reading.job_file import Submission, check_job, read_submissions, read_template
from spectrogram_operator.cli.reading.job_flags import EMPTY, Flags, changed, made, made_for
from spectrogram_operator.control.cluster.protocol import ClusterError


def submit(
    target: Target,
    words: Sequence[str],
    template: Path | None,
    flags: Flags,
    *,
    name_only: bool = False,
    dry_run: bool = False,
) -> None:
    """Create the jobs, and print the name of each; `name_only`: nothing else. `dry_run`: print the jobs, create none.

    Those whose names are taken are left alone, and the others created. Raises CommandError (73) then.
    """
    submissions = wanted(words, template, flags)
    if dry_run:
        print(yaml.safe_dump_all([one.content for one in submissions], sort_keys=False, allow_unicode=True), end="")
        return
    connection = connect(target)
    places = [namespace_of(submission, connection) for submission in submissions]
    taken = []
    for submission, namespace in zip(submissions, places, strict=True):
        with refusals_in_words(connection.jobs.server, namespace):
            try:
                created = connection.jobs.create(namespace, submission.content)
            except ClusterError as error:
                if error.reason != "AlreadyExists":
                    raise
                taken.append(in_words(error, connection.jobs.server, namespace)[0])
                continue
        print(title(created) if name_only else f"{title(created)} created in {namespace}", flush=True)
    if taken:
        raise CommandError(*taken, exit_code=CANNOT_CREATE)


def wanted(words: Sequence[str], template: Path | None, flags: Flags) -> list[Submission]:
    """The jobs that are meant. `words` are recordings where something says what claim they are in, else files of jobs.

    Raises CommandError: 2 for wrong usage, 64 for a job that cannot be used.
    """
    is_made = template is not None or flags.source is not None or flags.mount is not None
    if words and not is_made:
        change = partial(changed, flags=flags)
        submissions = [one for word in words for one in read_submissions(Path(word), change)]
        if flags.name is not None and len(submissions) > 1:
            message = f"--name {flags.name}: there are {len(submissions)} jobs, and each needs a name of its own"
            raise CommandError(message, exit_code=WRONG_USAGE)
        return submissions
    if not is_made:
        raise CommandError("write a FILE with jobs, or --input CLAIM/PATH --output CLAIM", exit_code=WRONG_USAGE)
    begun = EMPTY if template is None else read_template(template)
    if words:
        return [check_job(content) for content in made_for(words, begun, flags)]
    if flags.mount is not None:
        raise CommandError("--mount: write the recordings too, as in /mnt/recordings/*.wav", exit_code=WRONG_USAGE)
    return [check_job(made(begun, flags))]


def namespace_of(submission: Submission, connection: Connection) -> str:
    """Where the job goes: where it says, else where the command says. Raises CommandError where they disagree."""
    written = submission.content["metadata"].get("namespace")
    if written is None:
        return connection.namespace
    if connection.is_namespace_given and written != connection.namespace:
        message = f"the job {submission.job.metadata.name} is of the namespace {written}: write --namespace {written}"
        raise CommandError(message, exit_code=WRONG_USAGE)
    return str(written)
