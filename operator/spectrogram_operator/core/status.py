"""Reading and changing the parts of a status: conditions, attempts, the end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    Condition,
    ConditionType,
    SpectrogramJobStatus,
)
from spectrogram_worker.contract.report import clean_text

MAXIMUM_ATTEMPTS = 10
MAXIMUM_MESSAGE_LENGTH = 1024


def holds(status: SpectrogramJobStatus, kind: str) -> bool | None:
    """Whether the condition holds; None where it is unknown or was never said."""
    condition = find_condition(status.conditions, kind)
    return None if condition is None or condition.status == "Unknown" else condition.status == "True"


def find_condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    """The condition of this type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_over(status: SpectrogramJobStatus) -> bool:
    """True once the job is Complete or Failed: for good (rule 14)."""
    return bool(holds(status, ConditionType.COMPLETE) or holds(status, ConditionType.FAILED))


def active_attempt(status: SpectrogramJobStatus) -> Attempt | None:
    """The attempt that is reserved or runs and is not judged yet."""
    return next((entry for entry in reversed(status.attempts) if entry.state is not AttemptState.FINISHED), None)


def is_held_back(status: SpectrogramJobStatus, attempt: Attempt) -> bool:
    """True where the API server refused to create the attempt's pod, and may not refuse it for ever. Until then the
    attempt holds no slot.
    """
    return attempt.pod_uid is None and holds(status, ConditionType.ADMITTED) is False


def with_condition(
    status: SpectrogramJobStatus,
    kind: ConditionType,
    value: Literal["True", "False", "Unknown"],
    *,
    reason: str,
    message: str = "",
    now: datetime,
) -> SpectrogramJobStatus:
    """The status with this condition; lastTransitionTime moves only when the condition's status does."""
    old = find_condition(status.conditions, kind)
    new = Condition(
        type=kind,
        status=value,
        reason=reason,
        message=clean_text(message, MAXIMUM_MESSAGE_LENGTH),
        observed_generation=status.observed_generation,
        last_transition_time=old.last_transition_time if old is not None and old.status == value else now,
    )
    if old is None:
        return changed(status, conditions=(*status.conditions, new))
    conditions = tuple(new if condition.type == kind else condition for condition in status.conditions)
    return changed(status, conditions=conditions)


def observing(status: SpectrogramJobStatus, generation: int) -> SpectrogramJobStatus:
    """The status as said of this generation: `kubectl wait` distrusts an older one (rule 17)."""
    if status.observed_generation == generation:
        return status
    conditions = tuple(entry.model_copy(update={"observed_generation": generation}) for entry in status.conditions)
    return changed(status, observed_generation=generation, conditions=conditions)


def with_attempt(status: SpectrogramJobStatus, attempt: Attempt) -> SpectrogramJobStatus:
    """The status with this attempt in place of the one of its number, or added; the oldest beyond ten are dropped."""
    others = tuple(entry for entry in status.attempts if entry.number != attempt.number)
    attempts = tuple(sorted((*others, attempt), key=lambda entry: entry.number))
    return changed(status, attempts=attempts[-MAXIMUM_ATTEMPTS:])


def gist(status: SpectrogramJobStatus) -> SpectrogramJobStatus:
    """The status without sentences, and without the times since when its conditions are as they are."""
    same: dict[str, Any] = {"message": "", "last_transition_time": datetime.min}
    conditions = tuple(entry.model_copy(update=same) for entry in status.conditions)
    attempts = tuple(entry.model_copy(update={"message": None}) for entry in status.attempts)
    wordless = {"message": None, "attempt_text": None, "conditions": conditions, "attempts": attempts}
    return status.model_copy(update=wordless)


def changed(status: SpectrogramJobStatus, **updates: Any) -> SpectrogramJobStatus:
    """A copy of the status with these fields changed; a message is cut to what the schema takes."""
    if updates.get("message"):
        updates["message"] = clean_text(updates["message"], MAXIMUM_MESSAGE_LENGTH)
    return status.model_copy(update=updates)
