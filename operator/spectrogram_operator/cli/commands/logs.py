"""`logs`: what a worker has written, for people or as it is."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.status import Attempt
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Jobs
from spectrogram_operator.cli.cluster.words import NOT_FOUND, no_such_jobs, refusals_in_words
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.reading.settings_file import settings_of
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.status import is_over
from spectrogram_operator.local.worker_log import read_line
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import clean_text

_NOT_STARTED = ExitCode.TRANSIENT_ERROR


def show_log(
    target: Target,
    name: str,
    number: int | None,
    *,
    follow: bool,
    raw: bool,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Print the log of the job's last attempt, or of the one with this number."""
    connection = connect(target)
    settings = settings_of(environ)
    problem: str | None = None
    with refusals_in_words(connection.jobs.server, connection.namespace):
        for poll in range(settings.max_poll_attempts if follow else 1):
            if poll:
                sleep(settings.policy.poll_seconds)
            body = connection.jobs.read(connection.namespace, name)
            if body is None:
                raise no_such_jobs(connection.jobs, connection.namespace, [name])
            problem = _print(connection.jobs, read_job(body), number, follow=follow, raw=raw)
            if problem is None:
                return
            if follow and not poll:
                print(problem, file=sys.stderr)
    raise CommandError(problem or "", exit_code=_NOT_STARTED)


def _print(jobs: Jobs, job: Job, number: int | None, *, follow: bool, raw: bool) -> str | None:
    """Print the log as far as there is one; else why there is none yet. Raises CommandError where none will come."""
    attempt = attempt_of(job, number)
    if attempt is None:
        return f"{job.name} has no pod yet: {clean_text(job.status.message or 'no operator has looked at it')}"
    try:
        for text in texts(jobs.log(job.namespace, attempt.pod_name, follow=follow), raw=raw):
            print(text, flush=follow)
    except ClusterError as error:
        if error.code == 400 and attempt.finish_time is None:
            return f"{attempt.pod_name} has not started yet: {clean_text(error.message)}"
        if error.code == 404 and error.kind == "pods":
            what = (
                f"the pod {attempt.pod_name} is gone, and its log with it: the operator keeps finished pods for a while"
            )
            raise CommandError(what, exit_code=NOT_FOUND) from None
        raise
    return None


def attempt_of(job: Job, number: int | None) -> Attempt | None:
    """The attempt with this number, or the last; None where there is none yet. Raises CommandError where there will be
    none."""
    attempts = {attempt.number: attempt for attempt in job.status.attempts}
    if number is not None and number not in attempts:
        known = f"known are {', '.join(map(str, attempts))}" if attempts else "it has none"
        raise CommandError(f"{job.name} has no attempt {number}: {known}", exit_code=WRONG_USAGE)
    if not attempts:
        if is_over(job.status):
            raise CommandError(f"{job.name} never had a pod: {job.status.phase}", exit_code=NOT_FOUND)
        return None
    return attempts[number if number is not None else max(attempts)]


def texts(lines: Iterator[bytes], *, raw: bool) -> Iterator[str]:
    """The lines as people read them: time, level, message; `raw`: as the worker wrote them, JSON."""
    for line in lines:
        read = read_line(line)
        if raw:
            yield line.decode(errors="replace")
        elif read.level:
            yield f"{read.time[11:19]} {read.level:<8} {read.message}"
        elif read.message:
            yield read.message
