"""What is remembered of a job: how long a refusal holds, and since when a pod is absent."""

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


def test_the_absence_of_one_pod_says_nothing_of_the_next() -> None:
    """An attempt that another operator judged meanwhile leaves nothing behind for its successor."""
    notes, later = Notes(), START + timedelta(seconds=10)
    assert notes.absent_since("fm-band-1", START) == START
    assert notes.absent_since("fm-band-1", later) == START
    assert notes.absent_since("fm-band-2", later) == later
