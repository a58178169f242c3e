"""Why an attempt is about to end, on record before it has ended: afterwards nobody can tell (rule 5).

Until an attempt is Finished its reason, class and message hold that record: why the operator itself wants the pod
ended, or what was seen of the pod's end (a drain, somebody's delete).
"""

from dataclasses import replace

from spectrogram_operator.api.reasons import BY_OPERATOR
from spectrogram_operator.api.status import Attempt, RetryClass
from spectrogram_operator.core.judging.outcome import Outcome
from spectrogram_worker.contract.report import clean_text


def ended_by_operator(attempt: Attempt) -> bool:
    """True once the operator has decided to end the attempt's pod."""
    return attempt.reason in BY_OPERATOR


def with_evidence(attempt: Attempt, seen: Outcome) -> Attempt:
    """The attempt with this on record in place of what was seen before; what the operator decided stays, and a delete
    is what follows a disruption.
    """
    if ended_by_operator(attempt) or (seen.reason == "PodDeleted" and _disrupted(attempt)):
        return attempt
    return attempt.model_copy(update={"reason": seen.reason, "retry_class": seen.retry_class, "message": seen.message})


def without_evidence(attempt: Attempt) -> Attempt:
    """The attempt with nothing on record but what the operator decided: a disruption was called off."""
    if ended_by_operator(attempt):
        return attempt
    return attempt.model_copy(update={"reason": None, "retry_class": None, "message": None})


def explained(attempt: Attempt, outcome: Outcome) -> Outcome:
    """The outcome in the light of the record.

    A success stands. A pod that the operator ended ended for the operator's reason, whatever its exit code says. A pod
    that is missing is explained by what was seen of it, and so is a kill or a delete by a disruption.
    """
    if attempt.reason is None or attempt.retry_class is None or outcome.retry_class is RetryClass.SUCCESS:
        return outcome
    weak = _disrupted(attempt) and outcome.reason in ("PodDeleted", "Interrupted", "Killed")
    if not ended_by_operator(attempt) and outcome.reason != "PodMissing" and not weak:
        return outcome
    message = clean_text(attempt.message or attempt.reason)
    return replace(outcome, reason=attempt.reason, retry_class=attempt.retry_class, message=message)


def _disrupted(attempt: Attempt) -> bool:
    return attempt.retry_class is RetryClass.INFRASTRUCTURE and not ended_by_operator(attempt)
