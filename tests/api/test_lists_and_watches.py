"""Lists in pages and watches that end: nothing that happens in between is lost, and nothing is taken for gone.

The sweep is far away here, where a test is not about it: it would make up for what a watch lost.
"""

import itertools
import json
from collections.abc import Callable

import pytest

from api.conftest import Start
from api.steps import play, status, submit
from harness.api.fake_server import FakeApiServer, Fault
from harness.waiting import until
from pods.statuses import running, succeeded

NEVER = {"SPECTROGRAM_SWEEP_INTERVAL": "3600"}
ALL_AT_ONCE = {"SPECTROGRAM_POOLS": json.dumps({"default": {"maxConcurrent": 10}})}
JOBS = ("first", "second", "third")


def when(server: FakeApiServer, method: str, resource: str, happens: Callable[[], object], *, time: int = 1) -> None:
    """Do something just before this request is answered for the first time, or for another."""

    def applies(asked: str, path: str) -> bool:
        if (asked, path.rpartition("/")[2]) == (method, resource) and next(times) == time:
            happens()
        return False

    times = itertools.count(1)
    server.faults.append(Fault(applies, 0))


def looked_up(server: FakeApiServer) -> int:
    """How often a pod was asked for by its name."""
    return sum(count for (method, path), count in server.requests.items() if method == "GET" and "/pods/" in path)


async def started(server: FakeApiServer) -> None:
    """Until the operator watches jobs and pods."""
    await until(lambda: len([count for (method, _), count in server.requests.items() if method == "WATCH"]) >= 2)


async def test_jobs_that_fill_several_pages_all_run(server: FakeApiServer, start: Start) -> None:
    server.most_per_page = 1
    for name in JOBS:
        submit(server, name)
    await start(**NEVER, **ALL_AT_ONCE)
    await until(lambda: len(server.pods()) == len(JOBS))


async def test_pods_on_later_pages_are_not_taken_for_gone(server: FakeApiServer, start: Start) -> None:
    """A pod that the sweep's list lacks is looked up by itself, and by nobody else."""
    server.most_per_page = 1
    for name in JOBS:
        submit(server, name)
    await start(**ALL_AT_ONCE)
    for pod in await until(lambda: server.pods() if len(server.pods()) == len(JOBS) else None):
        play(server, pod, running())
    await until(lambda: all(status(server, name).get("phase") == "Running" for name in JOBS))
    before = looked_up(server)
    swept = server.requests["GET", "/api/v1/pods"]
    await until(lambda: server.requests["GET", "/api/v1/pods"] >= swept + 4 * len(JOBS))
    assert looked_up(server) < before + 4, "each sweep looks up what its first page lacks"
    assert {status(server, name)["phase"] for name in JOBS} == {"Running"}


@pytest.mark.parametrize("page", [2, len(JOBS) + 2], ids=["the operator's own list", "kopf's list"])
async def test_a_list_that_expires_between_its_pages_is_begun_anew(
    server: FakeApiServer, start: Start, page: int
) -> None:
    server.most_per_page = 1
    for name in JOBS:
        submit(server, name)
    when(server, "GET", "spectrogramjobs", server.store.compact, time=page)
    operator = await start(**NEVER, **ALL_AT_ONCE)
    await until(lambda: len(server.pods()) == len(JOBS) or operator.returncode is not None)
    assert operator.returncode is None


async def test_a_sweep_whose_list_expires_judges_nobody(server: FakeApiServer, start: Start) -> None:
    server.most_per_page = 1
    for name in JOBS[:2]:
        submit(server, name)
    await start(**ALL_AT_ONCE)
    for pod in await until(lambda: server.pods() if len(server.pods()) == 2 else None):
        play(server, pod, running())
    await until(lambda: all(status(server, name).get("phase") == "Running" for name in JOBS[:2]))
    pages = Fault(lambda method, path: method == "GET" and path == "/api/v1/pods" and next(turns), 410, times=4)
    turns = iter([False, True] * 4 + [False] * 10**6)
    server.faults.append(pages)
    await until(lambda: pages.times == 0)
    assert {status(server, name)["phase"] for name in JOBS[:2]} == {"Running"}
    for pod in server.pods():
        play(server, pod, succeeded(pod))
    await until(lambda: all(status(server, name).get("phase") == "Succeeded" for name in JOBS[:2]))


async def test_a_job_that_comes_between_the_list_and_the_watch_is_seen(server: FakeApiServer, start: Start) -> None:
    when(server, "WATCH", "spectrogramjobs", lambda: submit(server))
    await start(**NEVER)
    await until(server.pods)


async def test_a_pod_that_ends_between_the_list_and_the_watch_is_seen(server: FakeApiServer, start: Start) -> None:
    submit(server)
    await start(**NEVER)
    (pod,) = await until(server.pods)
    play(server, pod, running())
    await until(lambda: status(server).get("phase") == "Running")
    when(server, "WATCH", "pods", lambda: play(server, pod, succeeded(pod)))
    server.break_watches()
    await until(lambda: status(server).get("phase") == "Succeeded")


async def test_what_happens_between_two_watches_is_seen(server: FakeApiServer, start: Start) -> None:
    await start(**NEVER)
    await started(server)
    server.end_watches()
    submit(server)
    (pod,) = await until(server.pods)
    await until(lambda: status(server).get("attempts", [{}])[-1].get("podUID"))
    server.end_watches()
    play(server, pod, succeeded(pod))
    await until(lambda: status(server).get("phase") == "Succeeded")


async def test_a_watch_from_a_version_that_is_forgotten_begins_anew(server: FakeApiServer, start: Start) -> None:
    """The API server says 410 in the stream itself."""
    await start(**NEVER)
    await started(server)
    server.end_watches()
    submit(server)
    server.store.compact()
    await until(server.pods)
    assert server.requests["GET", "/apis/spectrogram.dev/v1beta1/spectrogramjobs"] >= 2


async def test_410_in_a_watch_lists_again_and_goes_on(server: FakeApiServer, start: Start) -> None:
    submit(server)
    await start(**NEVER)
    (pod,) = await until(server.pods)
    await until(lambda: status(server).get("attempts", [{}])[-1].get("podUID"))
    server.break_watches()
    play(server, pod, succeeded(pod))
    await until(lambda: status(server).get("phase") == "Succeeded")
    assert len(server.pods()) == 1
