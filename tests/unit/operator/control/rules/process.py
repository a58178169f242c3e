"""One operator over the in-memory cluster: the real Service, ended and started anew as a Deployment would."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from prometheus_client import CollectorRegistry

from harness.api.memory_cluster import Connection, Fate, Heard, MemoryCluster
from harness.api.routes import Request
from harness.api.store import ApiStore, Body
from harness.api.watching import Watches, Weather
from harness.virtual_time import now
from spectrogram_operator.control.cluster.protocol import ApiServer
from spectrogram_operator.control.reconciling.workqueue import cancelled
from spectrogram_operator.control.service import Service
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.settings import read_settings
from unit.operator.control.rules.story import Story

SETTINGS = read_settings({})
CLEAR_WEATHER = Weather()
NEVER = 1e9
"""Seconds: later than any history lasts."""
STUCK = Fate(seconds_before=NEVER)
"""Also what every request meets once a rule is broken: an operator that runs in circles must not keep the test."""


class OperatorProcess:
    """A name, and at most one life at a time. What one life remembered the next does not know.

    Unless told otherwise all operators have one identity: each believes that the leases are its own, and acts.
    """

    def __init__(
        self,
        name: str,
        store: ApiStore,
        policy: Policy,
        story: Story,
        *,
        identity: str = "everybody",
        namespaces: tuple[str, ...] = (),
        sweep_seconds: float = 120.0,
        lease_seconds: int = SETTINGS.lease_seconds,
        decide: Callable[[Request], Fate] = lambda request: Fate(),
        tell: Callable[["OperatorProcess", Heard], None] = lambda process, heard: None,
        stopped: Callable[["OperatorProcess"], None] = lambda process: None,
        weather: Weather = CLEAR_WEATHER,
        workers: Callable[[Pod], bytes | None] = lambda pod: None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name = name
        self.identity = identity
        self._clock = clock
        self._store = store
        self.settings = replace(
            SETTINGS, policy=policy, namespaces=namespaces, sweep_seconds=sweep_seconds, lease_seconds=lease_seconds
        )
        self._story = story
        self._decide = decide
        self._tell = tell
        self._stopped = stopped
        self._weather = weather
        self._workers = workers
        self.life = 0
        """The number of this life, from 1."""
        self.told_of_ends: dict[str, float] = {}
        """By UID of a pod: when events told it first in this life that it has ended, or is to end."""
        self.died = asyncio.Event()
        self.told_to_end: float | None = None
        """The moment at which the process was told to end."""
        self.gone = False
        """True once the process is not to start again."""
        self.service: Service
        self.watches: Watches
        self._connection: Connection
        self._watching: asyncio.Task[None]

    async def start(self) -> None:
        """Begin a life: connect, list, work."""
        self.died.clear()
        self.life += 1
        self.told_of_ends.clear()
        connection = Connection(
            self.name,
            self._store,
            decide=self._decide,
            tell=lambda heard: self._tell(self, heard),
            die=self.died.set,
        )

        async def connect() -> ApiServer:
            return MemoryCluster(connection, self._workers, self.service.clock.hear)

        self._connection = connection
        self.service = Service(
            self.settings, connect, CollectorRegistry(), version="0", identity=self.identity, clock=self._clock
        )
        await self.service.start()
        self.watches = Watches(self._store, self, self._weather, namespaces=self.settings.namespaces)
        self._watching = asyncio.create_task(self._watch())
        self._story.tell(self.name, "starts")

    def job_event(self, body: Body, *, deleted: bool) -> None:
        """See Handlers."""
        self.service.controller.job_event(body, deleted=deleted)

    def pod_event(self, body: Body, *, deleted: bool) -> None:
        """See Handlers."""
        pod = read_pod(body)
        if pod.finished or pod.deleting:
            self.told_of_ends.setdefault(pod.uid, asyncio.get_running_loop().time())
        self.service.controller.pod_event(body, deleted=deleted)

    async def end(self) -> None:
        """The process is gone, in the middle of whatever it did."""
        self._connection.dead = True
        await cancelled(self._watching)
        await self.watches.stop()
        await self.service.stop()

    async def stop(self) -> None:
        """The process is told to end, and does."""
        await cancelled(self._watching)
        await self.watches.stop()
        await self.service.stop()
        self._stopped(self)

    async def _watch(self) -> None:
        await self.service.listed.wait()
        self.watches.start()

    async def live(self, pause: Callable[[], float]) -> None:
        """Start anew after every death, `pause` seconds later, until cancelled. `told_to_end` makes it a good one."""
        try:
            while True:
                await self.start()
                await self.died.wait()
                await (self.stop() if self.told_to_end is not None else self.end())
                self.told_to_end = None
                await (asyncio.Event().wait() if self.gone else asyncio.sleep(pause()))
        finally:
            await self.end()


class Listener(logging.Handler):
    """What the operator's log says, for the story; `on_bug` is told of tracebacks."""

    def __init__(self, story: Story, on_bug: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._story = story
        self._on_bug = on_bug

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self._story.tell("an operator", f"logs: {record.getMessage()}")
        if record.exc_info:
            self._on_bug(logging.Formatter().formatException(record.exc_info))


@contextmanager
def heard_logs(listener: logging.Handler) -> Iterator[None]:
    """While this lasts, the operator's warnings go to `listener`."""
    logger = logging.getLogger("spectrogram_operator")
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
