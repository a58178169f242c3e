"""The cluster behind an API server, over real HTTP: what is asked, and what each answer means."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme
from aiohttp import web
from kubernetes.aio import client

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.lease import Lease
from spectrogram_operator.core.planning.observed import Event
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES
from unit.operator.core.play import build_job

JOBS = "/apis/spectrogram.dev/v1beta1/namespaces/radio/spectrogramjobs"
PODS = "/api/v1/namespaces/radio/pods"
CLAIMS = "/api/v1/namespaces/radio/persistentvolumeclaims"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/radio/leases"
AUTHORITY = trustme.CA().cert_pem.bytes().decode()
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable["Site"]]
Connect = Callable[..., Awaitable[tuple[KubernetesCluster, "Site"]]]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str


@dataclass
class Site:
    """A server on loopback: it gives its answers in turn, the last for ever, and keeps what it was asked."""

    answers: list[Answer]
    host: str = "127.0.0.1"
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    dated: list[tuple[str, float, float]] = field(default_factory=list)
    """The date of each answer that told the API server's time, and when it was asked for and heard."""
    close: Callable[[], Awaitable[None]] = field(init=False)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        token = request.headers.get("Authorization", "")
        self.asked.append(Asked(request.method, request.path, dict(request.query), body, token))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


def says(body: Any, code: int = 200, **headers: str) -> Answer:
    """An answer: a document as JSON, or a text as it is."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=headers)

    return answer


def refuses(code: int, reason: str, kind: str = "", *, message: str = "no", causes: tuple[str, ...] = ()) -> Answer:
    """A Status object, as the API server explains itself with."""
    details = {"kind": kind, "causes": [{"reason": cause} for cause in causes]}
    return says({"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}, code)


async def hangs(_: web.BaseRequest) -> web.StreamResponse:
    """No answer."""
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts sites: `await serve(answer, …)`."""
    runners: list[web.ServerRunner] = []

    async def start(*answers: Answer, host: str = "127.0.0.1") -> Site:
        site = Site(list(answers), host)
        runner = web.ServerRunner(web.Server(site.answer), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        site.port, site.close = runner.addresses[0][1], runner.cleanup
        return site

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Connect]:
    """Makes a cluster of an API server that gives these answers: `await connect(answer, …)`."""
    clusters: list[KubernetesCluster] = []

    async def start(*answers: Answer) -> tuple[KubernetesCluster, Site]:
        site = await serve(*answers)
        configuration = client.Configuration(host=f"http://{site.host}:{site.port}")
        configuration.api_key["BearerToken"] = "Bearer secret"
        configuration.ca_cert_data = AUTHORITY  # else the system's hundred and more are read, 0.2 s each time
        api = client.ApiClient(configuration)
        clusters.append(KubernetesCluster(api, dated=lambda *told: site.dated.append(told)))
        return clusters[-1], site

    yield start
    for cluster in clusters:
        await cluster.close()


def job(name: str = "fm-band") -> Job:
    """The job of this name at version 41."""
    return replace(build_job(), name=name, resource_version="41", raw_spec={"priority": 3})


OK = says({"metadata": {"name": "x"}})
GONE = refuses(404, "NotFound", "pods")
DONE = Event(reason="Completed", message="all is well")
TOLD = datetime(2026, 11, 23, 12, tzinfo=UTC)
POD = Pod(namespace="radio", name="fm-band-a1", uid="u")
MANIFEST = {"metadata": {"namespace": "radio", "name": "fm-band-a1"}}


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
    assert [pod["metadata"]["name"] for pod in await _pods(cluster)] == ["a", "b", "c"]
    assert [asked.query["continue"] for asked in site.asked] == ["", "more", "still"]
    assert {asked.query["labelSelector"] for asked in site.asked} == {"spectrogram.dev/job-uid"}
    assert {asked.path for asked in site.asked} == {"/api/v1/pods"}


async def _pods(cluster: KubernetesCluster, namespace: str | None = None) -> list[Body]:
    return [body async for page in cluster.list_pods(namespace) for body in page.items]


