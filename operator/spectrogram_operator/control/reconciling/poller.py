"""Asks the workers of running pods how far they are, beside the reconciles: one that is out of reach delays nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.reconciling.finished_job import FinishedJob
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.progress import is_news
from spectrogram_operator.core.policy import Policy
from spectrogram_worker.contract import Report, parse_report

MOST_AT_ONCE = 64
MAXIMUM_BACKOFF_SECONDS = 60.0


@dataclass(slots=True)
class _Followed:
    """A pod whose worker is asked again and again."""

    pod: Pod
    timer: asyncio.TimerHandle | None = None
    question: asyncio.Task[None] | None = None
    failures: int = 0
    report: Report | None = None


class Poller:
    """Listens to the store: each running pod is asked every poll interval, ever more rarely while it does not answer.

    `wake` is called with the key of a job whose worker has said something that is worth a look. Nobody is asked in a
    namespace that this operator does not serve.
    """

    def __init__(
        self,
        store: Store,
        ask: Callable[[Pod], Awaitable[bytes | None]],
        policy: Policy,
        clock: Callable[[], datetime],
        wake: Callable[[str], None],
        serves: Callable[[str], bool] = lambda namespace: True,
    ) -> None:
        self._store = store
        self._ask = ask
        self._policy = policy
        self._clock = clock
        self._wake = wake
        self._serves = serves
        self._followed: dict[str, _Followed] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        store.listeners.append(self)

    def take_report(self, pod_uid: str) -> Report | None:
        """What the pod's worker has said since the last time; told once."""
        followed = self._followed.get(pod_uid)
        if followed is None:
            return None
        report, followed.report = followed.report, None
        return report

    def look_again(self, namespace: str | None) -> None:
        """This namespace (None: each) is served from now on, or no more."""
        for pod in list(self._store.pods()):
            if namespace in (None, pod.namespace):
                self.pod_changed(pod)

    def stop(self) -> None:
        """Ask nobody any more."""
        for uid in list(self._followed):
            self._leave(uid)

    # What the store tells

    def job_changed(self, job: Job | FinishedJob) -> None:
        """See Listener: of a job that is over nobody is asked."""
        for pod in self._store.pods_of(job.uid):
            self.pod_changed(pod)

    def job_gone(self, key: str, uid: str) -> None:
        """See Listener."""
        for pod in self._store.pods_of(uid):
            self._leave(pod.uid)

    def pod_changed(self, pod: Pod) -> None:
        """See Listener."""
        answers = pod.live and pod.worker_runs and not pod.deleting and pod.pod_ip
        if not answers or not isinstance(self._store.owner_of(pod), Job) or not self._serves(pod.namespace):
            self._leave(pod.uid)
        elif pod.uid in self._followed:
            self._followed[pod.uid].pod = pod
        else:
            followed = self._followed[pod.uid] = _Followed(pod)
            self._ask_in(followed, 0.0)

    def _leave(self, pod_uid: str) -> None:
        followed = self._followed.pop(pod_uid, None)
        if followed is None:
            return
        if followed.timer is not None:
            followed.timer.cancel()
        if followed.question is not None:
            followed.question.cancel()

    def _ask_in(self, followed: _Followed, seconds: float) -> None:
        def begin() -> None:
            followed.question = loop.create_task(self._question(followed))

        loop = asyncio.get_running_loop()
        followed.timer = loop.call_later(seconds, begin)

    async def _question(self, followed: _Followed) -> None:
        pod, answer = followed.pod, None
        try:
            async with self._room:
                answer = await self._ask(pod)
        finally:
            # Also where kopf, which begins its watches anew, has cancelled all that was begun meanwhile.
            if self._followed.get(pod.uid) is followed:
                followed.failures = 0 if answer is not None else followed.failures + 1
                self._ask_in(followed, self._pause(followed.failures))
        report, job = parse_report(answer), self._store.owner_of(pod)
        if report is not None and isinstance(job, Job) and is_news(job.status, report, self._clock(), self._policy):
            followed.report = report
            self._wake(job.key)

    def _pause(self, failures: int) -> float:
        """Seconds until a worker is asked again that has not answered so many times in a row."""
        usual = self._policy.poll_seconds
        return min(usual * 2.0 ** min(max(0, failures - 1), 10), max(MAXIMUM_BACKOFF_SECONDS, usual))
