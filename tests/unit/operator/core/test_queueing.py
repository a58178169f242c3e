"""Who may start: never more than the limit, never an idle slot, nobody for ever last."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.queueing import Contender, contender, take_turn, waiting_order
from spectrogram_operator.core.policy import Policy
from unit.operator.core.fixtures import pod
from unit.operator.core.play import START, Play, build_job


def entry(uid: str, *, active: bool = False, priority: int = 0, age: float = 0.0, queue: str = "default") -> Contender:
    """A job in the queue, `age` seconds old."""
    created = START - timedelta(seconds=age)
    return Contender(uid=uid, key=f"radio/{uid}", queue=queue, priority=priority, created=created, active=active)


def granted(contenders: list[Contender], limit: int, pods: tuple[Pod, ...] = ()) -> set[str]:
    """The waiting jobs that may start now."""
    waiting = [job for job in contenders if not job.active]
    return {job.uid for job in waiting if take_turn(job.uid, job.queue, contenders, pods, limit).granted}


def test_higher_priority_goes_first_then_the_older_job_then_the_uid() -> None:
    jobs = [entry("b"), entry("a"), entry("old", age=5), entry("urgent", priority=1), entry("runs", active=True)]
    assert [job.uid for job in waiting_order("default", jobs)] == ["urgent", "old", "a", "b"]


@pytest.mark.parametrize(
    ("running", "waiting", "limit", "expected"),
    [
        (0, 3, 2, {"w0", "w1"}),
        (1, 3, 2, {"w0"}),
        (2, 3, 2, set()),
        (3, 3, 2, set()),
        (0, 1, 2, {"w0"}),
        (0, 1, 0, set()),
    ],
)
def test_as_many_start_as_there_are_slots(running: int, waiting: int, limit: int, expected: set[str]) -> None:
    jobs = [entry(f"r{number}", active=True) for number in range(running)]
    jobs += [entry(f"w{number}") for number in range(waiting)]
    assert granted(jobs, limit) == expected


def test_the_queues_do_not_share_slots() -> None:
    jobs = [entry("a", active=True), entry("b"), entry("c", queue="large_jobs")]
    assert granted(jobs, 1) == {"c"}


@pytest.mark.parametrize(
    ("name", "expected"), [("deleted-terminating", set()), ("running", set()), ("succeeded", {"w"})]
)
def test_a_pod_that_still_ends_takes_a_slot_whoever_owned_it(name: str, expected: set[str]) -> None:
    assert granted([entry("w")], 1, (replace(pod(name), owner_uid="a job that is gone"),)) == expected


def test_a_job_s_own_pod_and_its_attempt_take_one_slot() -> None:
    jobs = [entry("a", active=True), entry("b")]
    assert granted(jobs, 2, (replace(pod("running"), owner_uid="a"),)) == {"b"}


jobs_in_any_state = st.lists(
    st.builds(
        entry,
        st.integers(0, 30).map(str),
        active=st.booleans(),
        priority=st.integers(0, 3),
        age=st.integers(0, 3).map(float),
        queue=st.sampled_from(["default", "large_jobs"]),
    ),
    unique_by=lambda job: job.uid,
)


@settings(deadline=None)
@given(jobs_in_any_state, st.integers(0, 5))
def test_all_slots_are_used_and_no_more(jobs: list[Contender], limit: int) -> None:
    for queue in ("default", "large_jobs"):
        inside = [job for job in jobs if job.queue == queue]
        running = sum(job.active for job in inside)
        free = max(0, limit - running)
        order = waiting_order(queue, jobs)
        assert granted(inside, limit) == {job.uid for job in order[:free]}
        assert granted(jobs, limit) >= granted(inside, limit)


def _contends(changes: dict[str, Any], **spec: Any) -> bool | None:
    job = build_job(**spec)
    status = job.status.model_copy(update=changes)
    found = contender(replace(job, status=status), START, Policy())
    return found.active if found else None


def test_a_job_that_cannot_start_now_is_not_in_the_way() -> None:
    assert _contends({}) is False
    assert _contends({}, suspend=True) is None
    assert _contends({}, cancelled=True) is None
    assert _contends({"next_attempt_at": START + timedelta(seconds=1)}) is None
    assert _contends({"next_attempt_at": START}) is False
    assert contender(replace(build_job(), spec=None), START, Policy()) is None
    assert contender(replace(build_job(), deleting=True), START, Policy()) is None


def test_a_job_that_waits_for_its_claim_is_not_in_the_way() -> None:
    play = Play()
    play.step(missing_claims=("recordings",))
    assert contender(build_job(play.status), START, Policy()) is None


@pytest.mark.parametrize("spec", [{}, {"suspend": True}, {"cancelled": True}])
def test_a_job_with_an_attempt_takes_a_slot_until_the_attempt_is_judged(spec: dict[str, Any]) -> None:
    play = Play()
    play.run()
    found = contender(build_job(play.status, **spec), START, Policy())
    assert found is not None
    assert (found.active, found.queue) == (True, "default")
    play.see("succeeded")
    assert contender(build_job(play.status), START, Policy()) is None
