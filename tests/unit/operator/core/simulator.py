"""A cluster in memory, played by a random script, and operators that die at any step: the planner over whole lives.

What the real world does to an operator is here: writes under a resourceVersion, look-ups that fail, a watch that lags,
events that come twice or never, pods that end in every way, people who delete, suspend and cancel, processes that die
between any two calls, a second operator. Randomness comes from one seeded generator: a seed is a whole history.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from pods.jobs import CREATED, JOB_UID
from pods.shapes import FINISHED, STARTED, Body
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.core.conditions import active_attempt
from spectrogram_operator.core.observed import Action, CreatePod, DeletePod, Observed, Refusal
from spectrogram_operator.core.plan import plan
from spectrogram_operator.core.pod import Pod, read_pod
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.queueing import Turn, contender, take_turn
from spectrogram_operator.core.sizing import current_queue
from unit.operator.core.fixtures import body as fixture
from unit.operator.core.play import START
from unit.operator.core.schema import check_status

SHAPE = "shape"


class ConflictError(Exception):
    """409: somebody wrote in between, or a pod of this name exists."""


@dataclass
class Store:
    """The API server. `history` holds every version of every job; `removed` the last body of every pod that is gone."""

    now: datetime = START
    history: dict[str, list[Body]] = field(default_factory=dict)
    pods: dict[str, Body] = field(default_factory=dict)
    removed: list[Body] = field(default_factory=list)
    version: int = 0

    def put_job(self, name: str, **changes: Any) -> None:
        """A new version of the job."""
        self.version += 1
        newest = self.history.setdefault(name, [{}])[-1]
        metadata = {"namespace": "radio", "name": name, "uid": f"uid-{name}", "resourceVersion": str(self.version)}
        metadata["creationTimestamp"] = newest.get("metadata", {}).get("creationTimestamp", self.now.isoformat())
        self.history[name].append({**newest, "metadata": metadata, **changes})

    def job(self, name: str, versions_ago: int = 0) -> Job:
        """The job as it is, or as it was."""
        versions = self.history[name]
        return read_job(versions[max(1, len(versions) - 1 - versions_ago)])

    def jobs(self) -> list[Job]:
        """Every job as it is."""
        return [self.job(name) for name in self.history]

    def write_status(self, job: Job, status: dict[str, Any]) -> None:
        """Replace the status, unless somebody wrote since `job` was read."""
        check_status(status)
        if self.job(job.name).resource_version != job.resource_version:
            raise ConflictError
        if status != job.status.to_document():
            self.put_job(job.name, status=status)

    def create_pod(self, manifest: Body) -> None:
        """Create a pod; names are unique."""
        name = manifest["metadata"]["name"]
        if name in self.pods:
            raise ConflictError
        self.version += 1
        added = {"uid": f"pod-{self.version}", "creationTimestamp": self.now.isoformat(), SHAPE: "just-created"}
        self.pods[name] = {**manifest, "metadata": manifest["metadata"] | added, "status": {"phase": "Pending"}}

    def delete_pod(self, name: str, uid: str | None) -> None:
        """Ask for a pod's end; its kubelet ends it some time later."""
        pod = self.pods.get(name)
        if pod is not None and uid in (None, pod["metadata"]["uid"]):
            due = (self.now + timedelta(seconds=30)).isoformat()
            self.pods[name] = {**pod, "metadata": {"deletionTimestamp": due} | pod["metadata"]}

    def remove_pod(self, name: str) -> None:
        """The pod is gone."""
        self.removed.append(self.pods.pop(name))

    def show(self, name: str, shape: str) -> None:
        """From now on the pod looks as this fixture does."""
        pod, seen = self.pods[name], fixture(shape)
        text = json.dumps(seen["status"]).replace(JOB_UID, pod["metadata"]["ownerReferences"][0]["uid"])
        text = text.replace(CREATED, pod["metadata"]["creationTimestamp"])
        for moment in (STARTED, FINISHED):
            text = text.replace(moment, self.now.isoformat())
        status = json.loads(text)
        announced = [entry for entry in pod["status"].get("conditions", ()) if entry["type"] == "DisruptionTarget"]
        status["conditions"] = [*announced, *status.get("conditions", ())]
        status["startTime"] = pod["status"].get("startTime", self.now.isoformat())
        metadata = pod["metadata"] | {SHAPE: shape}
        self.pods[name] = {**pod, "metadata": metadata, "spec": pod["spec"] | seen["spec"], "status": status}

    def live_pods(self) -> list[Pod]:
        """Every pod that runs, or may run."""
        return [pod for pod in map(read_pod, self.pods.values()) if pod.live]


