"""What an operator must know: the pods that it has created itself, and before it starts anything all that was there."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.api.memory_cluster import Heard
from harness.api.store import PODS, ApiStore, Change
from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import LEASE, LEASE_OF_ALL, PLURAL
from spectrogram_operator.core.judging.pod import Pod, read_pod
from unit.operator.control.rules.process import OperatorProcess


@dataclass
class Knowledge:
    """Told of each request when it takes effect; `fail` is told which rule it breaks.

    A pod or job that an operator does not know of holds no slot: one more starts than may run.
    """

    store: ApiStore
    jobs: Mapping[str, Job]
    pods: Mapping[str, Pod]
    hidden: set[str]
    served: Mapping[str, tuple[str, float, float]]
    """See RequestRules."""
    fail: Callable[[str], None]
    _since: dict[str, float] = field(default_factory=dict)
    """By UID: when it was created."""
    _created: dict[str, tuple[OperatorProcess, int, float]] = field(default_factory=dict)
    """By UID of a pod: the operator, and which of its lives, that created it, and when it heard so."""
    _began: dict[tuple[str, int, tuple[str, str]], tuple[float, float]] = field(default_factory=dict)
    """By operator, its life and lease: from when to when it had it, as far as was seen."""
    _reserved: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    """By UID of a job and name of a pod: which operator wrote first that this pod is to be, and when."""
    _processes: dict[str, OperatorProcess] = field(default_factory=dict)
    _known: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """By operator, and which of its lives: UIDs of the pods that it knew of at the last look."""
    _forgotten: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """The same of pods that are no more, and that it knows of no more."""

    def __post_init__(self) -> None:
        self.store.listeners.append(self._look)

    def heard(self, process: OperatorProcess, heard: Heard) -> None:
        """Look at one request."""
        self._processes[process.name] = process
        self.check()
        request, told = heard.request, heard.fate.error is None and not heard.fate.kill
        if request.plural == "leases" and request.method != "GET" and heard.code in (200, 201):
            self._renews(process, heard)
        elif request.plural == PLURAL and request.method == "PUT" and heard.code == 200:
            reserved = heard.document["metadata"]["uid"], heard.document["status"].get("podName", "")
            self._reserved.setdefault(reserved, (process.name, asyncio.get_running_loop().time()))
        elif request.plural == PODS and request.method == "POST" and heard.code == 201:
            if told:
                answered = asyncio.get_running_loop().time() + heard.fate.seconds_after
                self._created[heard.document["metadata"]["uid"]] = process, process.life, answered
            self._starts(process, heard)

    def check(self) -> None:
        """Who has created a pod knows of it as long as it lives; who knows that it is no more is not told otherwise."""
        for process in self._processes.values():
            self._forgets(process)
        now = asyncio.get_running_loop().time()
        for uid, (process, life, answered) in self._created.items():
            pod = self.pods.get(uid)
            if pod is None or not pod.live or uid in self.hidden or now <= answered:
                continue
            if process.life == life and not process.died.is_set() and not _knows(process, pod):
                self.fail(f"{process.name} has created {pod.name}, which lives, and knows nothing of it")

    def _forgets(self, process: OperatorProcess) -> None:
        life = process.name, process.life
        known = {pod.uid for pod in process.service.controller.store.pods()}
        forgotten = self._forgotten.setdefault(life, set())
        forgotten |= self._known.get(life, set()) - known - self.pods.keys()
        self._known[life] = known
        for uid in known & forgotten:
            self.fail(f"{process.name} knew that the pod {uid} is no more, and takes it for one that is")

    def _look(self, change: Change) -> None:
        if change.type == "ADDED":
            self._since[change.body["metadata"]["uid"]] = asyncio.get_running_loop().time()

    def _renews(self, process: OperatorProcess, heard: Heard) -> None:
        metadata, now = heard.document["metadata"], asyncio.get_running_loop().time()
        which = (process.name, process.life, (metadata["namespace"], metadata["name"]))
        began, last = self._began.get(which, (now, now))
        if heard.document["spec"]["holderIdentity"] != process.identity:
            self._began.pop(which, None)
        elif now - last > process.settings.lease_seconds * 2 / 3:
            self._began[which] = now, now
        else:
            self._began[which] = began, now

    def _starts(self, process: OperatorProcess, heard: Heard) -> None:
        """Who starts something knows what was there when it got the lease: it has listed it since."""
        namespace = heard.request.namespace or ""
        by_name = bool(process.settings.namespaces)
        where = (namespace, LEASE) if by_name else LEASE_OF_ALL
        began, _ = self._began.get((process.name, process.life, where), (0.0, 0.0))
        made = read_pod(heard.document)
        reserved_by, reserved = self._reserved.get((made.owner_uid, made.name), ("", began))
        if reserved_by != process.name or reserved < began:
            return  # it was decided by another, or by whoever had the lease before
        holder, _, last = self.served.get(namespace, (process.identity, began, began))
        handed_over = not by_name and holder != process.identity  # by who served it by name
        until = {namespace: max(began, last) if handed_over else began}
        for pod in self.pods.values():
            there = pod.live and pod.uid not in self.hidden and self._since[pod.uid] < until.get(pod.namespace, began)
            if there and (pod.namespace == namespace or not by_name) and not _knows(process, pod):
                self.fail(f"{process.name} starts a pod, and does not know {pod.name}, which was there before")
        for job in self.jobs.values():
            concerned = job.namespace == namespace or not by_name
            there = concerned and self._since[job.uid] < until.get(job.namespace, began)
            known = process.service.controller.store.job(job.key)
            if there and (known is None or known.uid != job.uid):
                self.fail(f"{process.name} starts a pod, and does not know {job.name}, which was there before")


def _knows(process: OperatorProcess, pod: Pod) -> bool:
    return any(known.uid == pod.uid for known in process.service.controller.store.pods())
