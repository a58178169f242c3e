"""The in-memory store answers as an API server does: what the operator's safety rests on."""

from typing import Any

import pytest

from harness.api.store import ApiError, ApiStore, Body

JOBS = "spectrogramjobs"


def put_job(store: ApiStore, name: str = "fm-band", **content: Any) -> Body:
    return store.put(JOBS, {"metadata": {"namespace": "radio", "name": name}, "spec": {}, **content})


def put_pod(
    store: ApiStore, name: str = "pod", *, node: str = "node-7", phase: str = "Running", **metadata: Any
) -> Body:
    spec = {"nodeName": node} if node else {}
    return store.put(
        "pods",
        {"metadata": {"namespace": "radio", "name": name, **metadata}, "spec": spec, "status": {"phase": phase}},
    )


def write(store: ApiStore, job: Body, phase: str, **metadata: Any) -> Body:
    return store.replace_status(JOBS, {"metadata": job["metadata"] | metadata, "status": {"phase": phase}})


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return error.value.code, error.value.reason


def test_names_are_unique() -> None:
    store = ApiStore()
    put_job(store)
    with pytest.raises(ApiError) as error:
        store.create(JOBS, {"metadata": {"namespace": "radio", "name": "fm-band"}})
    assert refused(error) == (409, "AlreadyExists")
    assert error.value.document()["details"] == {"kind": JOBS, "name": "fm-band"}


def test_a_status_is_replaced_only_where_nobody_wrote_in_between() -> None:
    store = ApiStore()
    job = put_job(store)
    newer = write(store, job, "Queued")
    assert newer["metadata"]["resourceVersion"] > job["metadata"]["resourceVersion"]
    assert newer["metadata"]["generation"] == 1
    with pytest.raises(ApiError) as error:
        write(store, job, "Running")
    assert refused(error) == (409, "Conflict")
    assert store.get(JOBS, "radio", "fm-band")["status"] == {"phase": "Queued"}


def test_a_status_without_a_version_is_refused() -> None:
    store = ApiStore()
    job = put_job(store)
    with pytest.raises(ApiError) as error:
        write(store, job, "Queued", resourceVersion="")
    assert refused(error) == (422, "Invalid")


def test_a_status_of_an_object_that_is_gone_or_another_by_now_is_refused() -> None:
    store = ApiStore()
    job = put_job(store)
    store.delete(JOBS, "radio", "fm-band")
    with pytest.raises(ApiError) as error:
        write(store, job, "Queued")
    assert refused(error) == (404, "NotFound")
    again = put_job(store)
    assert again["metadata"]["uid"] != job["metadata"]["uid"]
    with pytest.raises(ApiError) as error:
        write(store, again, "Queued", uid=job["metadata"]["uid"])
    assert refused(error) == (409, "Conflict")


def test_a_write_that_changes_nothing_is_no_new_version() -> None:
    store = ApiStore()
    job = write(store, put_job(store), "Queued")
    assert write(store, job, "Queued") is store.get(JOBS, "radio", "fm-band")
    assert store.version == int(job["metadata"]["resourceVersion"])


def test_the_generation_rises_with_the_spec() -> None:
    store = ApiStore()
    put_job(store)
    assert put_job(store, spec={"suspend": True})["metadata"]["generation"] == 2


def test_what_a_server_does_not_take_changes_nothing() -> None:
    def validate(plural: str, new: Body, old: Body | None) -> None:
        if new.get("status", {}).get("phase") == "Nonsense":
            raise ApiError(422, "Invalid", "status.phase: Unsupported value", kind=plural)

    store = ApiStore(validate=validate)
    job = put_job(store)
    with pytest.raises(ApiError) as error:
        write(store, job, "Nonsense")
    assert refused(error) == (422, "Invalid")
    assert store.get(JOBS, "radio", "fm-band") is job


def test_a_pod_on_a_node_is_ended_by_its_kubelet() -> None:
    store = ApiStore()
    put_pod(store)
    first = store.delete("pods", "radio", "pod", grace_seconds=30)
    assert store.get("pods", "radio", "pod")["metadata"]["deletionTimestamp"]
    assert store.delete("pods", "radio", "pod", grace_seconds=600) is first
    store.remove("pods", "radio", "pod")
    assert [change.type for change in store.changes("pods", 0)][-2:] == ["MODIFIED", "DELETED"]


