"""Parts of a status: what differs in words only."""

from datetime import timedelta
from typing import Any

import pytest

from spectrogram_operator.api.status import Attempt, AttemptState, Condition, Phase, SpectrogramJobStatus
from spectrogram_operator.core.status import gist
from unit.operator.core.play import START

ATTEMPT = Attempt(number=1, state=AttemptState.CREATED, pod_name="p", pool="default", memory_bytes=1, message="a")
CONDITION = Condition(type="Admitted", status="False", last_transition_time=START, reason="QuotaExceeded", message="a")
LATER = START + timedelta(seconds=5)
STATUS = SpectrogramJobStatus(
    phase=Phase.QUEUED, reason="WaitingForSlot", message="a", attempts=(ATTEMPT,), conditions=(CONDITION,)
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, True),
        ({"conditions": (CONDITION.model_copy(update={"last_transition_time": LATER}),)}, True),
        ({"message": "b"}, True),
        ({"message": None}, True),
        ({"attempt_text": "1/3"}, True),
        ({"attempts": (ATTEMPT.model_copy(update={"message": "b"}),)}, True),
        ({"conditions": (CONDITION.model_copy(update={"message": "b"}),)}, True),
        ({"message": "b", "phase": Phase.PENDING}, False),
        ({"message": "b", "reason": "QuotaExceeded"}, False),
        ({"message": "b", "observed_generation": 2}, False),
        ({"attempts": (ATTEMPT.model_copy(update={"message": "b", "pod_uid": "u"}),)}, False),
        ({"conditions": (CONDITION.model_copy(update={"message": "b", "status": "True"}),)}, False),
        ({"conditions": (CONDITION.model_copy(update={"message": "b", "reason": "NamespaceTerminating"}),)}, False),
        ({"conditions": ()}, False),
        ({"heartbeat_time": START}, False),
        ({"next_attempt_at": START, "message": "b"}, False),
    ],
)
def test_what_differs_in_words_only(change: dict[str, Any], words: bool) -> None:
    changed = STATUS.model_copy(update=change)
    assert (gist(STATUS) == gist(changed)) is words
