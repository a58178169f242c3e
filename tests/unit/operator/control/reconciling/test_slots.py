"""Slots: who holds one whatever is claimed, who hears that a slot is free, and how often a place in line is told."""

from dataclasses import replace
from typing import Any

import pytest

from pods.jobs import JOB_UID, job_body, stored
from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import KUEUE_QUEUE, LABEL_QUEUE
from spectrogram_operator.control.reconciling.slots import Slots
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.judging.pod import read_pod
from spectrogram_operator.core.policy import Policy
from unit.operator.core.fixtures import body as fixture
from unit.operator.core.play import START

POD = fixture("running")["metadata"]["name"]
POLICY = Policy()
POLICY = replace(POLICY, pools={name: replace(pool, max_concurrent=1) for name, pool in POLICY.pools.items()})


class Line:
    """A store and its slots, one in each queue, and who was woken."""

    def __init__(self, *, opened: bool = True) -> None:
        self.store = Store()
        self.woken: list[str] = []
        self.slots = Slots(self.store, POLICY, lambda: START, self.woken.append)
        self._version = 100
        if opened:
            self.slots.open()

    def submit(self, name: str, *, namespace: str = "radio", **spec: Any) -> None:
        """A job is seen."""
        self._version += 1
        found = stored(job_body(name, **spec))
        identity = {"namespace": namespace, "uid": f"uid-{name}", "resourceVersion": str(self._version)}
        self.store.see_job({**found, "metadata": found["metadata"] | identity})

    def pod(self, shape: str = "running", **metadata: Any) -> None:
        """A pod is seen: the one of the job of tests/pods, but for this."""
        self._version += 1
        found = fixture(shape)
        metadata = found["metadata"] | {"resourceVersion": str(self._version), **metadata}
        self.store.see_pod({**found, "metadata": metadata})

    def job(self, name: str) -> Job:
        found = self.store.job(f"radio/{name}")
        assert isinstance(found, Job)
        return found

    def why(self, name: str) -> str:
        """Why the job waits."""
        return self.slots.turn(self.job(name)).why


def owned(name: str, uid: str) -> list[dict[str, Any]]:
    return [{"kind": "SpectrogramJob", "name": name, "uid": uid, "controller": True}]


def test_no_slot_is_given_before_all_that_may_hold_one_is_known() -> None:
    line = Line(opened=False)
    line.submit("fm-band")
    assert line.woken == []
    assert not line.slots.turn(line.job("fm-band")).granted
    line.slots.open()
    assert line.woken == ["radio/fm-band"]
    assert line.slots.turn(line.job("fm-band")).granted


@pytest.mark.parametrize(
    ("metadata", "holds"),
    [
        ({}, True),
        ({"labels": {}}, True),
        ({"labels": {LABEL_QUEUE: "no such queue"}}, True),
        ({"labels": {LABEL_QUEUE: "large_jobs"}}, False),
        ({"name": "a-pod-of-mine"}, False),
        ({"name": "fm-band-00000000-a1"}, False),
        ({"ownerReferences": []}, False),
        ({"ownerReferences": owned("fm-band", "another")}, False),
        ({"ownerReferences": owned("another", JOB_UID)}, False),
    ],
)
def test_a_pod_holds_a_slot_by_its_owner_and_the_name_that_follows(metadata: dict[str, Any], holds: bool) -> None:
    line = Line()
    line.pod(**metadata)
    line.submit("waits")
    assert line.woken == ([] if holds else ["radio/waits"])


@pytest.mark.parametrize("shape", ["succeeded", "gone"])
def test_the_end_of_a_pod_wakes_the_next_in_line(shape: str) -> None:
    line = Line()
    line.pod()
    line.submit("first")
    line.submit("second")
    assert line.woken == []
    if shape == "gone":
        line.store.lose_pod(read_pod(fixture("running")), 1000)
    else:
        line.pod(shape)
    assert line.woken == ["radio/first"]


def test_a_job_that_is_deleted_or_suspended_leaves_the_line_and_its_slot() -> None:
    line = Line()
    for name in ("first", "second", "third"):
        line.submit(name)
    line.store.lose_job("radio/first", "uid-first")
    assert line.woken == ["radio/first", "radio/second"]
    line.submit("second", suspend=True)
    assert line.woken == ["radio/first", "radio/second", "radio/third"]


def test_a_job_that_is_deleted_while_it_is_looked_at_is_promised_nothing() -> None:
    line = Line()
    line.submit("first")
    first = line.job("first")
    line.store.lose_job("radio/first", "uid-first")
    assert not line.slots.turn(first).granted
    line.submit("second")
    assert line.slots.turn(line.job("second")).granted


def test_who_asks_is_not_woken_for_what_it_is_told() -> None:
    line = Line()
    line.submit("first", suspend=True)
    line.submit("first")
    line.woken.clear()
    assert line.slots.turn(line.job("first")).granted
    assert line.woken == []


def test_a_place_in_line_is_told_anew_only_when_it_is_time() -> None:
    line = Line()
    for name in ("runs", "first", "second"):
        line.submit(name)
    assert line.why("first") == "0 ahead in default; radio runs 1 of 1"
    assert line.why("second") == "1 ahead in default; radio runs 1 of 1"
    line.store.lose_job("radio/runs", "uid-runs")
    assert line.slots.turn(line.job("first")).granted
    assert line.why("second") == "1 ahead in default; radio runs 1 of 1"
    line.woken.clear()
    line.slots.tell_positions()
    assert line.woken == ["radio/second"]
    assert line.why("second") == "0 ahead in default; radio runs 1 of 1"
    line.slots.tell_positions()
    assert line.woken == ["radio/second"]


