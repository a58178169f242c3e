"""What happened between two statuses of a job, as metrics count it and log lines tell it."""

from dataclasses import dataclass

from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    Condition,
    ConditionType,
    Phase,
    RetryClass,
    SpectrogramJobStatus,
)

_RESULTS = {Phase.SUCCEEDED: "succeeded", Phase.CANCELLED: "cancelled"}
_RETRIED = (RetryClass.USER, RetryClass.MEMORY, RetryClass.INFRASTRUCTURE, RetryClass.ZOMBIE)


@dataclass(frozen=True, kw_only=True)
class Transition:
    """The news in one status write."""

    result: str | None
    """succeeded, failed or cancelled where the job ended with this write, else None."""
    ended: tuple[Attempt, ...]
    """The attempts that were judged with this write."""
    memory_warning: Condition | None
    """The condition MemoryWarning, where it became True."""

    @property
    def zombies(self) -> tuple[Attempt, ...]:
        """The attempts that were found to be zombies."""
        return tuple(attempt for attempt in self.ended if attempt.retry_class is RetryClass.ZOMBIE)

    @property
    def retried(self) -> tuple[Attempt, ...]:
        """The attempts that another one follows. A move to another queue or a suspension is no retry."""
        return () if self.result else tuple(attempt for attempt in self.ended if attempt.retry_class in _RETRIED)


def transition(old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> Transition:
    """What became true with the write of `new` over `old`."""
    over = new.completion_time is not None and old.completion_time is None
    judged = {attempt.number for attempt in old.attempts if attempt.state is AttemptState.FINISHED}
    return Transition(
        result=_RESULTS.get(new.phase or Phase.FAILED, "failed") if over else None,
        ended=tuple(a for a in new.attempts if a.state is AttemptState.FINISHED and a.number not in judged),
        memory_warning=_memory_warning(new) if _memory_warning(old) is None else None,
    )


def _memory_warning(status: SpectrogramJobStatus) -> Condition | None:
    held = (c for c in status.conditions if c.type == ConditionType.MEMORY_WARNING and c.status == "True")
    return next(held, None)
