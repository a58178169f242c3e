"""A job, a clock, and an operator that plans and writes: what most tests of the planner are told in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pods.jobs import job_body, stored
from spectrogram_operator.api.job import Job, ValidJob, read_job
from spectrogram_operator.api.status import Attempt, Condition, SpectrogramJobStatus
from spectrogram_operator.core.planning.observed import CreatePod, DeletePod, Observed, Plan
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.planning.queues import Turn
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, find_condition
from unit.operator.core.fixtures import pod as fixture
from unit.operator.core.schema import check_status

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GRANTED = Turn(granted=True)
REFUSED = Turn(granted=False, why="at most 2 run at once")
SPEC: dict[str, Any] = job_body()["spec"]


def build_job(status: SpectrogramJobStatus | None = None, *, generation: int = 1, **spec: Any) -> ValidJob:
    """The job that the pods of tests/pods/ belong to."""
    job = read_any_job(status, generation=generation, **spec)
    assert isinstance(job, ValidJob)
    return job


def read_any_job(status: SpectrogramJobStatus | None = None, *, generation: int = 1, **spec: Any) -> Job:
    """The same with a spec that may be invalid."""
    document = status.to_document() if status else {}
    return read_job(stored(job_body(**spec), generation=generation, status=document))


class Play:
    """One job over time. Each step plans, checks what every plan must keep, and writes the status."""

    def __init__(self, policy: Policy | None = None, **spec: Any) -> None:
        self.policy = policy or Policy()
        self.now = START
        self.spec = spec
        self.generation = 1
        self.status = SpectrogramJobStatus()

    def edit(self, **spec: Any) -> None:
        """Somebody changes the spec."""
        self.spec |= spec
        self.generation += 1

    def step(self, after: float = 0.0, **observed: Any) -> Plan:
        """Plan once, `after` seconds later; the status is written and read back."""
        self.now += timedelta(seconds=after)
        before = self.status
        result = self._plan(observed)
        check_status(result.status.to_document())
        assert result.status.attempt >= before.attempt
        self.status = build_job(result.status).status
        assert self.status == result.status, "the status does not survive being written"
        again = self._plan(observed)
        if result.requeue_after != 0.0:
            assert again.status == result.status, "planning again on the written status is a change"
            assert again.events == () or not again.status.completion_time
        return result

    def run(self, name: str = "running", attempt: int = 1, after: float = 0.0) -> Plan:
        """Reserve an attempt, and see its pod as the fixture `name` shows it."""
        self.step(after)
        return self.see(name, attempt=attempt)

    def see(self, name: str, *, attempt: int = 1, after: float = 0.0, gone: bool = False, **observed: Any) -> Plan:
        """Plan with the pod that the fixture `name` shows."""
        pod = fixture(name, attempt=attempt, gone=gone)
        return self.step(after, pod=pod, pods=() if gone else (pod,), **observed)

    def miss(self, after: float = 0.0, **observed: Any) -> Plan:
        """Plan with no pod: live look-ups have said so since `absent` seconds before."""
        since = observed.pop("since", 0.0)
        return self.step(after, absent_since=self.now + timedelta(seconds=after - since), **observed)

    def attempt(self) -> Attempt:
        """The last attempt on record."""
        return self.status.attempts[-1]

    def condition(self, kind: str) -> Condition | None:
        """The condition of this type."""
        return find_condition(self.status.conditions, kind)

    def holds(self, kind: str) -> str:
        """The condition's status and reason."""
        found = self.condition(kind)
        return f"{found.status} {found.reason}" if found else "-"

    def _plan(self, observed: dict[str, Any]) -> Plan:
        job = replace(read_any_job(**self.spec), generation=self.generation, status=self.status)
        if active_attempt(self.status) is None:
            observed = {"turn": GRANTED, "missing_claims": ()} | observed
        return plan(Observed(job=job, **observed), self.now, self.policy)


def created(result: Plan) -> list[str]:
    """Names of the pods to create."""
    return [action.manifest["metadata"]["name"] for action in result.actions if isinstance(action, CreatePod)]


def deleted(result: Plan) -> list[str | None]:
    """UIDs of the pods to delete."""
    return [action.uid for action in result.actions if isinstance(action, DeletePod)]


def events(result: Plan) -> list[str]:
    """Reasons of the events."""
    return [event.reason for event in result.events]