def test_a_job_that_waits_for_something_else_does_not_stand_in_line() -> None:
    line = Line()
    line.submit("fm-band", suspend=True)
    assert not line.slots.waits("uid-fm-band")
    turn = line.slots.turn(line.job("fm-band"))
    assert (turn.granted, turn.why) == (False, "")


def test_a_namespace_that_was_not_listed_waits_and_keeps_no_other_waiting() -> None:
    line = Line(opened=False)
    line.submit("first", namespace="closed")
    line.submit("second")
    line.slots.open("radio")
    assert line.woken == ["radio/second"]
    line.store.lose_job("radio/second", "uid-second")
    line.submit("first", namespace="closed", priority=1)
    assert line.woken == ["radio/second"]
    line.slots.open("closed")
    assert line.woken == ["radio/second", "closed/first"]


def test_where_a_job_stood_is_forgotten_when_it_waits_no_longer() -> None:
    line = Line()
    for name in ("runs", "first", "second"):
        line.submit(name)
    assert line.why("second") == "1 ahead in default; radio runs 1 of 1"
    line.submit("second", suspend=True)
    line.submit("first", suspend=True)
    line.submit("second")
    assert line.why("second") == "0 ahead in default; radio runs 1 of 1"


def test_a_pod_that_was_seen_before_its_job_takes_the_slot_that_the_job_says() -> None:
    line = Line()
    line.pod(labels={LABEL_QUEUE: "large_jobs"})
    attempt = {"number": 1, "state": "Created", "podName": POD, "podUID": "u", "pool": "default", "memoryBytes": 2**30}
    found = stored(job_body("fm-band"), status={"attempt": 1, "attempts": [attempt]})
    line.store.see_job({**found, "metadata": found["metadata"] | {"resourceVersion": "200"}})
    line.submit("waits")
    line.submit("large", queue="large_jobs")
    assert line.woken == ["radio/large"]


def test_a_job_that_kueue_queues_takes_no_slot_and_waits_for_none() -> None:
    line = Line()
    line.pod()
    for name in ("first", "second"):
        line.submit(name, queueName="team-a")
        assert line.slots.turn(line.job(name)).granted
    line.submit("waits")
    assert line.woken == ["radio/first", "radio/second"]
    line.store.lose_pod(read_pod(fixture("running")), 1000)
    assert line.woken == ["radio/first", "radio/second", "radio/waits"]


@pytest.mark.parametrize("order", ["pod first", "job first"])
def test_a_pod_of_a_job_that_kueue_queues_takes_no_slot(order: str) -> None:
    line = Line()
    attempt = {"number": 1, "state": "Created", "podName": POD, "podUID": "u", "pool": "default", "memoryBytes": 2**30}
    found = stored(job_body("fm-band", queueName="team-a"), status={"attempt": 1, "attempts": [attempt]})
    for step in sorted(["job", "pod"], reverse=order == "pod first"):
        if step == "job":
            line.store.see_job({**found, "metadata": found["metadata"] | {"resourceVersion": "200"}})
        else:
            line.pod()
    line.submit("starts")
    assert line.woken == ["radio/starts"]


def test_a_pod_without_its_job_takes_the_slot_that_its_labels_say() -> None:
    line = Line()
    line.pod(labels={LABEL_QUEUE: "default", KUEUE_QUEUE: "team-a"})
    line.submit("starts")
    assert line.woken == ["radio/starts"]


def test_a_label_of_kueues_frees_no_slot_where_the_job_says_otherwise() -> None:
    line = Line()
    attempt = {"number": 1, "state": "Created", "podName": POD, "podUID": "u", "pool": "default", "memoryBytes": 2**30}
    found = stored(job_body("fm-band"), status={"attempt": 1, "attempts": [attempt]})
    line.store.see_job({**found, "metadata": found["metadata"] | {"resourceVersion": "200"}})
    line.pod(labels={LABEL_QUEUE: "default", KUEUE_QUEUE: "team-a"})
    line.submit("waits")
    assert line.woken == []


def test_a_job_that_kueue_queues_starts_only_where_this_operator_acts() -> None:
    line = Line(opened=False)
    line.submit("fm-band", queueName="team-a")
    assert not line.slots.turn(line.job("fm-band")).granted
    line.slots.open("radio")
    assert line.woken == ["radio/fm-band"]
    line.slots.close("radio")
    assert not line.slots.turn(line.job("fm-band")).granted


def test_nothing_starts_in_a_namespace_that_is_closed_until_it_is_open_again() -> None:
    line = Line()
    line.slots.close("radio")
    line.submit("ours")
    assert line.woken == []
    line.submit("theirs", namespace="lab")
    assert line.woken == ["lab/theirs"]
    line.store.lose_job("lab/theirs", "uid-theirs")
    line.slots.close()
    line.submit("others", namespace="lab")
    line.slots.open("radio")
    assert line.woken == ["lab/theirs", "radio/ours"]
    line.store.lose_job("radio/ours", "uid-ours")
    line.slots.open()
    assert line.woken == ["lab/theirs", "radio/ours", "lab/others"]
