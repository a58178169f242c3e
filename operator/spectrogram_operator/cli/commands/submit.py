"""`submit`: the jobs of a file, looked at here before the cluster gets any of them."""

from pathlib import Path

from spectrogram_operator.cli.cluster.access import Connection, Target, connect
from spectrogram_operator.cli.cluster.words import refusals_in_words
from spectrogram_operator.cli.commands.listing import title
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.job_file import Submission, read_submissions


def submit(target: Target, file: Path, *, name_only: bool) -> None:
    """Create the jobs, and print the name of each; `name_only`: nothing else."""
    submissions = read_submissions(file)
    connection = connect(target)
    places = [namespace_of(submission, connection) for submission in submissions]
    for submission, namespace in zip(submissions, places, strict=True):
        with refusals_in_words(connection.jobs.server, namespace):
            created = connection.jobs.create(namespace, submission.content)
        print(title(created) if name_only else f"{title(created)} created in {namespace}", flush=True)


def namespace_of(submission: Submission, connection: Connection) -> str:
    """Where the job goes: where it says, else where the command says. Raises CommandError where they disagree."""
    written = submission.content["metadata"].get("namespace")
    if written is None:
        return connection.namespace
    if connection.is_namespace_given and written != connection.namespace:
        message = f"the job {submission.job.metadata.name} is of the namespace {written}: write --namespace {written}"
        raise CommandError(message, exit_code=WRONG_USAGE)
    return str(written)
