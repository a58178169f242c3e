"""What holds at every version of a history."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harness.api.memory_cluster import Heard
from harness.api.store import PODS, ApiStore, Change
from spectrogram_operator.api.job import Job, UnreadableJob, ValidJob, read_job
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.api.status import AttemptState
from spectrogram_operator.core.building.sizing import current_queue
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.planning.record import ended_by_operator
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import is_over
from unit.operator.control.rules.knowledge import Knowledge
from unit.operator.control.rules.process import OperatorProcess
from unit.operator.control.rules.request_rules import RequestRules
from unit.operator.control.rules.status_rules import StatusRules
from unit.operator.control.rules.story import Story, ViolationError

LATE_SECONDS = 5.0
ENDS = ("Complete", "Failed")
"""Conditions of a job that is over."""


@dataclass(frozen=True)
class Creation:
    """How a pod came to be.

    `unlocked`: its creator had not just reserved the attempt with a write that won. `orphan`: its job was gone by then.
    `judged`: its attempt was over by then. `late`: it reached the server long after it was sent, or nobody heard.
    """

    pod: Pod
    unlocked: bool
    orphan: bool
    judged: bool
    late: bool


@dataclass
class Rules:
    """Looks at every change of the store and at every request of an operator. `broken` is the first violation's story.

    `late_creations`: a creation may reach the server long after the write that reserved it, or nobody hears of it. No
    API could refuse it, and the operator ends such a pod: it counts neither beside another pod nor against the limit.
    """

    store: ApiStore
    policy: Policy
    story: Story
    operators: int = 1
    alone: tuple[str, ...] = ()
    """Namespaces in which never more than one of several operators acts."""
    late_creations: bool = False
    broken: str = ""
    shapes: dict[str, str] = field(default_factory=dict)
    """By UID of a pod: whether it "succeeded" or "failed", once it has ended."""
    hidden: set[str] = field(default_factory=set)
    """UIDs of pods whose label somebody took away. Once its job is over nobody sees such a pod: no slot is its. Of one
    that has its label back a watch may hear late.
    """
    jobs: dict[str, Job] = field(default_factory=dict)
    """By UID: each job as it is, or as it was when its status could be read."""
    unreadable: set[str] = field(default_factory=set)
    """UIDs of jobs whose status another version wrote, so that this one cannot read it."""
    once_unreadable: set[str] = field(default_factory=set)
    """The same, and those that were mended since: meanwhile nobody knew of their attempts, and others had the slots."""
    unlisted: set[str] = field(default_factory=set)
    """Operators of which a list failed. A namespace that cannot be listed keeps no other waiting, whatever it holds."""
    deletions_forbidden: bool = False
    """True once an operator might not read or delete a job whose time was over: it tries again an hour later."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """By UID: each pod as it is."""
    queues: set[str] = field(default_factory=set)
    """Each that a job ever was in."""
    _creations: dict[str, Creation] = field(default_factory=dict)
    _reserved: dict[tuple[str, str | None, str], str] = field(default_factory=dict)
    _by_others: bool = False

    def __post_init__(self) -> None:
        self.store.listeners.append(self._look)
        self.of_requests = RequestRules(self.store, self.jobs, self.fail)
        self.of_statuses = StatusRules(self.store, self.policy, self.pods, self.shapes, self.fail)
        self.knowledge = Knowledge(self.store, self.jobs, self.pods, self.hidden, self.of_requests.served, self.fail)

    @property
    def live_pods(self) -> list[Pod]:
        """Every pod that runs, or may run."""
        return [pod for pod in self.pods.values() if pod.live and pod.uid not in self.hidden]

    def fail(self, rule: str) -> None:
        """This rule is broken; only the first is told."""
        self.broken = self.broken or self.story.end(rule)

    def check(self) -> None:
        """Raise if a rule was broken."""
        if self.broken:
            raise ViolationError(self.broken)

    def heard(self, process: OperatorProcess, heard: Heard) -> None:
        """An operator's request, at the moment when it took effect."""
        request = heard.request
        if heard.given_up:
            self._arrives_late(heard)
            return
        self.of_requests.heard(process, heard)
        self.knowledge.heard(process, heard)
        if request.method == "GET" and not request.name and heard.fate.error is not None:
            self.unlisted.add(process.name)
        if request.plural == PODS and request.method == "POST":
            self._creation(process, heard)
        elif request.plural == PODS and request.method == "DELETE":
            self._deletion(heard)
        elif request.plural == PLURAL and request.method == "DELETE" and heard.code == 200:
            self._expiry(process, heard)
        elif request.plural == PLURAL and request.name and request.method != "PUT" and heard.fate.error == 403:
            self.deletions_forbidden = True  # or to read it before
        if request.plural == PLURAL and request.method == "PUT" and request.body is not None:
            self._reserved.pop((process.name, request.namespace, request.name), None)
            pod_name = request.body["status"].get("podName", "")
            if heard.code == 200 and heard.fate.error is None:
                self._reserved[process.name, request.namespace, request.name] = pod_name

    def _arrives_late(self, heard: Heard) -> None:
        """Whoever sent this is gone: no other knows of it, and the API server takes it where it is not locked."""
        if (heard.request.plural, heard.request.method, heard.code) == (PODS, "POST", 201):
            pod = self.pods[heard.document["metadata"]["uid"]]
            orphan, judged = pod.owner_uid not in self.jobs, self.is_judged(pod)
            self._creations[pod.uid] = Creation(pod, unlocked=False, orphan=orphan, judged=judged, late=True)
            self.of_statuses.created[pod.name] += 1

    @contextmanager
    def written_by_others(self) -> Iterator[None]:
        """While this lasts, statuses are written by somebody who need not keep to these rules."""
        self._by_others = True
        yield
        self._by_others = False

    def _look(self, change: Change) -> None:
        uid = change.body["metadata"]["uid"]
        if change.plural == PODS:
            if change.type == "DELETED":
                self.pods.pop(uid, None)
            else:
                self.pods[uid] = read_pod(change.body)
        elif change.plural == PLURAL and change.type == "DELETED":
            self.jobs.pop(uid, None)
            self.unreadable.discard(uid)
        elif change.plural == PLURAL:
            self._see_job(uid, change)

    def _see_job(self, uid: str, change: Change) -> None:
        old, new = self.jobs.get(uid), read_job(change.body)
        written = change.before is not None and change.before.get("status") != change.body.get("status")
        if written and uid in self.unreadable and not self._by_others:
            self.fail(f"the status of {new.name} cannot be read, and is written all the same")
        if isinstance(new, UnreadableJob):
            self.unreadable.add(uid)
            self.once_unreadable.add(uid)
            return
        self.unreadable.discard(uid)
        self.jobs[uid] = new
        if isinstance(new, ValidJob):
            self.queues.add(current_queue(new.spec, new.status, self.policy))
        if old is not None and old.status != new.status and not self._by_others:
            self.of_statuses.written(old, new, change.body)

    def _creation(self, process: OperatorProcess, heard: Heard) -> None:
        body = heard.document
        if heard.code != 201:
            return
        pod = self.pods[body["metadata"]["uid"]]
        reserved = self._reserved.pop((process.name, pod.namespace, pod.owner_name), "")
        beside = [other for other in self.live_pods if other.uid != pod.uid]
        made = Creation(
            pod=pod,
            unlocked=reserved != pod.name,
            orphan=pod.owner_uid not in self.jobs,
            judged=self.is_judged(pod),
            late=heard.fate.seconds_before >= LATE_SECONDS or heard.fate.error is not None,
        )
        self._creations[pod.uid] = made
        self.of_statuses.created[pod.name] += 1
        # Another operator may judge an attempt while its creation is under way: no API could refuse the pod then.
        if made.unlocked:
            self.fail(f"the pod {pod.name} is created without the write that reserves it")
        if self.operators == 1 and made.judged and not made.late:
            self.fail(f"the pod {pod.name} belongs to no attempt that goes on")
        self._alone(made, [other for other in beside if other.owner_uid == pod.owner_uid])
        if not (process.settings.namespaces and process.name in self.unlisted):
            self._within_limit(made, [other for other in beside if other.queue == pod.queue])

    def _alone(self, made: Creation, siblings: list[Pod]) -> None:
        """Never two live pods of a job."""
        for sibling in siblings:
            if not self._is_stray(made.pod) and not self._is_stray(sibling):
                self.fail(f"two live pods of one job: {sibling.name} and {made.pod.name}")

    def _within_limit(self, made: Creation, others: list[Pod]) -> None:
        """Never more pods than the queue's limit; each of several operators keeps the limit for itself."""
        counted = [pod for pod in others if not self._is_stray(pod) and pod.owner_uid not in self.once_unreadable]
        limit = self.policy.pools[made.pod.queue].max_concurrent
        if made.pod.namespace in self.alone:
            counted = [pod for pod in counted if pod.namespace == made.pod.namespace]
        else:
            limit *= self.operators
        if len(counted) < limit or self._is_stray(made.pod) or made.pod.owner_uid in self.once_unreadable:
            return
        names = ", ".join(pod.name for pod in (*counted, made.pod))
        self.fail(f"more than {limit} live pods in the queue {made.pod.queue}: {names}")

    def _is_stray(self, pod: Pod) -> bool:
        made = self._creations.get(pod.uid)
        return self.late_creations and made is not None and made.late and (made.orphan or made.judged)

    def is_judged(self, pod: Pod) -> bool:
        """Whether the pod's job exists and does not count the pod's attempt as one that goes on."""
        job = self.jobs.get(pod.owner_uid)
        if job is None:
            return False
        return all(one.state is AttemptState.FINISHED for one in job.status.attempts if one.pod_name == pod.name)

    def _deletion(self, heard: Heard) -> None:
        """An operator ends a live pod only by its UID, and only once status says why."""
        options = heard.request.body or {}
        if not (options.get("preconditions") or {}).get("uid"):
            self.fail(f"an operator deletes the pod {heard.request.name}, whichever has that name")
        if heard.code != 200:
            return
        pod = read_pod(heard.document)
        job = self.jobs.get(pod.owner_uid)
        if job is None or pod.finished or is_over(job.status):
            return
        attempt = next((one for one in job.status.attempts if one.pod_name == pod.name), None)
        # Fault 16: what a node that does not answer holds is given up, whoever wanted its end. Of two that act the
        # other may have written meanwhile what drove the pod off.
        lost = ("NodeLost", "NodeTainted") if self.operators > 1 else ("NodeLost",)
        why = attempt is not None and (ended_by_operator(attempt) or attempt.reason in lost)
        if attempt is None or not (attempt.state is AttemptState.FINISHED or why):
            self.fail(f"an operator ends the pod {pod.name}, and nothing on record says why")

    def _expiry(self, process: OperatorProcess, heard: Heard) -> None:
        """An operator deletes a job only as it was read, and when its time after its end is over."""
        job, now = read_job(heard.document), self.store.now()
        if not {"uid", "resourceVersion"} <= ((heard.request.body or {}).get("preconditions") or {}).keys():
            self.fail(f"an operator deletes the job {job.name}, whatever has become of it")
        now += timedelta(seconds=self.of_requests.seconds_off(process))
        # What is over stays over: also where another version has written since what nobody here can read.
        said = heard.document.get("status") or {}
        over = any(one["type"] in ENDS and one["status"] == "True" for one in said.get("conditions", ()))
        ttl, ended = job.raw_spec.get("ttlSecondsAfterFinished"), said.get("completionTime")
        if not over or ttl is None or not ended or now < datetime.fromisoformat(ended) + timedelta(seconds=ttl):
            self.fail(f"an operator deletes the job {job.name}, whose time is not over")
