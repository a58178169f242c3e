"""What the API server is asked, over real HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from spectrogram_operator.core.lease import Lease
from spectrogram_operator.core.planning.observed import Event
from unit.operator.control.cluster.site import (
    CLAIMS,
    DONE,
    JOBS,
    LEASES,
    MANIFEST,
    OK,
    POD,
    PODS,
    TOLD,
    Answer,
    Connect,
    job,
    listed_pods,
    refuses,
    says,
)

# What is asked


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda cluster: cluster.read_job("radio", "fm-band"), "GET", f"{JOBS}/fm-band"),
        (lambda cluster: cluster.write_status(job(), {}), "PUT", f"{JOBS}/fm-band/status"),
        (lambda cluster: cluster.create_pod(MANIFEST), "POST", PODS),
        (lambda cluster: cluster.read_pod("radio", "fm-band-a1"), "GET", f"{PODS}/fm-band-a1"),
        (lambda cluster: cluster.delete_pod("radio", "fm-band-a1", "u"), "DELETE", f"{PODS}/fm-band-a1"),
        (lambda cluster: cluster.claim_exists("radio", "results"), "GET", f"{CLAIMS}/results"),
        (lambda cluster: cluster.pod_events(POD), "GET", "/api/v1/namespaces/radio/events"),
        (lambda cluster: cluster.post_event(job(), DONE, TOLD), "POST", "/api/v1/namespaces/radio/events"),
    ],
)
async def test_each_call_is_one_request_with_the_account_s_token(
    connect: Connect, call: Callable[[KubernetesCluster], Awaitable[object]], method: str, path: str
) -> None:
    cluster, site = await connect(OK)
    await call(cluster)
    assert [(asked.method, asked.path, asked.token) for asked in site.asked] == [(method, path, "Bearer secret")]


async def test_a_status_is_written_whole_and_only_over_the_version_that_was_read(connect: Connect) -> None:
    cluster, site = await connect(OK)
    await cluster.write_status(job(), {"phase": "Queued"})
    body = site.asked[0].body
    assert (body["metadata"]["resourceVersion"], body["metadata"]["uid"]) == ("41", job().uid)
    assert (body["spec"], body["status"]) == ({"priority": 3}, {"phase": "Queued"})


@pytest.mark.parametrize(("uid", "preconditions"), [("u-1", {"uid": "u-1"}), (None, None)])
async def test_a_pod_is_deleted_only_if_it_is_still_the_one_that_was_seen(
    connect: Connect, uid: str | None, preconditions: dict[str, str] | None
) -> None:
    cluster, site = await connect(OK)
    await cluster.delete_pod("radio", "fm-band-a1", uid)
    assert site.asked[0].body.get("preconditions") == preconditions


# A list


def page(*names: str, token: str = "") -> Answer:
    """A page of a list of pods."""
    return says({"metadata": {"continue": token}, "items": [{"metadata": {"name": name}} for name in names]})


async def test_a_list_is_read_to_its_last_page(connect: Connect) -> None:
    cluster, site = await connect(page("a", "b", token="more"), page(token="still"), page("c"))
    assert [pod["metadata"]["name"] for pod in await listed_pods(cluster)] == ["a", "b", "c"]
    assert [asked.query["continue"] for asked in site.asked] == ["", "more", "still"]
    assert {asked.query["labelSelector"] for asked in site.asked} == {"spectrogram.dev/job-uid"}
    assert {asked.path for asked in site.asked} == {"/api/v1/pods"}


async def test_a_namespace_is_listed_by_itself(connect: Connect) -> None:
    cluster, site = await connect(page("a"), page("b", "c"))
    assert len(await listed_pods(cluster, "sky")) == 1
    jobs = [body async for listed in cluster.list_jobs("sky") for body in listed.items]
    assert [body["metadata"]["name"] for body in jobs] == ["b", "c"]
    assert [asked.path for asked in site.asked] == [
        "/api/v1/namespaces/sky/pods",
        "/apis/spectrogram.dev/v1beta1/namespaces/sky/spectrogramjobs",
    ]


@pytest.mark.parametrize("code", [403, 410, 500])
async def test_a_list_of_which_a_page_is_missing_is_none(connect: Connect, code: int) -> None:
    cluster, _ = await connect(page("a", token="more"), refuses(code, "Expired"))
    with pytest.raises(ClusterError):
        await listed_pods(cluster)


# Events


async def test_an_event_is_about_the_job_and_names_its_time_and_kind(connect: Connect) -> None:
    cluster, site = await connect(OK)
    await cluster.post_event(job(), Event(reason="Failed", message="no space", warning=True), TOLD)
    body = site.asked[0].body
    assert (body["type"], body["reason"], body["message"]) == ("Warning", "Failed", "no space")
    assert (body["involvedObject"]["uid"], body["involvedObject"]["name"]) == (job().uid, "fm-band")
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-11-23T12:00:00Z"


async def test_the_name_of_an_event_of_a_job_with_the_longest_name_fits(connect: Connect) -> None:
    cluster, site = await connect(OK)
    await cluster.post_event(job(name="x" * 253), DONE, TOLD)
    assert len(site.asked[0].body["metadata"]["generateName"]) + 5 <= 253


@pytest.mark.parametrize("answer", [refuses(403, "Forbidden", causes=("NamespaceTerminating",)), says("", 500)])
async def test_an_event_that_is_refused_is_dropped(connect: Connect, answer: Answer) -> None:
    cluster, site = await connect(answer)
    await cluster.post_event(job(), DONE, TOLD)
    assert len(site.asked) == 1


# Leases


OURS = Lease(holder="me", seconds=30, acquired="2026-11-29T12:00:00.000000Z", renewed="2026-11-29T12:00:00.000000Z")


def stored_lease(lease: Lease, namespace: str = "radio") -> Body:
    metadata = {"namespace": namespace, "name": "it", "resourceVersion": "7", "labels": {"a": "b"}}
    return {"metadata": metadata, "spec": lease.to_document()}


async def test_a_lease_is_read_and_none_is_none_only_where_the_api_server_says_so(connect: Connect) -> None:
    cluster, site = await connect(
        says(stored_lease(OURS)), refuses(404, "NotFound", "leases"), refuses(404, "NotFound")
    )
    assert await cluster.read_lease("radio", "it") == replace(OURS, version="7")
    assert await cluster.read_lease("radio", "it") is None
    with pytest.raises(ClusterError):
        await cluster.read_lease("radio", "it")
    assert {(one.method, one.path) for one in site.asked} == {("GET", f"{LEASES}/it")}


async def test_a_lease_is_created_without_a_version_and_replaced_with_it(connect: Connect) -> None:
    cluster, site = await connect(says(stored_lease(OURS), 201), says(stored_lease(OURS)), refuses(409, "Conflict"))
    written = await cluster.write_lease("radio", "it", OURS)
    assert written == replace(OURS, version="7")
    await cluster.write_lease("radio", "it", written)
    with pytest.raises(ClusterError):
        await cluster.write_lease("radio", "it", written)
    created, replaced, _ = site.asked
    assert (created.method, created.path) == ("POST", LEASES)
    assert (replaced.method, replaced.path) == ("PUT", f"{LEASES}/it")
    assert created.body["metadata"] == {"namespace": "radio", "name": "it"}
    assert replaced.body["metadata"] == {"namespace": "radio", "name": "it", "resourceVersion": "7"}
    assert created.body["spec"] == replaced.body["spec"] == OURS.to_document()


async def test_leases_of_one_name_are_listed_by_namespace(connect: Connect) -> None:
    both = {"metadata": {"resourceVersion": "9"}, "items": [stored_lease(OURS), stored_lease(OURS, "lab")]}
    cluster, site = await connect(says(both))
    assert await cluster.list_leases("it") == dict.fromkeys(("radio", "lab"), replace(OURS, version="7"))
    assert site.asked[0].path == "/apis/coordination.k8s.io/v1/leases"
    assert site.asked[0].query["fieldSelector"] == "metadata.name=it"
