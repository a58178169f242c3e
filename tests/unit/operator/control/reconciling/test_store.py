"""The store: the newest holds, what is gone stays gone, and of what is over little is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from pods.jobs import JOB_UID, job_body, stored
from pods.shapes import POD_UID
from spectrogram_operator.api.job import Job
from spectrogram_operator.control.reconciling import store as module
from spectrogram_operator.control.reconciling.finished_job import FinishedJob
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.judging.pod import Pod, read_pod
from unit.operator.core.fixtures import body as fixture

KEY = "radio/fm-band"


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def job_changed(self, job: Job | FinishedJob) -> None:
        self.told.append(f"{job.uid} is {'over' if isinstance(job, FinishedJob) else job.status.phase}")

    def job_gone(self, key: str, uid: str) -> None:
        self.told.append(f"{uid} is gone")

    def pod_changed(self, pod: Pod) -> None:
        self.told.append(f"{pod.uid} is {'gone' if pod.gone else pod.phase}")


def job(version: int, *, uid: str = JOB_UID, phase: str = "", ended: str = "", **status: Any) -> dict[str, Any]:
    """The job as the API server shows it; `ended`: Complete or Failed."""
    conditions = [{"type": ended, "status": "True", "reason": "x", "lastTransitionTime": "2026-11-23T12:00:00Z"}]
    said = {"phase": phase or None, "queue": "default", "conditions": conditions if ended else [], **status}
    found = stored(job_body(), status=said)
    return {**found, "metadata": found["metadata"] | {"uid": uid, "resourceVersion": str(version)}}


def pod(version: int, shape: str = "running", **metadata: Any) -> dict[str, Any]:
    """A pod of the job."""
    found = fixture(shape)
    return {**found, "metadata": found["metadata"] | {"resourceVersion": str(version), **metadata}}


def store() -> tuple[Store, Heard]:
    found, heard = Store(), Heard()
    found.listeners.append(heard)
    return found, heard


def uids(found: Store) -> list[str]:
    return [one.uid for one in found.pods()]


# Versions


@pytest.mark.parametrize(("version", "news"), [(9, False), (10, False), (11, True), (100, True)])
def test_only_what_is_newer_changes_a_job(version: int, news: bool) -> None:
    found, heard = store()
    assert found.see_job(job(10, phase="Starting"))
    assert found.see_job(job(version, phase="Running")) is news
    known = found.job(KEY)
    assert isinstance(known, Job)
    assert known.status.phase == ("Running" if news else "Starting")
    assert len(heard.told) == (2 if news else 1)


@pytest.mark.parametrize(
    ("version", "shape", "news"),
    [(9, "succeeded", False), (10, "succeeded", False), (11, "succeeded", True), (11, "running", False)],
)
def test_only_what_is_newer_and_different_changes_a_pod(version: int, shape: str, news: bool) -> None:
    found, heard = store()
    assert len(found.see_pod(pod(10))) == 1
    assert [one.phase for one in found.see_pod(pod(version, shape))] == (["Succeeded"] if news else [])
    assert len(heard.told) == (2 if news else 1)


def test_an_object_without_a_version_is_taken_as_it_comes() -> None:
    found, _ = store()
    for shape in ("container-creating", "running", "succeeded"):
        shown = pod(0, shape)
        del shown["metadata"]["resourceVersion"]
        assert len(found.see_pod(shown)) == 1


# What is gone


def test_a_job_that_is_gone_is_not_brought_back_by_a_late_event() -> None:
    found, heard = store()
    found.see_job(job(10))
    assert found.lose_job(KEY, JOB_UID)
    assert not found.lose_job(KEY, JOB_UID)
    assert not found.see_job(job(11))
    assert (found.job(KEY), list(found.unfinished())) == (None, [])
    assert heard.told[-1] == f"{JOB_UID} is gone"


def test_of_two_jobs_that_had_one_name_the_newer_holds_whatever_comes_late() -> None:
    found, heard = store()
    found.see_job(job(10, uid="former"))
    assert found.see_job(job(20, uid="newer"))
    assert heard.told == ["former is None", "former is gone", "newer is None"]
    assert not found.see_job(job(15, uid="former"))
    assert not found.lose_job(KEY, "former")
    known = found.job(KEY)
    assert known is not None
    assert known.uid == "newer"


def test_a_pod_that_is_gone_is_not_brought_back_by_a_late_event() -> None:
    found, heard = store()
    found.see_pod(pod(10))
    (gone,) = found.lose_pod(read_pod(pod(11)), 11)
    assert gone.gone
    assert found.see_pod(pod(10)) == found.see_pod(pod(11)) == []
    assert found.lose_pod(read_pod(pod(11)), 11) == []
    assert (uids(found), found.pods_of(JOB_UID)) == ([], ())
    assert heard.told == [f"{POD_UID} is Running", f"{POD_UID} is gone"]


@pytest.mark.parametrize("said_by", ["a watch", "a list"])
def test_a_pod_whose_label_was_taken_away_and_put_back_is_there_again(said_by: str) -> None:
    found, heard = store()
    found.see_pod(pod(10))
    assert (
        len(found.lose_pod(read_pod(pod(11)), 11) if said_by == "a watch" else found.hold_against(set(), 11, None)) == 1
    )
    assert len(found.see_pod(pod(12))) == 1
    assert uids(found) == [POD_UID]
    assert found.see_pod(pod(11)) == []
    assert len(found.lose_pod(read_pod(pod(13)), 13)) == 1
    assert uids(found) == []
    assert heard.told[-2:] == [f"{POD_UID} is Running", f"{POD_UID} is gone"]


def test_only_so_many_of_what_is_gone_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GONE", 2)
    found, _ = store()
    for number in range(5):
        found.lose_pod(read_pod(pod(1, uid=f"pod-{number}")), 1)
    assert [len(found.see_pod(pod(1, uid=f"pod-{number}"))) for number in range(5)] == [1, 1, 1, 0, 0]


def test_a_pod_whose_owner_was_taken_from_it_is_nobody_s() -> None:
    found, _ = store()
    found.see_pod(pod(10))
    found.see_pod(pod(11, ownerReferences=[]))
    assert (uids(found), found.pods_of(JOB_UID)) == ([POD_UID], ())
    found.see_pod(pod(12))
    assert len(found.pods_of(JOB_UID)) == 1
    found.lose_pod(read_pod(pod(13, ownerReferences=[])), 13)
    assert found.pods_of(JOB_UID) == ()


@pytest.mark.parametrize("ends", ["over", "gone", "another"])
def test_the_last_that_was_seen_of_a_pod_is_kept_until_its_job_is_over(ends: str) -> None:
    found, _ = store()
    found.see_job(job(10))
    found.see_pod(pod(11))
    found.lose_pod(read_pod(pod(12, "evicted-node-memory")), 12)
    last = found.last_seen(JOB_UID, POD_UID)
    assert last is not None
    assert (last.gone, last.reason) == (True, "Evicted")
    if ends == "over":
        found.see_job(job(20, ended="Failed"))
    elif ends == "gone":
        found.lose_job(KEY, JOB_UID)
    else:
        found.see_job(job(20, uid="another"))
    assert found.last_seen(JOB_UID, POD_UID) is None


def test_how_a_pod_ended_is_heard_though_a_list_said_first_that_it_is_gone() -> None:
    found, heard = store()
    found.see_job(job(10))
    found.see_pod(pod(11))
    found.hold_against(set(), 15, None)
    (gone,) = found.see_pod(pod(12, "evicted-node-memory"))
    assert (gone.gone, gone.reason) == (True, "Evicted")
    (gone,) = found.lose_pod(read_pod(pod(14, "oom-killed")), 14)
    assert (found.last_seen(JOB_UID, POD_UID), gone.gone) == (gone, True)
    assert found.see_pod(pod(13)) == found.lose_pod(read_pod(pod(14)), 14) == []
    assert heard.told[-3:] == [f"{POD_UID} is gone"] * 3
    assert uids(found) == []


def test_what_came_before_the_last_words_does_not_take_their_place() -> None:
    found, _ = store()
    found.see_job(job(10))
    found.see_pod(pod(11))
    (gone,) = found.lose_pod(read_pod(pod(14, "oom-killed")), 14)
    assert found.see_pod(pod(13, "evicted-node-memory")) == []
    assert found.last_seen(JOB_UID, POD_UID) == gone


@pytest.mark.parametrize("name_known", [True, False])
def test_the_last_that_was_seen_of_a_pod_is_kept_though_its_job_is_known_later(name_known: bool) -> None:
    found, _ = store()
    if name_known:
        found.see_job(job(5, uid="former"))
    found.see_pod(pod(11))
    found.hold_against(set(), 15, None)
    found.see_pod(pod(12, "evicted-node-memory"))
    found.see_job(job(10))
    last = found.last_seen(JOB_UID, POD_UID)
    assert last is not None
    assert (last.gone, last.reason) == (True, "Evicted")
    assert found.last_seen("another", POD_UID) is None
    found.lose_pod(read_pod(pod(14, "oom-killed")), 14)
    last = found.last_seen(JOB_UID, POD_UID)
    assert last is not None
    assert last.reason == ""


def test_of_pods_without_a_known_job_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNOWNED", 2)
    found, _ = store()
    for number in range(5):
        found.lose_pod(read_pod(pod(1, uid=f"pod-{number}")), 1)
    kept = [number for number in range(5) if found.last_seen(JOB_UID, f"pod-{number}") is not None]
    assert kept == [3, 4]


@pytest.mark.parametrize("how", ["over", "deleted"])
def test_of_a_pod_whose_job_does_not_go_on_nothing_is_kept(how: str) -> None:
    found, _ = store()
    found.see_job(job(5, ended="Complete" if how == "over" else ""))
    if how == "deleted":
        found.lose_job(KEY, JOB_UID)
    found.see_pod(pod(11))
    found.lose_pod(read_pod(pod(12)), 12)
    assert found.last_seen(JOB_UID, POD_UID) is None


# Lists


@pytest.mark.parametrize(
    ("namespace", "version", "gone"),
    [
        (None, 20, ["old", "elsewhere"]),
        (None, 30, ["old", "young", "elsewhere"]),
        (None, 9, []),
        ("radio", 20, ["old"]),
        ("sky", 20, ["elsewhere"]),
        ("empty", 20, []),
    ],
)
def test_a_list_takes_away_what_it_lacks_of_its_namespace_and_nothing_younger(
    namespace: str | None, version: int, gone: list[str]
) -> None:
    found, heard = store()
    found.see_pod(pod(10, uid="listed"))
    found.see_pod(pod(10, uid="old"))
    found.see_pod(pod(21, uid="young"))
    found.see_pod(pod(10, uid="elsewhere", namespace="sky"))
    heard.told.clear()
    assert [one.uid for one in found.hold_against({"listed"}, version, namespace)] == gone
    assert heard.told == [f"{uid} is gone" for uid in gone]
    assert sorted([*uids(found), *gone]) == ["elsewhere", "listed", "old", "young"]


@pytest.mark.parametrize(
    ("namespace", "version", "gone"),
    [(None, 20, ["fm-band"]), ("radio", 20, ["fm-band"]), ("sky", 20, []), (None, 9, [])],
)
def test_a_list_of_jobs_takes_away_what_it_lacks(namespace: str | None, version: int, gone: list[str]) -> None:
    found, heard = store()
    found.see_job(job(10, phase="Over", ended="Failed"))
    heard.told.clear()
    found.hold_jobs_against({JOB_UID}, version, namespace)
    assert heard.told == []
    found.hold_jobs_against({"another"}, version, namespace)
    assert heard.told == [f"{JOB_UID} is gone" for _ in gone]
    assert bool(+found.places) is not bool(gone)


# What is over


@pytest.mark.parametrize(("ended", "succeeded"), [("Complete", True), ("Failed", False)])
def test_of_a_job_that_is_over_a_few_facts_are_kept(ended: str, succeeded: bool) -> None:
    found, _ = store()
    shown = job(10, phase="Over", ended=ended, completionTime="2026-11-23T13:00:00Z", observedGeneration=1)
    found.see_job(shown)
    known = found.job(KEY)
    assert isinstance(known, FinishedJob)
    assert (known.key, known.uid, known.queue, known.phase) == (KEY, JOB_UID, "default", "Over")
    assert (known.succeeded, known.said) == (succeeded, True)
    assert known.completion_time is not None
    assert list(found.unfinished()) == []
    shown["metadata"] = shown["metadata"] | {"generation": 2, "resourceVersion": "11"}
    found.see_job(shown)
    known = found.job(KEY)
    assert isinstance(known, FinishedJob)
    assert known.said is False


def test_each_job_is_counted_once_where_it_is() -> None:
    found, _ = store()
    for version, phase in enumerate(["", "Queued", "Running"], start=1):
        found.see_job(job(version, phase=phase))
        assert +found.places == {("radio", "default", phase): 1}
    found.see_job(job(4, phase="Succeeded", ended="Complete"))
    assert +found.places == {("radio", "default", "Succeeded"): 1}
    found.see_job(job(5, uid="another", phase="Queued"))
    assert +found.places == {("radio", "default", "Queued"): 1}
    found.lose_job(KEY, "another")
    assert not +found.places


@pytest.mark.parametrize("pod_first", [True, False])
@pytest.mark.parametrize("shape", ["oom-killed", "running"])
def test_a_pod_that_has_ended_is_kept_without_how_once_its_job_is_over(shape: str, pod_first: bool) -> None:
    found, _ = store()
    shown: list[Callable[[], object]] = [
        lambda: found.see_job(job(10, ended="Failed")),
        lambda: found.see_pod(pod(11, shape)),
    ]
    for show in reversed(shown) if pod_first else shown:
        show()
    (kept,) = found.pods_of(JOB_UID)
    assert (kept.main is None) is (shape == "oom-killed")
    assert (not kept.conditions) is (shape == "oom-killed")
    assert (kept.uid, kept.finished) == (POD_UID, shape == "oom-killed")


def test_a_time_that_is_none_keeps_no_job_from_being_read() -> None:
    found, _ = store()
    shown = job(10, ended="Failed")
    shown["status"]["completionTime"] = "yesterday"
    assert found.see_job(shown)
    known = found.job(KEY)
    assert isinstance(known, FinishedJob)
    assert known.completion_time is None
