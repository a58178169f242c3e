"""What holds from one version of a job's status to the next."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from harness.api.store import ApiStore, Body
from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.reasons import BY_OPERATOR
from spectrogram_operator.api.status import Attempt, AttemptState, RetryClass, SpectrogramJobStatus
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.starting import MOST_CREATIONS
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import holds, is_over
from unit.operator.control.rules.request_rules import SECONDS_OFF_AT_MOST
from unit.operator.core.schema import check_status


@dataclass
class StatusRules:
    """Told of each status that an operator writes; `fail` is told which rule it breaks.

    `shapes`: by UID of a pod, whether it "succeeded" or "failed", once it has ended.
    """

    store: ApiStore
    policy: Policy
    pods: Mapping[str, Pod]
    shapes: Mapping[str, str]
    fail: Callable[[str], None]
    created: Counter[str] = field(default_factory=Counter)
    """By name of a pod: how often it was."""
    _paid: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By UID of a job: its last attempt, and what was paid for all by then."""

    def written(self, old_job: Job, new_job: Job, body: Body) -> None:
        """From one version of a status to the next."""
        old, new = old_job.status, new_job.status
        check_status(body["status"])
        where = new_job.name
        self._times(where, new)
        if new.attempt < old.attempt or new.attempt > old.attempt + 1:
            self.fail(f"the attempt of {where} goes from {old.attempt} to {new.attempt}")
        if is_over(old) and (new.phase, new.completion_time, new.attempts) != (
            old.phase,
            old.completion_time,
            old.attempts,
        ):
            self.fail(f"{where} was over, and changed")
        recorded = {attempt.number: attempt for attempt in old.attempts}
        for attempt in new.attempts:
            before = recorded.get(attempt.number)
            if before is not None and before.pod_uid and before.pod_uid != attempt.pod_uid:
                self.fail(f"attempt {attempt.number} of {where} has another pod than before")
            decided = before is not None and before.reason in BY_OPERATOR and before.reason
            if decided and attempt.reason != decided and attempt.retry_class is not RetryClass.SUCCESS:
                self.fail(f"attempt {attempt.number} of {where} was to end as {decided}, not as {attempt.reason}")
            if attempt.state is AttemptState.FINISHED and (before is None or before.state is not attempt.state):
                self._judgement(where, before, attempt)
        if new.attempt > old.attempt:
            self._reservation(old_job, new_job)
        if is_over(new) and not is_over(old):
            succeeded = any(attempt.retry_class is RetryClass.SUCCESS for attempt in new.attempts)
            if holds(new, "Complete") is not (True if succeeded else None):
                self.fail(f"{where} ended as {new.phase}, which is not what its attempts say")

    def _times(self, where: str, new: SpectrogramJobStatus) -> None:
        """Fault 40: whatever the clock of who writes, nothing has happened that is still to come."""
        times = [new.completion_time, *(one.last_transition_time for one in new.conditions)]
        times += [time for one in new.attempts for time in (one.reserved_time, one.start_time)]
        latest = self.store.now() + timedelta(seconds=SECONDS_OFF_AT_MOST)
        for time in times:
            if time is not None and time > latest:
                self.fail(f"in the status of {where} stands {time:%H:%M:%S}, which is still to come")

    def _judgement(self, where: str, before: Attempt | None, attempt: Attempt) -> None:
        """A success if and only if the pod, while it is there to be seen, is one; missing only what is not there."""
        made = self.created[attempt.pod_name]
        if attempt.reason == "PodVanishing" and made <= MOST_CREATIONS:
            self.fail(f"{attempt.pod_name} was created {made} times, and counts as a pod that vanishes each time")
        if attempt.reason == "PodNameCollision":
            self.fail(f"{attempt.pod_name} counts as somebody else's, and nobody else creates pods")
        if attempt.reason == "PodMissing":
            pod = self.pods.get(attempt.pod_uid or "")
            if pod is not None and pod.live:
                self.fail(f"attempt {attempt.number} of {where} counts as missing, and its pod {pod.name} lives")
            if before is not None and before.reason:
                self.fail(f"attempt {attempt.number} of {where} counts as missing: on record was {before.reason}")
        shape = self.shapes.get(attempt.pod_uid or "")
        succeeded = attempt.retry_class is RetryClass.SUCCESS
        seen = attempt.pod_uid in self.pods
        if (seen or succeeded) and succeeded != (shape == "succeeded"):
            self.fail(f"attempt {attempt.number} of {where} was judged {attempt.reason}, and its pod {shape}")

    def _reservation(self, old_job: Job, new_job: Job) -> None:
        """No budget is overdrawn; each attempt but the first is paid for, or follows a suspension."""
        assert isinstance(new_job, ValidJob)
        old, retries = old_job.status, new_job.status.retries
        if retries.user > new_job.spec.retry.limit or retries.infra > self.policy.infrastructure_retries:
            self.fail(f"{new_job.name} is tried too often")
        if retries.reroutes > 1:
            self.fail(f"{new_job.name} was moved to the large queue twice")
        used = retries.user + retries.infra + retries.reroutes
        number, before = self._paid.get(new_job.uid, (0, used))
        self._paid[new_job.uid] = (new_job.status.attempt, used)
        last = old.attempts[-1] if old.attempts else None
        if last is None:
            return
        if last.state is not AttemptState.FINISHED:
            self.fail(f"{new_job.name} begins attempt {new_job.status.attempt} before {last.number} was judged")
        free = last.reason == "JobSuspended"
        if number == last.number and used != before + (0 if free else 1):
            self.fail(f"attempt {new_job.status.attempt} of {new_job.name} was paid {used - before} times")
        earliest = old.next_attempt_at
        reserved = new_job.status.attempts[-1].reserved_time
        if not free and earliest is not None and reserved is not None and reserved < earliest:
            self.fail(f"attempt {new_job.status.attempt} of {new_job.name} begins before {earliest:%H:%M:%S}")
