"""What every plan keeps, whatever is observed: rules 1, 8 and 14, and the schema of the CRD."""

import json
from dataclasses import replace
from datetime import datetime

from hypothesis import HealthCheck, given, settings

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.api.status import AttemptState, SpectrogramJobStatus
from spectrogram_operator.core.planning.observed import CreatePod, DeletePod, Observed, Plan
from spectrogram_operator.core.planning.plan import plan
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import active_attempt, holds, is_over
from unit.operator.core.schema import check_status
from unit.operator.core.strategies import MOST_MEMORY, observations, policies, times

EXAMPLES = 200


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(observations(), times, policies)
def test_every_plan(observed: Observed, now: datetime, policy: Policy) -> None:
    result = plan(observed, now, policy)
    check_status(result.status.to_document())
    check_terminal(observed.job, result.status)
    check_settles(observed, result, now, policy)
    check_creations(observed, result)
    check_deletions(observed, result)
    assert result.status.attempt >= observed.job.status.attempt
    assert result.requeue_after is None or result.requeue_after >= 0
    assert all(0 < len(event.message) <= 1100 and event.reason for event in result.events)


def check_settles(observed: Observed, result: Plan, now: datetime, policy: Policy) -> None:
    """As long as the same attempt is active, planning again with the same observation changes nothing."""
    before, after = active_attempt(observed.job.status), active_attempt(result.status)
    if before is not None and after is not None and before.number == after.number:
        again = plan(replace(observed, job=replace(observed.job, status=result.status)), now, policy)
        assert again.status == result.status


def check_terminal(job: Job, status: SpectrogramJobStatus) -> None:
    """Terminal is for good, said once, and complete."""
    if is_over(job.status):
        assert _without_generation(status) == _without_generation(job.status)
    elif is_over(status):
        assert status.completion_time is not None
        assert active_attempt(status) is None
        assert not (holds(status, "Complete") and holds(status, "Failed"))
        assert not holds(status, "Running")
        assert status.phase in (("Succeeded",) if holds(status, "Complete") else ("Failed", "Cancelled"))


def check_creations(observed: Observed, result: Plan) -> None:
    """At most one pod is created, and only for the attempt that the written status has reserved."""
    creations = [action for action in result.actions if isinstance(action, CreatePod)]
    if not creations:
        return
    (creation,) = creations
    attempt = active_attempt(result.status)
    assert attempt is not None
    assert attempt.state is AttemptState.CREATING or attempt.pod_uid is None
    assert creation.manifest["metadata"]["name"] == attempt.pod_name
    assert creation.manifest["metadata"]["labels"]["spectrogram.dev/attempt"] == str(attempt.number)
    assert not is_over(observed.job.status)
    assert not observed.job.deleting
    (container,) = creation.manifest["spec"]["containers"]
    assert 0 < parse_bytes(container["resources"]["limits"]["memory"]) <= MOST_MEMORY
    json.dumps(creation.manifest)


def check_deletions(observed: Observed, result: Plan) -> None:
    """Only pods that were seen and that the job owns are deleted, by their UID."""
    deletions = [action for action in result.actions if isinstance(action, DeletePod)]
    assert len({action.uid for action in deletions}) == len(deletions)
    assert {action.uid for action in deletions} <= {pod.uid for pod in observed.own_pods}


def _without_generation(status: SpectrogramJobStatus) -> object:
    conditions = [condition.model_copy(update={"observed_generation": 0}) for condition in status.conditions]
    return status.model_copy(update={"observed_generation": 0, "conditions": tuple(conditions)})
