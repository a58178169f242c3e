"""Everything in a cluster but the operator: kubelets, a scheduler, a garbage collector and people."""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any

from harness.api.store import PODS, ApiStore, Body
from harness.virtual_time import now
from pods.jobs import CREATED, JOB_UID, job_body
from pods.reports import report
from pods.shapes import FINISHED, STARTED, disruption
from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.names import LABEL_JOB_UID, PLURAL
from spectrogram_operator.core.judging.pod import Pod
from unit.operator.control.rules.rules import Rules
from unit.operator.control.rules.story import Story
from unit.operator.control.world.namespaces import Namespaces
from unit.operator.control.world.nodes import Nodes
from unit.operator.control.world.versions import rewritten
from unit.operator.core.fixtures import body as fixture

NAMESPACE = "radio"
NAMESPACES = (NAMESPACE, "sonar")
CLAIMS = "persistentvolumeclaims"
SUCCESSES = ["succeeded", "sidecar-outlives-success"]
MISFORTUNES = [
    "oom-killed",
    "exit-82-memory-error",
    "exit-75-transient-error",
    "exit-1-crash",
    "exit-66-input-not-found",
    "exit-87-reroute-large",
    "deadline-exceeded",
    "evicted-node-memory",
    "succeeded-without-manifest",
    "sidecar-outlives-oom-killed",
    "container-lost",
    "rejected-out-of-cpu",
]
STARTING = ["container-creating", "unschedulable", "image-pull-error"]
ENDED_BY_SIGTERM = ["exit-85-interrupted", "exit-143", "exit-137-unlabelled", "succeeded"]