async def test_a_namespace_is_listed_by_itself(connect: Connect) -> None:
    cluster, site = await connect(page("a"), page("b", "c"))
    assert len(await _pods(cluster, "sky")) == 1
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
        await _pods(cluster)


# What an answer means


@pytest.mark.parametrize(
    ("answer", "exists"), [(OK, True), (refuses(404, "NotFound", "persistentvolumeclaims"), False)]
)
async def test_what_the_api_server_says_of_an_object_holds(connect: Connect, answer: Answer, exists: bool) -> None:
    cluster, _ = await connect(answer)
    assert await cluster.claim_exists("radio", "results") is exists


NO_WORD_OF_A_POD = [
    pytest.param(says("<html>404 Not Found</html>", 404), id="a proxy's page"),
    pytest.param(says({"error": "no route to host"}, 404), id="a proxy's JSON"),
    pytest.param(says([], 404), id="a list"),
    pytest.param(says("", 404), id="nothing"),
    pytest.param(refuses(404, "NotFound"), id="no kind"),
    pytest.param(refuses(404, "NotFound", "namespaces"), id="of a namespace"),
    pytest.param(refuses(404, "Expired", "pods"), id="another reason"),
    *(pytest.param(refuses(code, "NotFound", "pods"), id=str(code)) for code in (401, 403, 429, 500, 503)),
]


@pytest.mark.parametrize("answer", NO_WORD_OF_A_POD)
async def test_only_the_api_server_s_own_404_means_that_a_pod_is_gone(connect: Connect, answer: Answer) -> None:
    cluster, _ = await connect(answer)
    with pytest.raises(ClusterError):
        await cluster.read_pod("radio", "fm-band-a1")


@pytest.mark.parametrize(("kind", "read"), [("pods", "read_pod"), ("spectrogramjobs", "read_job")])
async def test_a_404_of_its_own_kind_means_that_it_is_gone(connect: Connect, kind: str, read: str) -> None:
    cluster, _ = await connect(refuses(404, "NotFound", kind))
    assert await getattr(cluster, read)("radio", "fm-band") is None


async def test_a_claim_that_may_not_be_looked_at_is_unknown(connect: Connect) -> None:
    cluster, _ = await connect(refuses(403, "Forbidden", "persistentvolumeclaims"))
    assert await cluster.claim_exists("radio", "results") is None


async def test_events_that_may_not_be_listed_are_unknown(connect: Connect) -> None:
    cluster, _ = await connect(refuses(403, "Forbidden", "events"))
    assert await cluster.pod_events(POD) is None


@pytest.mark.parametrize(
    ("items", "read"), [(None, []), ("x", []), (["x", 5, {"reason": "FailedMount"}], [{"reason": "FailedMount"}])]
)
async def test_of_a_list_of_events_only_objects_count(connect: Connect, items: object, read: list[Body]) -> None:
    cluster, _ = await connect(says({"items": items}))
    assert list(await cluster.pod_events(POD) or ()) == read


@pytest.mark.parametrize("answer", [refuses(500, "InternalError"), refuses(429, "TooManyRequests"), says("", 404)])
async def test_an_answer_that_says_nothing_of_a_claim_is_an_error(connect: Connect, answer: Answer) -> None:
    cluster, _ = await connect(answer)
    with pytest.raises(ClusterError):
        await cluster.claim_exists("radio", "results")


@pytest.mark.parametrize("answer", [GONE, refuses(409, "Conflict", "pods")])
async def test_a_pod_that_is_gone_or_another_by_now_needs_no_deletion(connect: Connect, answer: Answer) -> None:
    cluster, site = await connect(answer)
    await cluster.delete_pod("radio", "fm-band-a1", "u-1")
    assert len(site.asked) == 1


