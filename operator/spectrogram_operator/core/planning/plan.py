"""The state machine: what is observed of one job, and `now`, become a new status and at most a few actions.

            suspend ┌───────────┐ resume
          ┌────────►│ Suspended ├────────┐
          │         └───────────┘        ▼
    ┌─────┴───┐ slot  ┌──────────┐ pod  ┌─────────┐ exit 0 + manifest ┌───────────┐
    │ Queued  ├──────►│ Starting ├─────►│ Running ├──────────────────►│ Succeeded │
    └─────▲───┘       └────┬─────┘      └────┬────┘                   └───────────┘
          │ backoff over   │                 │ the pod ended, or is missing
    ┌─────┴────┐ budget    └────────┬────────┘
    │ Retrying │◄───────────────────┤ core/judging/outcome.py judges, core/planning/retries.py decides
    └──────────┘                    │ no budget, never retried        ┌────────┐
                                    └────────────────────────────────►│ Failed │ (or Cancelled)
                                                                      └────────┘
An attempt is reserved in status before its pod is created (Creating), its pod's UID is recorded next (Created), and it
is judged once (Finished). The planner reads attempts, conditions and pods; it never reads the phase back. It is total:
every combination has an answer. It is called for every event, timer and restart alike (rule 1).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from spectrogram_operator.api.job import InvalidJob, UnreadableJob
from spectrogram_operator.api.status import Attempt, AttemptState, ConditionType, SpectrogramJobStatus
from spectrogram_operator.core.building.podspec import pod_name
from spectrogram_operator.core.judging.outcome import assess, outcome
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.clocks import APART, in_reach
from spectrogram_operator.core.planning.ending import conclude
from spectrogram_operator.core.planning.observed import Action, DeletePod, Event, Observed, Plan
from spectrogram_operator.core.planning.running import watch_pod
from spectrogram_operator.core.planning.situation import Situation
from spectrogram_operator.core.planning.starting import create_again, refuse, start_attempt
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import (
    active_attempt,
    changed,
    find_condition,
    holds,
    is_over,
    observing,
    with_attempt,
)


def plan(observed: Observed, now: datetime, policy: Policy) -> Plan:
    """What to write and what to do now for the observed job. Pure and total."""
    job = observed.job
    if job.deleting:
        return Plan(status=job.status)
    if isinstance(job, UnreadableJob):
        return Plan(status=job.status)
    status = observing(job.status, job.generation)
    if is_over(status):
        succeeded = holds(status, ConditionType.COMPLETE) is True
        actions, later = tidy_up(
            observed.own_pods, succeeded=succeeded, ended=status.completion_time, now=now, policy=policy
        )
        return Plan(status=status, actions=actions, requeue_after=later)
    if isinstance(job, InvalidJob):
        return refuse(status, job.why, now)
    status = in_reach(status, now, policy)
    named = tuple(entry.model_copy(update={"pod_name": pod_name(job, entry.number)}) for entry in status.attempts)
    if named != status.attempts:  # somebody has written other names: all that follows is about the right ones
        return Plan(status=changed(status, attempts=named), requeue_after=0.0)
    situation = Situation(job=job, observed=observed, status=status, now=now, policy=policy)
    attempt = active_attempt(status)
    result = start_attempt(situation) if attempt is None else _follow_attempt(situation, attempt)
    return replace(
        result,
        actions=(*result.actions, *_end_strays(observed, status)),
        events=(*result.events, *_memory_warning(job.status, result.status)),
    )


def _memory_warning(before: SpectrogramJobStatus, after: SpectrogramJobStatus) -> tuple[Event, ...]:
    """Said once each time that it comes up."""
    warning = find_condition(after.conditions, ConditionType.MEMORY_WARNING)
    if warning is None or warning.status != "True" or holds(before, ConditionType.MEMORY_WARNING):
        return ()
    return (Event(warning=True, reason=warning.reason, message=warning.message),)


def _follow_attempt(situation: Situation, attempt: Attempt) -> Plan:
    """An attempt is reserved or runs: judge its pod, or find out that there is none."""
    observed, pod = situation.observed, situation.observed.own_pod
    if observed.foreign and attempt.pod_uid is None:
        message = f"a pod named {attempt.pod_name} exists and belongs to somebody else: rename or delete it"
        return conclude(situation, attempt, outcome("PodNameCollision", message))
    if pod is not None and attempt.pod_uid in (None, pod.uid):
        attempt = _recorded(attempt, pod, situation.now)
        status = changed(with_attempt(situation.status, attempt), node_name=attempt.node_name)
        situation = situation.saying(status)
        ended = assess(pod, memory_share=_memory_share(status), ran=_was_seen_running(status))
        if ended is None:
            return watch_pod(situation, attempt, pod)
        if ended.reason != "PodMissing":
            return conclude(situation, attempt, ended)
    if observed.absent_since is None:
        return Plan(status=situation.status, requeue_after=situation.policy.missing_seconds)
    if attempt.pod_uid is None:
        return create_again(situation, attempt)
    return _miss(situation, attempt, observed.absent_since)


def _recorded(attempt: Attempt, pod: Pod, now: datetime) -> Attempt:
    """The attempt with its pod's identity: from now on the pod may be missing, and is never created again."""
    return attempt.model_copy(
        update={
            "state": AttemptState.CREATED,
            "pod_uid": pod.uid,
            "node_name": pod.node_name or attempt.node_name,
            "start_time": attempt.start_time or _start_time(attempt, pod, now),
            "memory_bytes": min(attempt.memory_bytes, pod.memory_bytes or attempt.memory_bytes),
        }
    )