class World:
    """Writes to the store as everybody else does. Each method is one thing that somebody does."""

    def __init__(self, store: ApiStore, rules: Rules, story: Story, random: Random) -> None:
        self.store = store
        self.rules = rules
        self.random = random
        self._tell: Callable[[str, str], None] = story.tell
        self.nodes = Nodes(store, rules, story)
        self.namespaces = Namespaces(store, story)
        for namespace in NAMESPACES:
            self.furnish(namespace)

    def furnish(self, namespace: str) -> None:
        """The claims that jobs name."""
        for place in (job_body()["spec"][end] for end in ("input", "output")):
            self.store.create(CLAIMS, {"metadata": {"namespace": namespace, "name": place["claimName"]}, "spec": {}})

    def submit(self, name: str, namespace: str = NAMESPACE, **spec: Any) -> Body:
        """A person's kubectl apply."""
        self._tell("a person", f"submits {name}")
        body = job_body(name, **spec)
        return self.store.create(PLURAL, {**body, "metadata": {"namespace": namespace, "name": name}})

    def wish(self, name: str, namespace: str = NAMESPACE, **wish: Any) -> None:
        """A person edits a job: suspend, cancelled."""
        self._tell("a person", f"sets {wish} on {name}")
        job = self.store.get(PLURAL, namespace, name)
        self.store.put(PLURAL, {**job, "spec": job["spec"] | wish})

    def delete_job(self, name: str, namespace: str = NAMESPACE) -> None:
        """A person's kubectl delete; the garbage collector comes later."""
        self._tell("a person", f"deletes {name}")
        self.store.delete(PLURAL, namespace, name)

    def rewrite(self, job: Job, version: str) -> None:
        """An operator of another version, or somebody who mends what it left, writes the job's status."""
        stored = self.store.get(PLURAL, job.namespace, job.name)
        self._tell(f"an operator of a version that is {version}", f"writes {job.name}")
        with self.rules.written_by_others():
            self.store.put(PLURAL, {**stored, "status": rewritten(stored.get("status", {}), version)})

    def show(self, pod: Pod, shape: str) -> None:
        """From now on the pod looks as this fixture does."""
        self._tell("the kubelet", f"shows {pod.name} as {shape}")
        seen, stored = fixture(shape), self.store.get(PODS, pod.namespace, pod.name)
        text = json.dumps(seen["status"]).replace(JOB_UID, pod.owner_uid)
        text = text.replace(CREATED, stored["metadata"]["creationTimestamp"])
        for moment in (STARTED, FINISHED):
            text = text.replace(moment, now().isoformat())
        status = json.loads(text)
        announced = [one for one in stored["status"].get("conditions", ()) if one["type"] == "DisruptionTarget"]
        status["conditions"] = [*announced, *status.get("conditions", ())]
        if shape != "unschedulable":  # no kubelet has seen that one
            status["startTime"] = stored["status"].get("startTime", now().isoformat())
        if shape not in ("running", *STARTING):
            self.rules.shapes[pod.uid] = "succeeded" if shape in SUCCESSES else "failed"
        node = {"nodeName": pod.node_name or self.nodes.choose(pod)} if "nodeName" in seen["spec"] else {}
        self.store.put(PODS, {**stored, "spec": stored["spec"] | seen["spec"] | node, "status": status})

    def evict(self, pod: Pod) -> None:
        """A drain: announced, then deleted."""
        self._tell("a drain", f"evicts {pod.name}")
        stored = self.store.get(PODS, pod.namespace, pod.name)
        announced = disruption("EvictionByEvictionAPI", "Eviction API: evicting")
        conditions = [announced, *stored["status"].get("conditions", ())]
        self.store.put(PODS, {**stored, "status": stored["status"] | {"conditions": conditions}})
        self.store.delete(PODS, pod.namespace, pod.name)

    def delete_pod(self, pod: Pod) -> None:
        """A person's kubectl delete pod."""
        self._tell("a person", f"deletes {pod.name}")
        self.store.delete(PODS, pod.namespace, pod.name)

    def take_label(self, pod: Pod) -> None:
        """A person takes the label away by which watches and lists know the pod."""
        self._tell("a person", f"takes the label of {pod.name} away")
        self.rules.hidden.add(pod.uid)
        self._label(pod, {})

    def put_label_back(self, pod: Pod) -> None:
        """A person puts it back."""
        self._tell("a person", f"puts the label of {pod.name} back")
        self._label(pod, {LABEL_JOB_UID: pod.owner_uid})

    def _label(self, pod: Pod, own: dict[str, str]) -> None:
        stored = self.store.get(PODS, pod.namespace, pod.name)
        others = {name: value for name, value in stored["metadata"]["labels"].items() if name != LABEL_JOB_UID}
        self.store.put(PODS, {**stored, "metadata": stored["metadata"] | {"labels": others | own}})

    def remove(self, pod: Pod) -> None:
        """The pod is gone: its kubelet ended it, somebody forced it, or its node is no more."""
        self._tell("the kubelet", f"removes {pod.name}")
        self.store.remove(PODS, pod.namespace, pod.name)

    def collect_garbage(self) -> None:
        """The garbage collector comes by."""
        for body in self.store.collect_garbage():
            self._tell("the garbage collector", f"deletes {body['metadata']['name']}")

    def answer_progress(self, pod: Pod) -> bytes | None:
        """What the pod's worker says to GET /progress: every other time, nothing."""
        if self.random.random() < 0.5:
            return None
        percent = asyncio.get_running_loop().time() / 1000
        attempt = int(pod.name.rpartition("-a")[2])
        return report(job_uid=pod.owner_uid, attempt=attempt, percent=min(percent, 99)).to_json().encode()

    def step(self, *, calm: bool) -> None:
        """A little happens to every pod, and sometimes somebody wants something."""
        self.play_pods(calm=calm)
        if calm or self.random.random() < 0.5:
            self.collect_garbage()
        if not calm and self.random.random() < 0.25:
            self._people()

    def play_pods(self, *, calm: bool) -> None:
        """A little happens to every pod whose node answers; what nobody needs any more runs until it is ended."""
        for pod in list(self.rules.pods.values()):
            if self.nodes.reach(pod) and (pod.deleting or not pod.live or not self.rules.is_judged(pod)):
                self._play(pod, calm=calm)

    def _play(self, pod: Pod, *, calm: bool) -> None:
        chance, choice = self.random.random(), self.random.choice
        running = pod.main is None or pod.main.exit_code is None
        if pod.deleting:
            if pod.live and running and chance < 0.4:
                self.show(pod, choice(ENDED_BY_SIGTERM))
            elif chance < 0.7:
                self.remove(pod)
        elif not pod.live:
            if not calm and chance < 0.02:
                self.remove(pod)
        elif pod.phase == "Pending":
            if calm or chance < 0.5:
                self.show(pod, "running")
            elif chance < 0.7:
                self.show(pod, choice(STARTING))
        elif running:
            if chance < 0.15 or (calm and chance < 0.6):
                self.show(pod, choice(SUCCESSES))
            elif chance < 0.3:
                self.show(pod, choice(MISFORTUNES))
            elif not calm and chance < 0.45:
                choice([self.evict, self.delete_pod, self.remove])(pod)

    def _people(self) -> None:
        job = self.random.choice(sorted(self.rules.jobs.values(), key=lambda job: job.name))
        chance = self.random.random()
        if chance < 0.1:
            self.wish(job.name, cancelled=True)
        elif chance < 0.25:
            self.delete_job(job.name)
            self.submit(job.name if chance < 0.18 else f"{job.name}-again")
        elif isinstance(job, ValidJob):
            self.wish(job.name, suspend=not job.spec.suspend)

    def resume_all(self) -> None:
        """Nobody wants anything any more, and every job may run."""
        for job in list(self.rules.jobs.values()):
            if isinstance(job, ValidJob) and job.spec.suspend:
                self.wish(job.name, job.namespace, suspend=False)
