"""The operator from start to end, with kopf but without its watches; and what the probes are answered meanwhile."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import kopf
import pytest
from kopf._core.reactor import observation
from prometheus_client import CollectorRegistry

from harness.ports import free_port
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.control import operate as module
from spectrogram_operator.control.cluster.protocol import ApiServer
from spectrogram_operator.control.handlers import Handlers
from spectrogram_operator.control.operate import operate
from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import read_settings
from unit.operator.control.desk import Desk

SETTINGS = replace(read_settings({}), health_port=free_port())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


class Running:
    """An operator on a desk, whose kopf ends with each of `errors` in turn before it watches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
        self.runs = 0
        self.stop = asyncio.Event()
        self.desk = Desk()
        self.service = Service(SETTINGS, self._connect, CollectorRegistry(), version="1", identity="me")
        errors_left = list(errors)

        async def observe(**_: Any) -> None:
            self.runs += 1
            if errors_left:
                raise errors_left.pop(0)
            await asyncio.Event().wait()

        async def login(handlers: Handlers, **_: Any) -> kopf.ConnectionInfo:
            return kopf.ConnectionInfo(server="http://127.0.0.1:9")

        monkeypatch.setattr(observation, "resource_observer", observe)
        monkeypatch.setattr(Handlers, "login", login)
        monkeypatch.setattr(module, "WATCH_AGAIN_SECONDS", 0.05)

    async def _connect(self) -> ApiServer:
        return self.desk.cluster

    def begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(operate(SETTINGS, self.service, stop=self.stop))

    async def end(self, task: asyncio.Task[None]) -> None:
        self.stop.set()
        async with asyncio.timeout(30):
            await task


async def probe(path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """What the kubelet hears."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{SETTINGS.health_port}{path}") as had:
        return had.status, await had.text()


def kills_itself() -> bool:
    """Whether kopf is about to end this process."""
    timers = getattr(asyncio.get_running_loop(), "_scheduled")  # noqa: B009 - asyncio has no public way to them
    return any("pthread_kill" in repr(timer) for timer in timers if not timer.cancelled())


async def test_watches_that_end_with_an_error_are_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(monkeypatch, RuntimeError("odd"), RuntimeError("odd again"))
    with caplog.at_level(logging.WARNING, logger="spectrogram_operator"):
        task = running.begin()
        await until(lambda: task.done() or (running.runs == 3 and running.service.watching))
        assert not task.done()
        assert await probe("/readyz") == (200, "ok")
        assert await probe("/readyz", "[::1]") == (200, "ok"), "a cluster may have IPv6 alone"
        assert not kills_itself()
        await running.end(task)
    assert [text for text in caplog.messages if text.startswith("The watches ended")] == [
        "The watches ended, trying again in 0 s: odd",
        "The watches ended, trying again in 0 s: odd again",
    ]
    assert not running.service.watching


async def test_a_stop_while_the_watches_are_down_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, RuntimeError("odd"))
    monkeypatch.setattr(module, "WATCH_AGAIN_SECONDS", 1e6)
    task = running.begin()
    await until(lambda: running.runs == 1)
    await running.end(task)
    assert running.runs == 1


async def test_a_signal_while_kopf_still_ends_after_an_error_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """kopf, which takes the signals at its start, hears none any more then."""
    running = Running(monkeypatch, RuntimeError("odd"))
    end = Handlers.end

    async def interrupted(handlers: Handlers, **arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        await end(handlers, **arguments)

    monkeypatch.setattr(Handlers, "end", interrupted)
    async with asyncio.timeout(30):
        await running.begin()
    assert running.runs == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_while_kopf_watches_ends_the_operator(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    running = Running(monkeypatch)
    task = running.begin()
    await until(lambda: running.service.watching)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(30):
        await task
    assert running.runs == 1


async def test_until_something_is_listed_the_operator_is_alive_and_not_ready_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = Running(monkeypatch)
    running.desk.fail("GET", f"/{PLURAL}", times=10, error=404)
    task = running.begin()
    await until(lambda: "not installed" in running.service.not_ready())
    assert await probe("/readyz") == (
        503,
        "all namespaces: the custom resource SpectrogramJob is not installed: apply crds/spectrogramjobs.yaml",
    )
    assert (await probe("/healthz"))[0] == 200
    await running.end(task)
    assert running.runs == 0


async def test_an_operator_that_is_stuck_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch)
    task = running.begin()
    await until(lambda: running.service.watching)

    def stuck(seconds: float) -> str:
        raise RuntimeError("the work queue does not move")

    monkeypatch.setattr(running.service, "check_alive", stuck)
    assert await probe("/healthz") == (500, "the work queue does not move")
    await running.end(task)