class Operator:
    """The reconcile loop over `plan`. Each `yield` is a place where another process runs, or this one dies."""

    def __init__(self, store: Store, policy: Policy, random: Random, *, slow: bool) -> None:
        self.store, self.policy, self.random, self.slow = store, policy, random, slow
        self.forget()

    def forget(self) -> None:
        """The process starts anew: all that it remembered is lost."""
        self.view: dict[str, Body] = dict(self.store.pods)
        self.heard = len(self.store.removed)
        self.last_seen: dict[str, Pod] = {}
        self.absent_since: dict[str, datetime] = {}
        self.refusals: dict[str, Refusal] = {}

    def listen(self) -> None:
        """The watch catches up. A DELETED event may be lost, and may be one of an earlier connection."""
        for body in self.store.removed[self.heard :]:
            if self.random.random() < 0.7:
                pod = read_pod(body, gone=True)
                self.last_seen[pod.uid] = pod
        self.heard = self.random.randint(self.heard, len(self.store.removed))
        self.view = dict(self.store.pods)

    def reconcile(self, name: str) -> Iterator[None]:
        """One step for one job, as control/reconcile.py makes it."""
        job = self.store.job(name, versions_ago=self.random.choice([0, 0, 0, 0, 1, 2]))
        observed = self.observe(job)
        yield
        decided = plan(observed, self.store.now, self.policy)
        creates = any(isinstance(action, CreatePod) for action in decided.actions)
        if creates or decided.status != job.status:
            try:
                self.store.write_status(job, decided.status.to_document())
            except ConflictError:
                return
        for action in decided.actions:
            if self.slow or not isinstance(action, CreatePod):
                yield
            self.act(job, action)
        yield

    def act(self, job: Job, action: Action) -> None:
        """Do what the status that was written authorises."""
        if isinstance(action, DeletePod):
            self.store.delete_pod(action.name, action.uid)
        elif self.random.random() < 0.1:
            self.refusals[job.name] = Refusal(reason="QuotaExceeded", message="exceeded quota", final=False)
        elif self.random.random() < 0.9:  # else the process dies between the write and the creation
            with suppress(ConflictError):
                self.store.create_pod(dict(action.manifest))

    def observe(self, job: Job) -> Observed:
        """What this operator knows: its view lags, its look-ups fail."""
        own = [pod for pod in map(read_pod, self.view.values()) if pod.owner_uid == job.uid]
        observed = Observed(job=job, turn=self.turn(job), missing_claims=(), pods=tuple(own))
        attempt = active_attempt(job.status)
        if attempt is None:
            return observed
        uids = (None, attempt.pod_uid) if attempt.pod_uid else (None, *(pod.uid for pod in own))
        observed = replace(observed, turn=None, refusal=self.refusals.pop(job.name, None))
        seen = next((pod for pod in own if pod.name == attempt.pod_name and pod.uid in uids), None)
        if seen is not None and self.random.random() < 0.8:
            return replace(observed, pod=seen)
        last = self.last_seen.get(attempt.pod_uid or "")
        if self.random.random() < 0.1:
            return replace(observed, pod=last)  # the look-up failed
        body = self.store.pods.get(attempt.pod_name)
        live = read_pod(body) if body is not None else None
        if live is not None and attempt.pod_uid in (None, live.uid):
            self.absent_since.pop(job.name, None)
            return replace(observed, pod=live)
        return replace(observed, pod=last, absent_since=self.absent_since.setdefault(job.name, self.store.now))

    def turn(self, job: Job) -> Turn | None:
        """The job's place in its queue, from what is true now: one operator sees its own writes at once."""
        if job.spec is None:
            return None
        entries = (contender(entry, self.store.now, self.policy) for entry in self.store.jobs())
        queue = current_queue(job.spec, job.status, self.policy)
        pods = [read_pod(body) for body in self.store.pods.values()]
        limit = self.policy.pools[queue].max_concurrent
        return take_turn(job.uid, queue, [entry for entry in entries if entry is not None], pods, limit)
