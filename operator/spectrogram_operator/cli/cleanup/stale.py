"""`cleanup stale`: jobs whose worker answers and does not advance (rule 27).

Where no operator has listened there is only the worker's own word for when it last advanced: it is asked twice, and
believed where it is in the same place.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.cli.cleanup.running import Finding, Running, find_running, look_for, running, say, write
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Jobs
from spectrogram_operator.cli.cluster.words import refusals_in_words
from spectrogram_operator.cli.printing.units import plural
from spectrogram_operator.cli.reading.settings_file import settings_of
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import DeletePod, Observed
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.planning.progress import by_its_own_word
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt
from spectrogram_worker.contract import Report, parse_report

STALE = "Stale"
APART_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
"""Beyond the grace period, until a pod that is being ended is left to others."""


def clean_up_stale(
    target: Target,
    *,
    dry_run: bool,
    timeout_hours: float | None,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Say of each stale job that it is one, then write it down and end its pod; `dry_run`: only say it."""
    policy = settings_of(environ).policy
    stale_seconds = policy.stale_seconds if timeout_hours is None else timeout_hours * 3600
    # Each answer is news: nobody else may have heard one.
    policy = replace(policy, stale_seconds=stale_seconds, status_seconds=0.0, heartbeat_seconds=0.0)
    connection = connect(target)
    namespace = None if target.all_namespaces else connection.namespace
    with refusals_in_words(connection.jobs.server, namespace):
        workers = find_running(connection.jobs, namespace, datetime.now(UTC))
        stale = list(find_stale(connection.jobs, workers, policy, sleep))
        say(stale, dry_run=dry_run)
        ended = 0 if dry_run else sum(end(connection.jobs, one, policy, sleep) for one in stale)
    print(f"{len(stale)} stale among {plural(len(workers), 'worker')}, {ended} ended")


def find_stale(jobs: Jobs, workers: list[Running], policy: Policy, sleep: Callable[[float], None]) -> Iterator[Finding]:
    """The stale ones among them: those that say so twice."""
    suspects = []
    for job, attempt in workers:
        pod = look_for(jobs, job, attempt)
        report = _ask(jobs, pod)
        if pod is not None and report is not None and judge(job, pod, report, report, datetime.now(UTC), policy):
            suspects.append((job, attempt, report))
    if suspects:
        sleep(APART_SECONDS)
    for job, attempt, first in suspects:
        pod = look_for(jobs, job, attempt)
        second = _ask(jobs, pod)
        if pod is None or second is None:
            continue
        if stale := judge(job, pod, first, second, datetime.now(UTC), policy):
            yield stale


def _ask(jobs: Jobs, pod: Pod | None) -> Report | None:
    """What the pod's worker says; None where it does not run, or cannot be reached (rule 2)."""
    if pod is None or not pod.worker_runs or pod.deleting:
        return None
    return parse_report(jobs.ask_worker(pod.namespace, pod.name))


def judge(job: ValidJob, pod: Pod, first: Report, second: Report, now: datetime, policy: Policy) -> Finding | None:
    """The job as stale, if the planner says so of a worker that has said this, and then that."""
    known = replace(job, status=by_its_own_word(job.status, first, job, now))
    planned = plan(Observed(job=known, pod=pod, report=second, pods=(pod,)), now, policy)
    attempt = active_attempt(planned.status)
    ends = any(isinstance(action, DeletePod) and action.uid == pod.uid for action in planned.actions)
    if not ends or attempt is None or attempt.reason != STALE:
        return None
    return Finding(job=job, plan=planned, reason=STALE, message=attempt.message or "")


def end(jobs: Jobs, stale: Finding, policy: Policy, sleep: Callable[[float], None]) -> bool:
    """Write down why, end the pod, and write its end down once it has come; returns whether it has."""
    if not write(jobs, stale.job, stale.plan.status):
        return False
    for action in stale.plan.actions:
        if isinstance(action, DeletePod) and action.uid is not None:
            jobs.delete_pod(stale.job.namespace, action.name, action.uid)
    absent_since = None
    for _ in range(int(policy.termination_grace_seconds + policy.missing_seconds + _PATIENCE_SECONDS)):
        body = jobs.read(stale.job.namespace, stale.job.name)
        pair = running(body) if body is not None else None
        if pair is None:
            return True
        pod = look_for(jobs, *pair)
        now = datetime.now(UTC)
        absent_since = (absent_since or now) if pod is None else None
        observed = Observed(job=pair[0], pod=pod, absent_since=absent_since, pods=(pod,) if pod is not None else ())
        planned = plan(observed, now, policy)
        if active_attempt(planned.status) is None:
            return write(jobs, pair[0], planned.status)
        sleep(1.0)
    print(f"{stale.job.key}: its pod has not ended yet: the operator will say when, or this command, again")
    return False