@pytest.mark.parametrize(("node", "phase"), [("", "Pending"), ("node-7", "Succeeded"), ("node-7", "Failed")])
def test_a_pod_that_no_kubelet_has_to_end_is_gone_at_once(node: str, phase: str) -> None:
    store = ApiStore()
    put_pod(store, node=node, phase=phase)
    store.delete("pods", "radio", "pod")
    assert store.read_list("pods").items == []


@pytest.mark.parametrize("precondition", [{"uid": "another"}, {"resource_version": "1"}])
def test_a_deletion_whose_precondition_fails_is_refused(precondition: dict[str, Any]) -> None:
    store = ApiStore()
    put_pod(store)
    with pytest.raises(ApiError) as error:
        store.delete("pods", "radio", "pod", **precondition)
    assert refused(error) == (409, "Conflict")
    assert "deletionTimestamp" not in store.get("pods", "radio", "pod")["metadata"]


def test_a_finalizer_holds_an_object_until_it_is_taken_off() -> None:
    store = ApiStore()
    job = put_job(store)
    store.put(JOBS, {**job, "metadata": job["metadata"] | {"finalizers": ["somebody/else"]}})
    held = store.delete(JOBS, "radio", "fm-band")
    assert held["metadata"]["deletionTimestamp"]
    store.put(JOBS, {**held, "metadata": held["metadata"] | {"finalizers": []}})
    assert store.read_list(JOBS).items == []


def test_a_pod_goes_with_its_owner_once_the_garbage_collector_comes() -> None:
    store = ApiStore()
    owner = {"uid": put_job(store)["metadata"]["uid"], "controller": True}
    put_pod(store, ownerReferences=[owner])
    assert store.collect_garbage() == []
    store.delete(JOBS, "radio", "fm-band")
    assert len(store.collect_garbage()) == 1
    assert store.collect_garbage() == []
    assert store.get("pods", "radio", "pod")["metadata"]["deletionTimestamp"]


def test_a_list_comes_in_pages_of_one_moment() -> None:
    store = ApiStore()
    for name in "abcde":
        put_pod(store, name)
    page = store.read_list("pods", limit=2)
    store.remove("pods", "radio", "d")
    names = [body["metadata"]["name"] for body in page.items]
    while page.token:
        page = store.read_list("pods", limit=2, token=page.token)
        names += [body["metadata"]["name"] for body in page.items]
    assert names == ["a", "b", "c", "d", "e"]
    assert page.version == store.version - 1


def test_a_list_half_read_expires_with_the_past() -> None:
    store = ApiStore()
    for name in "abc":
        put_pod(store, name)
    token = store.read_list("pods", limit=2).token
    store.compact()
    with pytest.raises(ApiError) as error:
        store.read_list("pods", limit=2, token=token)
    assert refused(error) == (410, "Expired")


def test_a_watch_begins_at_a_version_and_expires_with_the_past() -> None:
    store = ApiStore()
    put_job(store)
    since = store.read_list(JOBS).version
    put_pod(store)
    put_job(store, spec={"suspend": True})
    assert [(change.type, change.body["spec"]) for change in store.changes(JOBS, since)] == [
        ("MODIFIED", {"suspend": True})
    ]
    store.compact()
    assert store.changes(JOBS, store.version) == []
    with pytest.raises(ApiError) as error:
        store.changes(JOBS, since)
    assert refused(error) == (410, "Expired")


def test_a_watch_with_a_selector_loses_what_loses_its_label() -> None:
    store = ApiStore()
    put_pod(store, labels={"job": "1"})
    put_pod(store, "stranger")
    before = store.version
    put_pod(store, labels={})
    put_pod(store, labels={"job": "2"})
    told = store.changes("pods", before, selector="job")
    assert [change.type for change in told] == ["DELETED", "ADDED"]
    assert len(store.read_list("pods", selector="job").items) == 1
    assert store.read_list("pods", selector="job=1").items == []
    assert store.changes("pods", before, namespace="elsewhere") == []
