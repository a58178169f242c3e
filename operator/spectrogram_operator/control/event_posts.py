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
    """What is to be posted, in the order in which it was told; the newest is dropped where too much waits."""

    def __init__(self, post: Callable[[Job, Event], Awaitable[None]]) -> None:
        self._post = post
        self._waiting: asyncio.Queue[tuple[Job, Event]] = asyncio.Queue(MOST_WAITING)

    def tell(self, job: Job, event: Event) -> None:
        """Post this event about the job, some time."""
        try:
            self._waiting.put_nowait((job, event))
        except asyncio.QueueFull:
            logger.info("Job %s: the event %s was dropped: %d others wait", job.key, event.reason, MOST_WAITING)

    async def run(self) -> None:
        """Post until cancelled."""
        async with asyncio.TaskGroup() as posters:
            for _ in range(_AT_ONCE):
                posters.create_task(self._work())

    async def _work(self) -> None:
        while True:
            job, event = await self._waiting.get()
            try:
                await self._post(job, event)
            except Exception:
                logger.exception("Job %s: the event %s could not be posted", job.key, event.reason)