@pytest.mark.parametrize("code", [403, 429, 500])
async def test_a_pod_that_could_not_be_deleted_is_an_error(connect: Connect, code: int) -> None:
    cluster, _ = await connect(refuses(code, "x", "pods"))
    with pytest.raises(ClusterError):
        await cluster.delete_pod("radio", "fm-band-a1", "u-1")


@pytest.mark.parametrize("answer", [says("", 404), refuses(404, "NotFound")])
async def test_a_404_of_a_proxy_deletes_nothing(connect: Connect, answer: Answer) -> None:
    cluster, _ = await connect(answer, answer)
    with pytest.raises(ClusterError):
        await cluster.delete_pod("radio", "fm-band-a1", "u-1")
    with pytest.raises(ClusterError):
        await cluster.delete_job("radio", "fm-band", uid="u-1", version="7")


@pytest.mark.parametrize(
    ("answer", "code", "reason", "kind", "message"),
    [
        (refuses(409, "AlreadyExists", "pods"), 409, "AlreadyExists", "pods", "no"),
        (refuses(403, "Forbidden", "pods", message="exceeded quota: q"), 403, "Forbidden", "pods", "exceeded quota: q"),
        (refuses(403, "Forbidden", causes=("NamespaceTerminating",)), 403, "NamespaceTerminating", "", "no"),
        (refuses(422, "Invalid", causes=("FieldValueInvalid",)), 422, "Invalid", "", "no"),
        (says({"kind": "Status", "details": None, "reason": None}, 500), 500, "", "", "no explanation"),
        (says("upstream connect error", 503), 503, "", "", "no explanation"),
        (says(["no"], 502), 502, "", "", "no explanation"),
    ],
)
async def test_an_error_carries_what_the_status_object_says(
    connect: Connect, answer: Answer, code: int, reason: str, kind: str, message: str
) -> None:
    cluster, _ = await connect(answer)
    with pytest.raises(ClusterError) as caught:
        await cluster.create_pod(MANIFEST)
    error = caught.value
    assert (error.code, error.reason, error.kind, error.message) == (code, reason, kind, message)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says({"error": "denied", "details": "ask the network team"}, 403), id="details are a text"),
        pytest.param(says({"details": {"causes": ["a text"]}}, 403), id="causes are texts"),
        pytest.param(says("<html>please log in</html>"), id="200 with a page"),
        pytest.param(says([{"metadata": {}}]), id="200 with a list"),
    ],
)
async def test_an_answer_of_another_shape_is_an_error_of_the_cluster(connect: Connect, answer: Answer) -> None:
    cluster, _ = await connect(answer)
    with pytest.raises(ClusterError):
        await _pods(cluster)


async def test_row_40_an_answer_tells_its_date_and_between_which_moments_it_was_given(connect: Connect) -> None:
    given, time = [], asyncio.get_running_loop().time

    async def late(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        given.append(time())
        return await says({"kind": "Pod", "metadata": {}}, Date="Mon, 23 Nov 2026 12:00:00 GMT")(request)

    cluster, site = await connect(late)
    began = time()
    await cluster.read_pod("radio", "fm-band-a1")
    ((date, sent, heard),) = site.dated
    assert date == "Mon, 23 Nov 2026 12:00:00 GMT"
    assert began <= sent <= given[0] <= heard <= time()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says("<html>please log in</html>"), id="a page"),
        pytest.param(says({"message": "please log in"}), id="JSON of somebody else"),
        pytest.param(says({"kind": "Status", "metadata": {}}, 503), id="an error"),
        pytest.param(refuses(404, "NotFound"), id="404"),
    ],
)
async def test_row_40_the_date_of_a_proxys_own_answer_tells_nothing(connect: Connect, answer: Answer) -> None:
    cluster, site = await connect(answer)
    with suppress(ClusterError):
        await cluster.read_pod("radio", "fm-band-a1")
    assert (len(site.asked), site.dated) == (1, [])


# No answer


async def test_an_api_server_that_does_not_answer_in_time_is_unreachable(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_cluster, "REQUEST_SECONDS", 0.2)
    cluster, _ = await connect(hangs)
    assert await unreachable(cluster)


