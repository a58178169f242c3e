"""A worker is asked over real HTTP, and no more of its answer is read than it may send."""

import pytest
from aiohttp import web

from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES
from unit.operator.control.cluster.site import OK, Answer, Connect, Serve, Site, hangs, says, sends


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
