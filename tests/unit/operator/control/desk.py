"""One reconciler over an API server in memory: what the tests of single rules of control/ are told in.

Nothing happens by itself: the watch shows what it showed when `look` was last called, and time is virtual.
"""

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ParamSpec

from harness import virtual_time
from harness.api.memory_cluster import Connection, Fate, Heard, MemoryCluster
from harness.api.routes import Request
from harness.api.store import PODS, ApiStore, Body
from pods.jobs import JOB_UID, job_body
from spectrogram_operator.api.job import read_job
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import SpectrogramJobStatus
from spectrogram_operator.control.cluster.kubernetes import WORKER_SECONDS
from spectrogram_operator.control.reconciling.controller import Controller
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.planning.observed import Event
from spectrogram_operator.core.policy import Policy
from unit.operator.core.fixtures import body as fixture

Arguments = ParamSpec("Arguments")


def in_virtual_time(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """Makes an async test one that runs in virtual time, and closes the desks that it opened."""

    async def story(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        try:
            await test(*arguments, **named)
        finally:
            while _open:
                await _open.pop().cluster.close()

    @functools.wraps(test)
    def runs(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        virtual_time.run(story(*arguments, **named))

    return runs


class OutOfReach(MemoryCluster):
    """A cluster of whose workers none can be reached: packets to them are dropped."""

    async def ask_worker(self, pod: Pod) -> bytes | None:
        """See Cluster."""
        await asyncio.sleep(WORKER_SECONDS)
        return None


class Desk:
    """A store with the claims that jobs name, a reconciler, and a record of what was asked and woken."""

    def __init__(self, *, slots: int = 2, unreachable: bool = False, **policy: Any) -> None:
        self.store = ApiStore(now=virtual_time.now)
        for name in ("recordings", "results"):
            self.put("persistentvolumeclaims", name)
        self.heard: list[Heard] = []
        self.written: list[SpectrogramJobStatus] = []
        self.answers: dict[str, bytes] = {}
        self.fates: list[tuple[str, str, Fate]] = []
        self.told: list[Event] = []
        self.served = True
        pools = {name: replace(pool, max_concurrent=slots) for name, pool in Policy().pools.items()}
        connection = Connection("operator", self.store, decide=self._decide, tell=self.heard.append)
        self.cluster = (OutOfReach if unreachable else MemoryCluster)(connection, self._ask_worker)
        self.asked: list[str] = []
        self._seen = 0
        _open.append(self)
        self.controller = Controller(
            cluster=self.cluster,
            policy=Policy(pools=pools, **policy),
            clock=virtual_time.now,
            record=lambda job, old, new: self.written.append(new),
            tell=lambda job, event: self.told.append(event),
            serves=lambda namespace: self.served,
        )
        self.controller.slots.open()

    # The world

    def put(self, plural: str, name: str, **content: Any) -> Body:
        """Create an object, or change it behind the operator's back."""
        old = self.store.objects.get((plural, "radio", name), {"metadata": {"namespace": "radio", "name": name}})
        return self.store.put(plural, {**old, **content})

    def submit(self, name: str = "fm-band", **spec: Any) -> None:
        """A person creates a job, and the watch shows it."""
        self.put(PLURAL, name, spec=job_body(**spec)["spec"])
        self.look()

    def look(self) -> None:
        """The watches catch up. What they tell is known, and wakes nobody by itself."""
        for plural in (PLURAL, PODS):
            self.look_at(plural)
        self._seen = self.store.version

    def look_at(self, plural: str) -> None:
        """One watch catches up."""
        store = self.controller.store
        for change in self.store.changes(plural, self._seen):
            metadata = change.body["metadata"]
            if plural == PLURAL and change.type == "DELETED":
                store.lose_job(f"{metadata['namespace']}/{metadata['name']}", metadata["uid"])
            elif plural == PLURAL:
                store.see_job(change.body)
            elif change.type == "DELETED":
                store.lose_pod(read_pod(change.body), change.version)
            else:
                store.see_pod(change.body)

    def show(self, shape: str, pod: str = "", *, told: bool = True) -> None:
        """The pod (the one that there is) looks as this fixture does; `told`: the watch says so."""
        (name,) = [pod] if pod else self.pod_names()
        owner = self.store.get("pods", "radio", name)["metadata"]["ownerReferences"][0]["uid"]
        seen = fixture(shape)
        status = json.loads(json.dumps(seen["status"]).replace(JOB_UID, owner))
        node = {"nodeName": seen["spec"]["nodeName"]} if "nodeName" in seen["spec"] else {}
        self.put("pods", name, status=status, spec=self.store.get("pods", "radio", name)["spec"] | node)
        if told:
            self.look()

    def take_away_pod(self) -> Body:
        """The pod (the one that there is) is gone, and the watch shows none."""
        (name,) = self.pod_names()
        body = self.store.remove("pods", "radio", name)
        self.look()
        return body

    def fail(self, method: str, path: str, times: int = 1, **fate: Any) -> None:
        """What becomes of the next requests of this kind: those whose path has this in it."""
        self.fates += [(method, path, Fate(**{"stored": False} | fate))] * times

    # The operator

    async def reconcile(self, name: str = "fm-band") -> float | None:
        """One reconcile."""
        return await self.controller.reconcile(f"radio/{name}")

    @property
    def woken(self) -> list[str]:
        """The jobs that were woken since `sleep`."""
        return self.controller.queue.waiting

    def sleep(self) -> None:
        """Forget who was woken."""
        self.controller.queue._queued.clear()

    async def start(self, name: str = "fm-band", shape: str = "running", **spec: Any) -> None:
        """Submit a job and follow it until its pod runs and is on record."""
        self.submit(name, **spec)
        await self.reconcile(name)
        (pod,) = [pod for pod in self.pod_names() if pod.startswith(f"{name}-")]
        self.show(shape, pod)
        await self.reconcile(name)
        self.look()

    # What came of it

    def status(self, name: str = "fm-band") -> SpectrogramJobStatus:
        """The job's status as it is stored."""
        return read_job(self.store.get(PLURAL, "radio", name)).status

    def pod_names(self) -> list[str]:
        """Every pod there is."""
        return [name for plural, _, name in self.store.objects if plural == "pods"]

    def requests(self, method: str, plural: str) -> int:
        """How many were made."""
        return sum((one.request.method, one.request.plural) == (method, plural) for one in self.heard)

    def _decide(self, request: Request) -> Fate:
        for index, (method, path, fate) in enumerate(self.fates):
            if request.method == method and path in request.path:
                del self.fates[index]
                return fate
        return Fate()

    def _ask_worker(self, pod: Pod) -> bytes | None:
        self.asked.append(pod.name)
        return self.answers.get(pod.name)


_open: list[Desk] = []