async def test_an_api_server_that_is_not_there_is_unreachable(connect: Connect) -> None:
    cluster, site = await connect(OK)
    await site.close()
    assert await unreachable(cluster)


async def test_an_answer_that_breaks_off_is_none(connect: Connect) -> None:
    cluster, _ = await connect(sends(b'{"kind": "Pod"', declared=1000))
    assert await unreachable(cluster)


async def unreachable(cluster: KubernetesCluster) -> bool:
    """Whether a call ends as one without an answer."""
    with pytest.raises(ClusterError) as caught:
        await cluster.read_pod("radio", "fm-band-a1")
    return (caught.value.code, caught.value.reason) == (0, "Unreachable")


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


# The worker


def sends(content: bytes, *, declared: int) -> Answer:
    """An answer that declares a length, sends this, and breaks off."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(content)
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """An answer that claims to be a terabyte, and never stops."""
    response = web.StreamResponse(headers={"Content-Length": str(2**40)})
    await response.prepare(request)
    while True:
        await response.write(b"x" * 2**16)


async def ask(connect: Connect, worker: Site, monkeypatch: pytest.MonkeyPatch) -> bytes | None:
    """What the operator hears from this worker."""
    monkeypatch.setattr(kubernetes_cluster, "PROGRESS_PORT", worker.port)
    cluster, _ = await connect(OK)
    return await cluster.ask_worker(Pod(namespace="radio", name="fm-band-a1", uid="u", pod_ip=worker.host))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_worker_is_asked_at_its_pod_s_address(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    worker = await serve(says("43 %"), host=host)
    assert await ask(connect, worker, monkeypatch) == b"43 %"
    assert [(asked.method, asked.path, asked.token) for asked in worker.asked] == [("GET", "/progress", "")]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_worker_cannot_send_the_operator_anywhere_else(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    elsewhere = await serve(says("secrets"))
    worker = await serve(says("43 %", code, Location=f"http://127.0.0.1:{elsewhere.port}/progress"))
    assert await ask(connect, worker, monkeypatch) is None
    assert elsewhere.asked == []


async def test_a_worker_is_not_asked_through_a_proxy(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(says("of a proxy"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert await ask(connect, await serve(says("43 %")), monkeypatch) == b"43 %"
    assert proxy.asked == []


@pytest.mark.parametrize("answer", [endless, says("x" * (MAXIMUM_REPORT_BYTES + 2))])
async def test_no_more_of_an_answer_is_read_than_shows_that_it_is_too_long(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    heard = await ask(connect, await serve(answer), monkeypatch)
    assert heard is not None
    assert len(heard) == MAXIMUM_REPORT_BYTES + 1


@pytest.mark.parametrize(
    "answer", [says("no", 404), says("no", 500), sends(b"43", declared=100)], ids=["404", "500", "breaks off"]
)
async def test_a_worker_that_does_not_say_200_and_all_of_it_says_nothing(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    assert await ask(connect, await serve(answer), monkeypatch) is None


async def test_a_worker_that_does_not_answer_in_time_says_nothing(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_cluster, "WORKER_SECONDS", 0.2)
    assert await ask(connect, await serve(hangs), monkeypatch) is None


@pytest.mark.parametrize("address", ["", "not an address", "127.0.0.1:1/x?", "::::"])
async def test_an_address_that_is_none_is_a_worker_that_cannot_be_reached(connect: Connect, address: str) -> None:
    cluster, _ = await connect(OK)
    assert await cluster.ask_worker(Pod(namespace="radio", name="fm-band-a1", uid="u", pod_ip=address)) is None


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("-1", None)])
async def test_a_busy_api_server_says_when_to_ask_again(connect: Connect, header: str, seconds: float | None) -> None:
    cluster, _ = await connect(says({"kind": "Status"}, 429, **{"Retry-After": header}))
    with pytest.raises(ClusterError) as caught:
        await cluster.create_pod(MANIFEST)
    assert caught.value.retry_after == seconds


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
