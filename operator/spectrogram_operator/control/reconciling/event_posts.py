"""Posts Kubernetes events beside the reconciles: an event is news for people, and no job waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from spectrogram_operator.api.job import Job
from spectrogram_operator.core.planning.observed import Event

MOST_WAITING = 1000
_AT_ONCE = 4
logger = logging.getLogger(__name__)


class EventPosts:
    """What is to be posted, of each job in the order in which it was told. What is too much is dropped."""

    def __init__(self, post: Callable[[Job, Event], Awaitable[None]]) -> None:
        self._post = post
        self._waiting: list[asyncio.Queue[tuple[Job, Event]]] = [asyncio.Queue(MOST_WAITING) for _ in range(_AT_ONCE)]

    def tell(self, job: Job, event: Event) -> None:
        """Post this event about the job, some time."""
        try:
            self._waiting[hash(job.uid) % _AT_ONCE].put_nowait((job, event))
        except asyncio.QueueFull:
            logger.info("Job %s: the event %s was dropped: %d others wait", job.key, event.reason, MOST_WAITING)

    async def run(self) -> None:
        """Post until cancelled."""
        async with asyncio.TaskGroup() as posters:
            for waiting in self._waiting:
                posters.create_task(self._work(waiting))

    async def _work(self, waiting: asyncio.Queue[tuple[Job, Event]]) -> None:
        while True:
            job, event = await waiting.get()
            try:
                await self._post(job, event)
            except Exception:
                logger.exception("Job %s: the event %s could not be posted", job.key, event.reason)
