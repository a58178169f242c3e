"""How long a refusal holds: as long as the API server asks for, else as the settings say."""

from datetime import timedelta

import pytest

from spectrogram_operator.control.reconciling.notes import Notes
from spectrogram_operator.core.judging.refusals import Refusal
from unit.operator.core.play import START


@pytest.mark.parametrize(("retry_after", "lasts"), [(None, 30.0), (100.0, 100.0), (5.0, 5.0)])
def test_a_refusal_holds_as_long_as_the_api_server_asks_for(retry_after: float | None, lasts: float) -> None:
    told = Refusal(reason="ClusterUnavailable", message="", final=False, passing=True, retry_after=retry_after)
    notes = Notes(refusal=told, refused=START)
    assert notes.standing_refusal(START + timedelta(seconds=lasts - 1), 30.0) is told
    assert notes.standing_refusal(START + timedelta(seconds=lasts), 30.0) is None


def test_row_4_a_refusal_of_a_time_to_come_does_not_hold() -> None:
    told = Refusal(reason="ClusterUnavailable", message="", final=False, passing=True)
    assert Notes(refusal=told, refused=START + timedelta(hours=5)).standing_refusal(START, 30.0) is None


def test_without_a_refusal_there_is_none() -> None:
    assert Notes().standing_refusal(START, 30.0) is None
