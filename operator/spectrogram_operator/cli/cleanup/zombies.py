"""`cleanup zombies`: jobs whose worker was killed for its memory, or is gone."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.status import AttemptState, RetryClass
from spectrogram_operator.cli.cleanup.running import Finding, Running, find_running, look_for, say, write
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Jobs
from spectrogram_operator.cli.cluster.words import refusals_in_words
from spectrogram_operator.cli.printing.units import plural
from spectrogram_operator.cli.reading.settings_file import settings_of
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt


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
        running = find_running(connection.jobs, namespace, datetime.now(UTC) - timedelta(minutes=minimum_minutes))
        zombies = list(find_zombies(connection.jobs, running, policy, sleep))
        say(zombies, dry_run=dry_run)
        written = 0 if dry_run else sum(write(connection.jobs, one.job, one.plan.status) for one in zombies)
    found = f"{plural(len(zombies), 'zombie')} among {plural(len(running), 'worker')}"
    print(f"{found}, {written} written down")


def find_zombies(
    jobs: Jobs, running: list[Running], policy: Policy, sleep: Callable[[float], None]
) -> Iterator[Finding]:
    """The zombies among them. What is not found is looked for a second time, after a while (rule 3)."""
    absent = []
    for job, attempt in running:
        pod = look_for(jobs, job, attempt)
        if pod is None:
            absent.append((job, attempt, datetime.now(UTC)))
        elif zombie := judge(job, pod, None, datetime.now(UTC), policy):
            yield zombie
    if absent:
        sleep(policy.missing_seconds)
    for job, attempt, since in absent:
        pod = look_for(jobs, job, attempt)
        if zombie := judge(job, pod, None if pod is not None else since, datetime.now(UTC), policy):
            yield zombie


def judge(
    job: ValidJob, pod: Pod | None, absent_since: datetime | None, now: datetime, policy: Policy
) -> Finding | None:
    """The job as a zombie, if the planner says that it is one."""
    observed = Observed(job=job, pod=pod, absent_since=absent_since, pods=(pod,) if pod is not None else ())
    active, planned = active_attempt(job.status), plan(observed, now, policy)
    ended = next((one for one in planned.status.attempts if active is not None and one.number == active.number), None)
    if ended is None or ended.state is not AttemptState.FINISHED or ended.retry_class is not RetryClass.ZOMBIE:
        return None
    return Finding(job=job, plan=planned, reason=ended.reason or "", message=ended.message or "")
