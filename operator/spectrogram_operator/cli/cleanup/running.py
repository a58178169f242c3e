"""The jobs whose workers are looked for, and what is written of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt, SpectrogramJobStatus
from spectrogram_operator.cli.cluster.jobs import Body, Jobs
from spectrogram_operator.cli.cluster.words import require_namespace
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.planning.observed import Plan
from spectrogram_operator.core.status import active_attempt, is_over
from spectrogram_worker.contract.report import clean_text

Running = tuple[ValidJob, Attempt]
"""A job and its attempt whose pod there was."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A job of which something is to be said, and the plan that says it."""

    job: ValidJob
    plan: Plan
    reason: str
    message: str

    @property
    def line(self) -> str:
        """What it is, for people."""
        return clean_text(f"{self.job.key}: {self.reason}: {self.message}")


def find_running(jobs: Jobs, namespace: str | None, oldest: datetime) -> list[Running]:
    """The attempts that were reserved before `oldest`. Raises CommandError where there is no such namespace."""
    bodies = jobs.list(namespace)
    if not bodies:
        require_namespace(jobs, namespace)
    return [pair for body in bodies if (pair := running(body)) is not None and _begin(*pair) <= oldest]


def running(body: Body) -> Running | None:
    """The job with its attempt that is not judged yet; None where nothing of it runs."""
    job = read_job(body)
    attempt = active_attempt(job.status)
    if not isinstance(job, ValidJob) or is_over(job.status) or attempt is None or attempt.pod_uid is None:
        return None
    return job, attempt


def _begin(job: ValidJob, attempt: Attempt) -> datetime:
    return attempt.reserved_time or job.created


def look_for(jobs: Jobs, job: ValidJob, attempt: Attempt) -> Pod | None:
    """The attempt's pod; None where there is none of its UID."""
    body = jobs.read_pod(job.namespace, attempt.pod_name)
    pod = read_pod(body) if body is not None else None
    return pod if pod is not None and pod.uid == attempt.pod_uid else None


def say(findings: Sequence[Finding], *, dry_run: bool) -> None:
    """Say what will be written, before it is."""
    for finding in findings:
        print(f"{finding.line}{' (dry run: nothing is written)' if dry_run else ''}", flush=True)


def write(jobs: Jobs, job: ValidJob, status: SpectrogramJobStatus) -> bool:
    """Write the status, unless somebody has changed the job since it was read; returns whether it was written."""
    try:
        jobs.write_status(job, status.to_document())
    except ClusterError as error:
        if error.code not in (404, 409):
            raise
        print(f"{job.key}: somebody else has changed it meanwhile: it is left alone")
        return False
    return True
