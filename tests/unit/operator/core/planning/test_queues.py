"""Who may start: never more than the limits, no idle slot, no namespace before its turn, nobody for ever last."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrogram_operator.core.planning.queues import Contender, Queues, contender
from spectrogram_operator.core.policy import MEBIBYTE, Policy, Pool
from unit.operator.core.play import START, Play, build_job, read_any_job

MEMORY = 256 * MEBIBYTE


def entry(
    uid: str,
    *,
    active: bool = False,
    priority: int = 0,
    age: float = 0.0,
    namespace: str = "radio",
    queue: str = "default",
    memory_bytes: int = MEMORY,
) -> Contender:
    """A job in the queue, `age` seconds old."""
    return Contender(
        uid=uid,
        key=uid,
        namespace=namespace,
        queue=queue,
        memory_bytes=memory_bytes,
        priority=priority,
        created=START - timedelta(seconds=age),
        active=active,
    )


def queues(limit: int = 2, **limits: Any) -> Queues:
    """Two queues of this limit."""
    pool = Pool(memory_bytes=MEMORY, max_memory_bytes=MEMORY, max_concurrent=limit, **limits)
    return Queues({"default": pool, "large_jobs": pool})


def placed(found: Queues, *jobs: Contender) -> Queues:
    for job in jobs:
        found.place(job.uid, job)
    return found


def in_order(found: Queues) -> list[str]:
    """All that wait, one after the other: each ends before the next begins."""
    order = []
    while started := found.admit():
        order += started
        for uid in started:
            found.place(uid, None)
    return order


def test_what_stands_in_line_and_the_memory_that_it_wants() -> None:
    found = placed(queues(1), entry("a", age=9), entry("b", memory_bytes=3 * MEMORY), entry("c", queue="large_jobs"))
    assert {name: found.demand()[name] for name in ("default", "large_jobs")} == {
        "default": (2, 4 * MEMORY),
        "large_jobs": (1, MEMORY),
    }
    assert found.admit() == ["a", "c"]
    assert {name: found.demand()[name] for name in ("default", "large_jobs")} == {
        "default": (1, 3 * MEMORY),
        "large_jobs": (0, 0),
    }
    found.place("b", entry("b", memory_bytes=2 * MEMORY))
    assert found.demand()["default"] == (1, 2 * MEMORY), "it wants less by now"
    found.place("b", None)
    assert found.demand()["default"] == (0, 0)


# The order


def test_higher_priority_goes_first_then_the_older_job_then_the_uid() -> None:
    jobs = [entry("b"), entry("a"), entry("old", age=5), entry("urgent", priority=1)]
    assert in_order(placed(queues(1), *jobs)) == ["urgent", "old", "a", "b"]


def test_a_minute_of_waiting_is_worth_a_step_of_priority() -> None:
    jobs = [entry("patient", age=61), entry("urgent", priority=1), entry("late", age=59)]
    assert in_order(placed(queues(1), *jobs)) == ["patient", "urgent", "late"]


def test_the_namespace_that_runs_least_is_next_and_of_two_the_one_that_was_served_longest_ago() -> None:
    found = placed(queues(3), entry("a0", namespace="a", active=True))
    placed(found, *(entry(f"a{number}", namespace="a", priority=9) for number in range(1, 4)))
    placed(found, *(entry(f"{ns}{number}", namespace=ns) for ns in "bc" for number in range(2)))
    assert found.admit() == ["b0", "c0"]
    found.place("a0", None)
    assert found.admit() == ["a1"]
    found.place("b0", None)
    assert found.admit() == ["b1"]
    found.place("c0", None)
    assert found.admit() == ["c1"]


def test_a_job_hears_how_many_are_ahead_and_why() -> None:
    found = placed(queues(2), *(entry(f"b{number}", namespace="team-b", active=True) for number in range(2)))
    placed(found, entry("first"), entry("second"), entry("third", namespace="team-b"))
    assert found.admit() == []
    assert [(job.uid, why) for job, why in found.positions()] == [
        ("first", "0 ahead in default; team-b runs 2 of 2"),
        ("second", "1 ahead in default; team-b runs 2 of 2"),
        ("third", "2 ahead in default; team-b runs 2 of 2"),
    ]
    assert found.why("second") == "1 ahead in default; team-b runs 2 of 2"


def test_of_a_long_line_only_the_first_hear_where_they_are() -> None:
    found = placed(queues(2), *(entry(f"{number:03}") for number in range(60)))
    found.admit()
    assert len(list(found.positions())) == 50
    assert found.why("059") == "at most 2 run at once"


# The limits


@pytest.mark.parametrize(
    ("running", "waiting", "limit", "expected"),
    [
        (0, 3, 2, ["w0", "w1"]),
        (1, 3, 2, ["w0"]),
        (2, 3, 2, []),
        (3, 3, 2, []),
        (0, 1, 2, ["w0"]),
        (0, 1, 0, []),
    ],
)
def test_as_many_start_as_there_are_slots(running: int, waiting: int, limit: int, expected: list[str]) -> None:
    found = placed(queues(limit), *(entry(f"r{number}", active=True) for number in range(running)))
    placed(found, *(entry(f"w{number}") for number in range(waiting)))
    assert found.admit() == expected
    assert found.admit() == []


def test_a_limit_may_change_and_ends_nothing_that_runs() -> None:
    found = placed(queues(1), *(entry(f"r{number}", active=True) for number in range(2)), entry("w"), entry("x"))
    assert (found.admit(), found.limits()["default"]) == ([], 1)
    found.limit("default", 3)
    assert (found.admit(), found.limits()["default"]) == (["w"], 3)
    assert found.why("x") == "0 ahead in default; radio runs 3 of 3"
    found.limit("default", 0)
    found.place("r0", None)
    assert found.admit() == []
    assert found.limits()["large_jobs"] == 1


@pytest.mark.parametrize("limits", [{"limit": 1}, {"limit": 2, "total_memory_bytes": MEMORY}])
def test_beyond_the_limits_a_slot_of_ones_own_is_no_grant(limits: dict[str, int]) -> None:
    """A late watch shows the last pod of b, which is gone, when a has had its slot for long."""
    found = placed(queues(**limits), entry("a", active=True), entry("b"))
    found.hold("pod-of-b", owner_uid="b", namespace="radio", queue="default", memory_bytes=MEMORY)
    assert found.admit() == []
    found.free("pod-of-b")
    assert found.admit() == []
    found.place("a", None)
    assert found.admit() == ["b"]


def test_the_queues_do_not_share_slots() -> None:
    found = placed(queues(1), entry("a", active=True), entry("b"), entry("c", queue="large_jobs"))
    assert found.admit() == ["c"]


def test_a_namespace_that_has_its_share_lets_others_pass() -> None:
    found = placed(queues(3, max_per_namespace=1), entry("a0"), entry("a1"), entry("b", namespace="sky"))
    assert found.admit() == ["a0", "b"]
    found.place("a0", None)
    assert found.admit() == ["a1"]


def test_the_next_waits_for_the_pool_s_memory_and_is_not_passed() -> None:
    found = placed(queues(9, total_memory_bytes=3 * MEMORY), entry("runs", active=True, memory_bytes=2 * MEMORY))
    placed(found, entry("big", age=5, memory_bytes=2 * MEMORY), entry("small"))
    assert found.admit() == []
    found.place("runs", None)
    assert found.admit() == ["big", "small"]


# What holds a slot


def hold(found: Queues, pod_uid: str, owner_uid: str) -> None:
    found.hold(pod_uid, owner_uid=owner_uid, namespace="radio", queue="default", memory_bytes=MEMORY)


def test_a_pod_takes_a_slot_until_it_has_ended_whoever_owned_it() -> None:
    found = placed(queues(1), entry("w"))
    hold(found, "pod", "a job that is gone")
    hold(found, "pod", "a job that is gone")
    assert found.admit() == []
    found.free("pod")
    found.free("pod")
    assert found.admit() == ["w"]


def test_a_job_s_own_pods_and_its_attempt_take_one_slot() -> None:
    found = placed(queues(2), entry("a", active=True), entry("b"), entry("c"))
    hold(found, "a1", "a")
    hold(found, "a2", "a")
    assert found.admit() == ["b"]
    found.place("a", None)
    found.free("a1")
    assert found.admit() == []
    found.free("a2")
    assert found.admit() == ["c"]


def test_a_grant_holds_its_slot_until_the_attempt_does_or_the_job_waits_no_longer() -> None:
    found = placed(queues(1), entry("a", age=1), entry("b"))
    assert found.admit() == ["a"]
    assert found.is_granted("a")
    found.place("a", entry("a", age=1, active=True))
    assert found.admit() == []
    found.place("a", None)
    assert found.admit() == ["b"]
    found.place("b", entry("b", queue="large_jobs"))
    assert found.admit() == ["b"]
    found.place("b", None)
    placed(found, entry("c"))
    assert found.admit() == ["c"]


# Whatever happens


NAMESPACES = ("a", "b", "c")
happenings = st.lists(
    st.tuples(
        st.sampled_from(["submit", "start", "end", "leave", "pod", "pod ends"]),
        st.integers(0, 11),
        st.integers(0, 3),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(happenings, st.integers(0, 4), st.integers(0, 2), st.sampled_from([0, 3 * MEMORY]))
def test_never_more_than_the_limits_and_no_slot_is_idle(
    story: list[tuple[str, int, int]], limit: int, share: int, memory: int
) -> None:
    found = queues(limit, max_per_namespace=share, total_memory_bytes=memory)
    waiting: dict[str, Contender] = {}
    running: dict[str, str] = {}
    pods: dict[str, str] = {}
    for what, number, priority in story:
        uid = f"job-{number}"
        namespace = NAMESPACES[number % 3]
        if what == "submit" and uid not in running:
            waiting[uid] = entry(uid, priority=priority, namespace=namespace)
            found.place(uid, waiting[uid])
        elif what == "start" and uid in running and found.is_granted(uid):
            found.place(uid, entry(uid, namespace=namespace, active=True))
        elif what in ("end", "leave"):
            found.place(uid, None)
            waiting.pop(uid, None)
            running.pop(uid, None)
        elif what == "pod" and uid in running:
            pods[uid] = namespace
            found.hold(uid, owner_uid=uid, namespace=namespace, queue="default", memory_bytes=MEMORY)
        elif what == "pod ends":
            pods.pop(uid, None)
            found.free(uid)
        before = {**running, **pods}
        for started in found.admit():
            running[started] = waiting.pop(started).namespace
        holders = {**running, **pods}
        if len(holders) > len(before):
            assert len(holders) <= limit
            assert not memory or len(holders) * MEMORY <= memory
            grown = {running[uid] for uid in holders.keys() - before.keys()}
            counts = [list(holders.values()).count(namespace) for namespace in grown]
            assert not share or max(counts) <= share
        free = len(holders) < limit and (not memory or (len(holders) + 1) * MEMORY <= memory)
        for job in waiting.values():
            taken = list(holders.values()).count(job.namespace)
            assert not free or (share and taken >= share)


@given(st.lists(st.tuples(st.sampled_from(NAMESPACES), st.integers(0, 5)), min_size=1, max_size=40), st.integers(1, 3))
def test_nobody_waits_longer_than_its_share_of_slots_demands(arrivals: list[tuple[str, int]], limit: int) -> None:
    """However many of the other namespaces arrive meanwhile: they take turns."""
    found = placed(queues(limit), entry("mine", namespace="mine"))
    running: list[str] = []
    for ended in range(len(NAMESPACES) * limit + 1):
        for number, (namespace, priority) in enumerate(arrivals):
            placed(found, entry(f"{ended}-{number}", namespace=namespace, priority=priority, age=1e6))
        running += found.admit()
        if "mine" in running:
            return
        found.place(running.pop(0), None)
    pytest.fail(f"{len(NAMESPACES) * limit + 1} jobs have ended, and mine has not begun")


# Jobs as contenders


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
    assert contender(read_any_job(input={}), START, Policy()) is None
    assert contender(replace(build_job(), deleting=True), START, Policy()) is None


def test_a_job_that_waits_for_its_claim_is_not_in_the_way() -> None:
    play = Play()
    play.step(missing_claims=("recordings",))
    assert contender(build_job(play.status), START, Policy()) is None


def test_a_job_in_line_wants_what_its_next_attempt_will_ask_for() -> None:
    play = Play()
    first = contender(build_job(), START, Policy())
    play.run("exit-82-memory-error")
    again = contender(build_job(play.status), START + timedelta(hours=1), Policy())
    assert first is not None
    assert again is not None
    assert (first.memory_bytes, again.memory_bytes) == (1024 * MEBIBYTE, 1536 * MEBIBYTE)
    small = contender(build_job(resources={"memory": "auto"}), START, Policy())
    assert small is not None
    assert small.memory_bytes < 256 * MEBIBYTE


@pytest.mark.parametrize("spec", [{}, {"suspend": True}, {"cancelled": True}])
def test_a_job_with_an_attempt_takes_a_slot_until_the_attempt_is_judged(spec: dict[str, Any]) -> None:
    play = Play()
    play.run()
    found = contender(build_job(play.status, **spec), START, Policy())
    assert found is not None
    assert (found.active, found.queue) == (True, "default")
    play.see("succeeded")
    assert contender(build_job(play.status), START, Policy()) is None
