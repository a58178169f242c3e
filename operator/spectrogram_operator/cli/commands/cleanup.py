"""`cleanup zombies`: says in status what an operator would have said, where none runs.

It judges as the operator does, by the same functions, and writes over the version that it has read: beside an operator
that runs it does no harm (rule 13).
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.status import Attempt, AttemptState, RetryClass, SpectrogramJobStatus
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Body, Jobs
from spectrogram_operator.cli.cluster.words import refusals_in_words, require_namespace
from spectrogram_operator.cli.settings_file import settings_of
from spectrogram_operator.cli.units import plural
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, is_over
from spectrogram_worker.contract.report import clean_text


@dataclass(frozen=True, kw_only=True)
class Zombie:
    """A job whose worker was found dead, or not found; and the status that says so."""

    job: ValidJob
    status: SpectrogramJobStatus
    reason: str
    message: str

    @property
    def line(self) -> str:
        """What it is, for people."""
        return clean_text(f"{self.job.key}: {self.reason}: {self.message}")


def clean_up_zombies(
    target: Target,
    *,
    dry_run: bool,
    minimum_minutes: float,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Say of each zombie that it is one, then write it down; `dry_run`: only say it."""
    policy = settings_of(environ).policy
    connection = connect(target)
    namespace = None if target.all_namespaces else connection.namespace
    with refusals_in_words(connection.jobs.server, namespace):
        bodies = connection.jobs.list(namespace)
        if not bodies:
            require_namespace(connection.jobs, namespace)
        oldest = datetime.now(UTC) - timedelta(minutes=minimum_minutes)
        running = [pair for body in bodies if (pair := _running(body, oldest)) is not None]
        zombies = list(find(connection.jobs, running, policy, sleep))
        for zombie in zombies:
            print(f"{zombie.line}{' (dry run: nothing is written)' if dry_run else ''}", flush=True)
        written = 0 if dry_run else sum(_write(connection.jobs, zombie) for zombie in zombies)
    found = f"{plural(len(zombies), 'zombie')} among {plural(len(running), 'worker')}"
    print(f"{found}, {written} written down")


def _running(body: Body, oldest: datetime) -> tuple[ValidJob, Attempt] | None:
    """The job and its attempt whose pod there was, if it was reserved before `oldest`."""
    job = read_job(body)
    attempt = active_attempt(job.status)
    if not isinstance(job, ValidJob) or is_over(job.status) or attempt is None or attempt.pod_uid is None:
        return None
    return (job, attempt) if (attempt.reserved_time or job.created) <= oldest else None


def find(
    jobs: Jobs, running: list[tuple[ValidJob, Attempt]], policy: Policy, sleep: Callable[[float], None]
) -> Iterator[Zombie]:
    """The zombies among them. What is not found is looked for a second time, after a while (rule 3)."""
    absent = []
    for job, attempt in running:
        pod = _look_for(jobs, job, attempt)
        if pod is None:
            absent.append((job, attempt, datetime.now(UTC)))
        elif zombie := judge(job, pod, None, datetime.now(UTC), policy):
            yield zombie
    if absent:
        sleep(policy.missing_seconds)
    for job, attempt, since in absent:
        pod = _look_for(jobs, job, attempt)
        if zombie := judge(job, pod, None if pod is not None else since, datetime.now(UTC), policy):
            yield zombie


def judge(
    job: ValidJob, pod: Pod | None, absent_since: datetime | None, now: datetime, policy: Policy
) -> Zombie | None:
    """The job as a zombie, if the planner says that it is one."""
    observed = Observed(job=job, pod=pod, absent_since=absent_since, pods=(pod,) if pod is not None else ())
    active, status = active_attempt(job.status), plan(observed, now, policy).status
    ended = next((one for one in status.attempts if active is not None and one.number == active.number), None)
    if ended is None or ended.state is not AttemptState.FINISHED or ended.retry_class is not RetryClass.ZOMBIE:
        return None
    return Zombie(job=job, status=status, reason=ended.reason or "", message=ended.message or "")


def _look_for(jobs: Jobs, job: ValidJob, attempt: Attempt) -> Pod | None:
    body = jobs.read_pod(job.namespace, attempt.pod_name)
    pod = read_pod(body) if body is not None else None
    return pod if pod is not None and pod.uid == attempt.pod_uid else None


def _write(jobs: Jobs, zombie: Zombie) -> bool:
    try:
        jobs.write_status(zombie.job, zombie.status.to_document())
    except ClusterError as error:
        if error.code not in (404, 409):
            raise
        print(f"{zombie.job.key}: somebody else has changed it meanwhile: it is left alone")
        return False
    return True
