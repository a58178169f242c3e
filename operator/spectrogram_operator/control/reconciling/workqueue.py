"""A queue of keys: each key is in flight once at most, repeated additions coalesce, failures back off.

The design is client-go's workqueue: level-triggered, so only the key is kept, never the event.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from spectrogram_operator.control.cluster.protocol import ClusterError

Reconcile = Callable[[str], Awaitable[float | None]]

_FIRST_BACKOFF_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 60.0
logger = logging.getLogger(__name__)


class WorkQueue:
    """Runs `reconcile(key)` for every key added; the number that it returns is when to look again, in seconds."""

    def __init__(
        self,
        reconcile: Reconcile,
        *,
        workers: int = 8,
        on_error: Callable[[Exception], None] = lambda error: None,
        measure: Callable[[float, bool], None] = lambda seconds, failed: None,
    ) -> None:
        """`on_error` is told of each error of a reconcile, `measure` how long each took and whether it failed.

        More workers would end no job sooner: on a busy API server their requests keep its pod from being started.
        """
        self._reconcile = reconcile
        self._workers = workers
        self._on_error = on_error
        self._measure = measure
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: dict[str, float] = {}
        self._in_flight: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self.done = 0
        """Reconciles that have finished, for the liveness probe."""

    def add(self, key: str, delay: float = 0.0) -> None:
        """Look at `key` after `delay` seconds; the earliest of several wishes counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if delay > 0:
            if key in self._queued or (timer is not None and timer.when() <= loop.time() + delay):
                return
            if timer is not None:
                timer.cancel()
            self._timers[key] = loop.call_later(delay, self._due, key)
            return
        if timer is not None:
            timer.cancel()
            del self._timers[key]
        if key in self._in_flight:
            self._again.add(key)
        elif key not in self._queued:
            self._queued[key] = loop.time()
            self._ready.put_nowait(key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    @property
    def depth(self) -> int:
        """How many keys wait for a worker. Another thread may ask."""
        return len(self._queued)

    @property
    def waiting(self) -> list[str]:
        """Keys that wait for a worker, the oldest first."""
        return list(self._queued)

    def oldest_seconds(self) -> float:
        """How long the oldest key has waited for a worker: keys are served in the order in which they came."""
        return asyncio.get_running_loop().time() - next(iter(self._queued.values())) if self._queued else 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._workers):
                    workers.create_task(self._work())
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.pop(key, None)
            self._in_flight.add(key)
            began = asyncio.get_running_loop().time()
            try:
                delay = await self._reconcile(key)
                self._failures.pop(key, None)
            except ClusterError as error:
                delay = self._backoff(key)
                logger.warning("Reconciling %s failed, trying again in %.0f s: %s", key, delay, error)
                self._on_error(error)
            except Exception as error:
                # The one place that catches everything: a bug must not end the worker.
                delay = self._backoff(key)
                logger.exception("Reconciling %s failed, trying again in %.0f s", key, delay)
                self._on_error(error)
            finally:
                self._in_flight.discard(key)
                self.done += 1
            self._measure(asyncio.get_running_loop().time() - began, key in self._failures)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif delay is not None:
                self.add(key, max(delay, 0.001))

    def _backoff(self, key: str) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # A float overflows after a day of failures, and the limit is reached after seven.
        return min(_FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16), _MAX_BACKOFF_SECONDS)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel `task` and wait until it has ended. Raises what it raised; who waits may be cancelled as well."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
