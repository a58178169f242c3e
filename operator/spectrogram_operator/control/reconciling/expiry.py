"""Jobs that go: one after the other, and one timer for the soonest, however many there are.

A job is deleted as it was read a moment ago, and in no other state: whoever edits it in the same second wins. Its pods
go with it, by their owner reference.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.cluster.protocol import ClusterError, JobRecords
from spectrogram_operator.control.reconciling.finished_job import FinishedJob
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.expiry import expires
from spectrogram_operator.core.policy import Policy

MAXIMUM_CONFLICTS = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""After an answer that is none, doubled with each."""
FORBIDDEN_SECONDS = 3600.0
"""A namespace in which jobs may not be deleted is left alone so long: rights seldom change."""
LONGEST_SLEEP_SECONDS = 3600.0
"""A clock that is set meanwhile is noticed then."""
logger = logging.getLogger(__name__)


class _Entry(NamedTuple):
    when: datetime
    job: FinishedJob


class Expiry:
    """Listens to the store; `run` deletes what is due where `serves` says so."""

    def __init__(
        self,
        store: Store,
        records: JobRecords,
        policy: Policy,
        clock: Callable[[], datetime],
        serves: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._records = records
        self._policy = policy
        self._clock = clock
        self._serves = serves
        self._entries: dict[str, _Entry] = {}
        """By UID, each job that will go."""
        self._line: list[tuple[datetime, str]] = []
        """A heap of times and UIDs; what an entry no longer says is passed over."""
        self._news = asyncio.Event()
        store.listeners.append(self)

    # What the store tells

    def job_changed(self, job: Job | FinishedJob) -> None:
        """See Listener."""
        when = None
        if isinstance(job, FinishedJob):
            when = expires(job.completion_time, job.ttl_seconds, self._policy)
        if when is None or not isinstance(job, FinishedJob):
            self._entries.pop(job.uid, None)
        else:
            self._stand(_Entry(when, job))

    def job_gone(self, key: str, uid: str) -> None:
        """See Listener."""
        self._entries.pop(uid, None)

    def pod_changed(self, pod: Pod) -> None:
        """See Listener."""

    def look_again(self, namespace: str | None) -> None:
        """This namespace (None: each) is served from now on: what was due there before is due now.

        The line is made anew, of one time for each job: however often a lease changes hands, it does not grow.
        """
        waiting = set(self._line)
        self._line = [
            (entry.when, uid)
            for uid, entry in self._entries.items()
            if namespace in (None, entry.job.namespace) or (entry.when, uid) in waiting
        ]
        heapq.heapify(self._line)
        self._news.set()

    async def run(self) -> None:
        """Delete what is due, until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            self._news.clear()
            entry = self._next_due()
            if entry is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_the_next()):
                        await self._news.wait()
                continue
            try:
                await self._end(entry.job)
                pause = FIRST_PAUSE_SECONDS
            except ClusterError as error:
                logger.warning("Job %s: its time is over, and it could not be deleted: %s", entry.job.key, error)
                if error.code == 403:
                    self._put_off(entry.job.namespace)
                else:
                    if self._entries.get(entry.job.uid) is entry:  # else its time was changed meanwhile
                        self._stand(entry)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _stand(self, entry: _Entry) -> None:
        self._entries[entry.job.uid] = entry
        heapq.heappush(self._line, (entry.when, entry.job.uid))
        self._news.set()

    def _put_off(self, namespace: str) -> None:
        """All that are due in this namespace."""
        now = self._clock()
        later = now + timedelta(seconds=FORBIDDEN_SECONDS)
        for entry in list(self._entries.values()):
            if entry.job.namespace == namespace and entry.when <= now:
                self._stand(entry._replace(when=later))

    def _next_due(self) -> _Entry | None:
        """The job that is due and was not looked at since; where another operator acts it waits for `look_again`."""
        now = self._clock()
        while self._line and self._line[0][0] <= now:
            when, uid = heapq.heappop(self._line)
            entry = self._entries.get(uid)
            if entry is not None and entry.when == when and self._serves(entry.job.namespace):
                return entry
        return None

    def _seconds_to_the_next(self) -> float | None:
        if not self._line:
            return None
        return min((self._line[0][0] - self._clock()).total_seconds(), LONGEST_SLEEP_SECONDS)

    async def _end(self, job: FinishedJob) -> None:
        """Delete it, if what is true now says so too."""
        for last_try in (False,) * (MAXIMUM_CONFLICTS - 1) + (True,):
            body = await self._records.read_job(job.namespace, job.name)
            if body is None or body["metadata"]["uid"] != job.uid:
                self._store.lose_job(job.key, job.uid)
                return
            self._store.see_job(body)
            entry = self._entries.get(job.uid)
            due = entry is not None and entry.when <= self._clock()
            if not due or "deletionTimestamp" in body["metadata"] or not self._serves(job.namespace):
                return
            try:
                version = body["metadata"]["resourceVersion"]
                await self._records.delete_job(job.namespace, job.name, uid=job.uid, version=version)
            except ClusterError as error:
                if last_try or error.code != 409:
                    raise
            else:
                self._entries.pop(job.uid, None)
                logger.info("Job %s: deleted, as its ttlSecondsAfterFinished is over", job.key)
                return
