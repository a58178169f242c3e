"""The operator from start to end: its service, kopf's watches, and the probes' answers."""

import asyncio
import logging
import signal
from contextlib import suppress

import kopf

from spectrogram_operator.control.handlers import Handlers
from spectrogram_operator.control.health import HealthServer
from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import Settings

WATCH_AGAIN_SECONDS = 5.0
logger = logging.getLogger(__name__)


async def operate(settings: Settings, service: Service, *, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, SIGTERM or SIGINT. Whatever is away is waited for; the readiness probe says so."""
    health = HealthServer(service, settings.health_port)
    await health.start()
    try:
        _stop_on_signals(stop)
        await service.start()
        if await _unless_stopped(service.listed, stop):
            logger.info("Watching %s", ", ".join(settings.namespaces) or "all namespaces")
            await _watch_for_ever(settings, service, stop)
    finally:
        await service.stop()
        await health.stop()


async def _watch_for_ever(settings: Settings, service: Service, stop: asyncio.Event) -> None:
    """kopf ends where a watch meets what it does not know: a CRD that was deleted, an odd error. Begin again then."""
    while not stop.is_set():
        ready, end = asyncio.Event(), asyncio.Event()
        # kopf ends what begins while it runs; these two began before.
        beside = [asyncio.create_task(one) for one in (_mark(service, ready), _pass_on(stop, end))]
        handlers = Handlers(service.controller, end, begun=lambda: _take_signals_back(stop))
        try:
            await kopf.operator(
                registry=handlers.registry(),
                clusterwide=not settings.namespaces,
                namespaces=settings.namespaces,
                standalone=True,
                stop_flag=end,
                ready_flag=ready,
            )
            stop.set()
        except Exception as error:
            logger.warning("The watches ended, trying again in %.0f s: %s", WATCH_AGAIN_SECONDS, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), WATCH_AGAIN_SECONDS)
        finally:
            for task in beside:
                task.cancel()
            service.watching = False


async def _mark(service: Service, ready: asyncio.Event) -> None:
    await ready.wait()
    service.watching = True


async def _pass_on(stop: asyncio.Event, end: asyncio.Event) -> None:
    """Each run of kopf's has a flag of its own, for it is set at the end of each, whatever ended it."""
    await stop.wait()
    end.set()


async def _unless_stopped(event: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for `event`; False where `stop` came first."""
    waiting = [asyncio.create_task(one.wait()) for one in (event, stop)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return not stop.is_set()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Signals set `stop`, which ends kopf too."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _take_signals_back(stop: asyncio.Event) -> None:
    """kopf takes the signals while it begins, and is deaf to them while it ends, which takes seconds after an error."""
    asyncio.get_running_loop().call_soon(_stop_on_signals, stop)
