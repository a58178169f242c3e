"""Posts Kubernetes events beside the reconciles: an event is news for people, and no job waits for it.

Nor is one held up by it: where a thousand jobs start at once, their events would take the API server's time from what
makes them run. So they are posted at a pace, with the time at which they were told.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.core.planning.observed import Event

MOST_WAITING = 4000
MOST_AT_ONCE = 100
PER_SECOND = 10.0
logger = logging.getLogger(__name__)


class EventPosts:
    """What is to be posted, in the order in which it was told. What is too much is dropped."""

    def __init__(self, post: Callable[[Job, Event, datetime], Awaitable[None]], clock: Callable[[], datetime]) -> None:
        self._post = post
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Job, Event, datetime]] = asyncio.Queue(MOST_WAITING)

    def tell(self, job: Job, event: Event) -> None:
        """Post this event about the job, some time."""
        try:
            self._waiting.put_nowait((job, event, self._clock()))
        except asyncio.QueueFull:
            logger.info("Job %s: the event %s was dropped: %d others wait", job.key, event.reason, MOST_WAITING)

    async def run(self) -> None:
        """Post until cancelled: so many at once, then so many in a second."""
        loop = asyncio.get_running_loop()
        spent = 0.0  # from this moment on as many may be posted at once as at the start
        while True:
            job, event, told = await self._waiting.get()
            spent = max(spent, loop.time()) + 1 / PER_SECOND
            await asyncio.sleep(spent - loop.time() - MOST_AT_ONCE / PER_SECOND)
            try:
                await self._post(job, event, told)
            except Exception:
                logger.exception("Job %s: the event %s could not be posted", job.key, event.reason)
