"""What workers took corrects later estimates: from 1 to 2 times, and by no single report."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import Attempt, AttemptState, RetryClass
from spectrogram_operator.core.building.correction import (
    CLASSES,
    LEAST_REPORTS,
    WINDOW,
    as_data,
    class_of,
    factor,
    read_reports,
    report_of,
    with_report,
)
from spectrogram_operator.core.building.estimate import enough_for
from spectrogram_operator.core.building.sizing import attempt_memory, planned_peak_in
from spectrogram_operator.core.policy import MEBIBYTE, Policy
from unit.operator.core.building.test_sizing import auto

LIMIT = 200 * MEBIBYTE
PLANNED = 160 * MEBIBYTE
percents = st.lists(st.integers(1, 200), max_size=WINDOW)


def ended(reason: str, retry_class: RetryClass, peak: int | None) -> Attempt:
    return Attempt(
        number=1,
        state=AttemptState.FINISHED,
        pod_name="a1",
        pool="default",
        memory_bytes=LIMIT,
        reason=reason,
        retry_class=retry_class,
        peak_memory_bytes=peak,
    )


@pytest.mark.parametrize(
    ("attempt", "percent"),
    [
        (ended("Completed", RetryClass.SUCCESS, PLANNED), 100),
        (ended("Completed", RetryClass.SUCCESS, PLANNED // 2), 50),
        (ended("Completed", RetryClass.SUCCESS, 2**62), 125),  # no worker had more than its limit
        (ended("Completed", RetryClass.SUCCESS, None), None),
        (ended("MemoryError", RetryClass.MEMORY, 1), 150),
        (ended("OOMKilled", RetryClass.ZOMBIE, None), 150),
        (ended("Drained", RetryClass.INFRASTRUCTURE, PLANNED), None),
        (ended("IOError", RetryClass.USER, PLANNED), None),
    ],
)
def test_what_an_attempt_says(attempt: Attempt, percent: int | None) -> None:
    assert report_of(attempt, PLANNED) == percent


def test_no_attempt_says_more_than_twice_the_estimate() -> None:
    assert report_of(ended("OOMKilled", RetryClass.ZOMBIE, None), PLANNED // 8) == 200


def test_of_more_than_a_window_the_newest_are_kept() -> None:
    reports: Any = {}
    for percent in range(1, WINDOW + 4):
        reports = with_report(reports, "Auto.small", percent)
    assert reports["Auto.small"] == tuple(range(4, WINDOW + 4))


@pytest.mark.parametrize("count", range(WINDOW + 1))
def test_no_single_report_moves_it(count: int) -> None:
    assert factor([*[100] * count, 200]) == 1.0


def test_two_in_twenty_do_and_few_never() -> None:
    assert factor([150] * (LEAST_REPORTS - 1)) == 1.0
    assert factor([150] * LEAST_REPORTS) == 1.5
    assert factor([100] * 29 + [200] * 3) == 1.0
    assert factor([100] * 27 + [140] * 5) == 1.4


@given(percents)
@example([1] * WINDOW)
@example([200] * WINDOW)
def test_it_only_adds_and_doubles_at_most(found: list[int]) -> None:
    assert 1.0 <= factor(found) <= 2.0
    assert factor(reversed(found)) == factor(found)


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(1, 200))))
def test_reports_are_few_and_come_back_as_they_were_written(told: list[tuple[str, int]]) -> None:
    reports: Any = {}
    for kind, percent in told:
        reports = with_report(reports, kind, percent)
    assert read_reports(as_data(reports)) == reports
    for kind, kept in reports.items():
        assert kept == tuple(percent for of, percent in told if of == kind)[-WINDOW:]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (None, {}),
        ([], {}),
        ({"Auto.small": 5}, {}),
        ({"Auto.small": "x"}, {}),
        ({"Auto.small": "100 x -3 1e9 99999 ٣ 150"}, {"Auto.small": (100, 150)}),
        ({"Auto.small": "0 999"}, {"Auto.small": (1, 200)}),
        ({"Auto.small": "1" * 10_000}, {}),
        ({"somebody.else": "100"}, {}),
    ],
)
def test_what_somebody_wrote_into_it_is_no_more_than_a_claim(data: object, kept: object) -> None:
    assert read_reports(data) == kept


def test_each_job_has_a_class() -> None:
    assert class_of(auto()) == "Auto.small"
    source = {"claimName": "recordings", "path": "fm", "format": "DigitalRF"}
    kinds = {
        class_of(auto(input=source, transform={"fftSize": size})) for size in (8, 4096, 4097, 65_536, 65_537, 2**20)
    }
    assert kinds == {"DigitalRF.small", "DigitalRF.middle", "DigitalRF.large"}
    assert kinds < set(CLASSES)


def test_a_corrected_estimate_is_within_its_pool_and_of_its_class_alone() -> None:
    peak = planned_peak_in(auto(), "default", Policy())
    learnt = Policy(memory_corrections={"Auto.small": 1.5, "Auto.middle": 2.0})
    assert attempt_memory(auto(), QueueName.DEFAULT, None, learnt) == enough_for(int(1.5 * peak))
    sized = auto(resources={"memory": "1Gi"})
    assert attempt_memory(sized, QueueName.DEFAULT, None, learnt) == 2**30
    small = {name: replace(pool, max_memory_bytes=192 * MEBIBYTE) for name, pool in learnt.pools.items()}
    assert attempt_memory(auto(), QueueName.DEFAULT, None, replace(learnt, pools=small)) == 192 * MEBIBYTE
