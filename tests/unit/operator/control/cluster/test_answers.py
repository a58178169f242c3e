"""What an answer of the API server means, and what none does."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from unit.operator.control.cluster.site import (
    GONE,
    MANIFEST,
    OK,
    POD,
    Answer,
    Connect,
    hangs,
    listed_pods,
    refuses,
    says,
    sends,
)

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
        await listed_pods(cluster)


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


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("-1", None)])
async def test_a_busy_api_server_says_when_to_ask_again(connect: Connect, header: str, seconds: float | None) -> None:
    cluster, _ = await connect(says({"kind": "Status"}, 429, **{"Retry-After": header}))
    with pytest.raises(ClusterError) as caught:
        await cluster.create_pod(MANIFEST)
    assert caught.value.retry_after == seconds


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
