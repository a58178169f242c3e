"""What turns events into reconciles: a store, its listeners, a work queue, and the reconciler at its end."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.cluster.protocol import Body, Cluster
from spectrogram_operator.control.reconciling.poller import Poller
from spectrogram_operator.control.reconciling.reconcile import Reconciler, Recorder
from spectrogram_operator.control.reconciling.slots import Slots
from spectrogram_operator.control.reconciling.store import Store
from spectrogram_operator.control.reconciling.workqueue import WorkQueue
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.planning.observed import Event
from spectrogram_operator.core.policy import Policy


class Controller:
    """Works on what it is told of, once `queue.run()` runs and `slots.open()` was called.

    `record` is told of every status write that won, `tell` is given events to post, `on_error` every error that a
    reconcile met; it is tried again; `measure` how long each took and whether it failed. `serves`: whether it acts in a
    namespace; `look_again` where that has changed. `policy_of` is what jobs of a namespace are planned with, where that
    is not the policy alone.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        policy: Policy,
        clock: Callable[[], datetime],
        record: Recorder,
        tell: Callable[[Job, Event], None] = lambda job, event: None,
        on_error: Callable[[Exception], None] = lambda error: None,
        measure: Callable[[float, bool], None] = lambda seconds, failed: None,
        serves: Callable[[str], bool] = lambda namespace: True,
        policy_of: Callable[[str], Policy] | None = None,
    ) -> None:
        self.store = Store()
        self.serves = serves
        self._time = asyncio.get_running_loop().time
        self._last_event = self._time()
        """When a watch last told of anything; at first, the start."""
        self.queue = WorkQueue(self.reconcile, on_error=on_error, measure=measure)
        self.slots = Slots(self.store, policy, clock, self.queue.add, serves, policy_of)
        self.poller = Poller(self.store, cluster.ask_worker, policy, clock, self.queue.add, serves)
        self._reconciler = Reconciler(
            cluster=cluster,
            store=self.store,
            slots=self.slots,
            poller=self.poller,
            policy=policy,
            clock=clock,
            record=record,
            tell=tell,
            serves=serves,
            policy_of=policy_of or (lambda namespace: policy),
        )

    def job_event(self, body: Body, *, deleted: bool = False) -> None:
        """A watch told of a job."""
        self._last_event = self._time()
        metadata = body["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if deleted:
            self.store.lose_job(key, metadata["uid"])
        elif self.store.see_job(body):
            self._look_at(metadata["namespace"], key)

    def pod_event(self, body: Body, *, deleted: bool = False) -> None:
        """A watch told of a pod."""
        self._last_event = self._time()
        version = int(body["metadata"].get("resourceVersion") or 0)
        for pod in self.store.lose_pod(read_pod(body), version) if deleted else self.store.see_pod(body):
            self.look_at_owner(pod)

    def silent_seconds(self) -> float:
        """Since a watch last told of anything. Another thread may ask."""
        return self._time() - self._last_event

    def look_at_owner(self, pod: Pod) -> None:
        """Look at the job that says it owns the pod."""
        if pod.owner_name:
            self._look_at(pod.namespace, f"{pod.namespace}/{pod.owner_name}")

    def look_again(self, namespace: str | None) -> None:
        """This namespace (None: each) is served from now on, or no more."""
        self.slots.look_again(namespace)
        self.poller.look_again(namespace)
        self.look_at_all(namespace)

    def look_at_all(self, namespace: str | None) -> None:
        """Look at each job of this namespace (None: of all) of which there may be something to do."""
        for pod in self.store.pods():
            if namespace in (None, pod.namespace):
                self.look_at_owner(pod)
        for job in self.store.unsettled():
            if namespace in (None, job.namespace):
                self._look_at(job.namespace, job.key)

    async def reconcile(self, key: str) -> float | None:
        """One look at the job of this namespace/name; seconds until the next."""
        return await self._reconciler.reconcile(key)

    def _look_at(self, namespace: str, key: str) -> None:
        """Where another operator acts nothing is looked at; once this one does, everything is."""
        if self.serves(namespace):
            self.queue.add(key)