def _start_time(attempt: Attempt, pod: Pod, now: datetime) -> datetime | None:
    """When the node started the pod: whatever its clock says, not before it was asked for, nor later than now."""
    if pod.started is None:
        return None
    started = min(pod.started, now)
    return max(started, attempt.reserved_time or started)


def _miss(situation: Situation, attempt: Attempt, absent_since: datetime) -> Plan:
    """The pod existed and is gone: missing once two look-ups, some time apart, said so (rule 3)."""
    patience = situation.policy.missing_seconds
    if situation.now - absent_since < timedelta(seconds=patience):
        return Plan(status=situation.status, requeue_after=patience)
    if situation.spec.suspend:
        ended = outcome("JobSuspended", "suspended, and its pod is gone")
    else:
        ended = outcome("PodMissing", "no such pod: two look-ups said so, and nothing on record explains it")
    return conclude(situation, attempt, ended)


def tidy_up(
    pods: Iterable[Pod], *, succeeded: bool, ended: datetime | None, now: datetime, policy: Policy
) -> tuple[tuple[DeletePod, ...], float | None]:
    """What becomes of the pods of a job that is over, and in how many seconds to look again.

    What still runs is ended; finished pods keep their logs for a while, then they are deleted. Where the job ended at a
    time to come, by a clock that was ahead, it counts from the pod's own end.
    """
    keep = timedelta(seconds=policy.keep_succeeded_seconds if succeeded else policy.keep_failed_seconds)
    left = [pod for pod in pods if not pod.deleting]
    true_end = ended if ended is not None and ended <= now + APART else None
    due_at = {pod.uid: (true_end or pod.finish_time or pod.created or now) + keep for pod in left}
    due = [pod for pod in left if pod.live or now >= due_at[pod.uid]]
    later = [(due_at[pod.uid] - now).total_seconds() for pod in left if pod not in due]
    return _delete(due), min(later, default=None)


def _end_strays(observed: Observed, status: SpectrogramJobStatus) -> tuple[Action, ...]:
    """Pods that live on after their attempt was judged: a sidecar's, or one that a slow operator created too late."""
    judged = {attempt.pod_name for attempt in status.attempts if attempt.state is AttemptState.FINISHED}
    return _delete(pod for pod in observed.live_pods if pod.name in judged and not pod.deleting)


def _delete(pods: Iterable[Pod]) -> tuple[DeletePod, ...]:
    return tuple(DeletePod(name=pod.name, uid=pod.uid) for pod in pods)


def _was_seen_running(status: SpectrogramJobStatus) -> bool:
    running = find_condition(status.conditions, ConditionType.RUNNING)
    return status.progress is not None or (running is not None and running.status != "False")


def _memory_share(status: SpectrogramJobStatus) -> float | None:
    memory = status.memory
    if memory is None or not memory.current_bytes or not memory.limit_bytes:
        return None
    return memory.current_bytes / memory.limit_bytes
