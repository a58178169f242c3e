"""Lives of jobs that hypothesis chooses step by step, under the real service: what `make model` plays ten thousand of.

Whatever happens, the rules of rules.py hold at every version; and once nobody disturbs any more, every job ends. A life
that breaks a rule is shortened by hypothesis, and told as the story of its last steps.
"""

from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from harness.api.memory_cluster import Fate
from harness.api.routes import Request
from harness.api.store import PODS, ApiError
from harness.api.watching import Mishap
from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.core.judging.pod import Pod
from unit.operator.control.histories.scene import Kind, Misfortune
from unit.operator.control.model.choices import (
    MEDDLING,
    OUTLIVES,
    STAYS,
    WAYS,
    WISHES,
    jobs,
    mishaps,
    namespaces,
    numbers,
    skipped,
    times,
)
from unit.operator.control.model.machine import MOST_JOBS
from unit.operator.control.model.troubles import ALL, Troubles
from unit.operator.control.world.nodes import NODES
from unit.operator.control.world.world import ENDED_BY_SIGTERM, MISFORTUNES, STARTING, SUCCESSES, World

OF_PODS = {"remove": World.remove, "take the label": World.take_label}
LABELLING = ("unlabelled", "labelled again", "unlabelled for a moment")
MEDDLED_SHARE = 0.3
"""So many requests somebody meddles with who does so all the time."""


class Life(Troubles):
    """People, kubelets and nodes, beside the troubles of operators."""

    @precondition(lambda self: len(self.stage.rules.jobs) < MOST_JOBS)
    @rule(spec=jobs, namespace=namespaces, mishap=mishaps)
    def submit(self, spec: dict[str, Any], namespace: str, mishap: Mishap) -> None:
        """A person submits a job under the first name that is free."""
        self.mislead_all(mishap)
        self.submit_job(namespace, spec)

    @precondition(lambda self: self.stage.rules.jobs)
    @rule(number=numbers, wish=st.sampled_from([*WISHES, "prefer", "delete", "make anew", "make anew"]), mishap=mishaps)
    def change(self, number: int, wish: str, mishap: Mishap) -> None:
        """A person wants something of a job."""
        self.mislead_all(mishap)
        jobs = sorted(self.stage.rules.jobs.values(), key=lambda job: job.name)
        if jobs:
            self.do(lambda: self._want(jobs[number % len(jobs)], wish))

    @rule(
        kind=numbers,
        wish=st.sampled_from(MEDDLING),
        skip=skipped,
        times=times,
        before=st.sampled_from([0.3, 3.0]),
    )
    def interfere(self, kind: int, wish: str, skip: int, times: int, before: float) -> None:
        """Somebody wants something of a job, or takes its pod away, while a request about it is under way."""
        self.stage.misfortunes.append(self._meddling(self.kind(kind), wish, Fate(before), skip=skip, times=times))

    def habit(self, kind: Kind, what: str) -> Misfortune:
        """See Machine."""
        self.tell("the API server", f"from now on: {what}, where it is asked {kind[0]} of {kind[1]}")
        share, fate = WAYS.get(what, (MEDDLED_SHARE, Fate(3.0)))
        wish = {OUTLIVES: "suspend", STAYS: "stay"}.get(what, "" if what in WAYS else what)
        return self._meddling(kind, wish, fate, times=ALL, share=share)

    def _meddling(self, kind: Kind, wish: str, fate: Fate, **which: Any) -> Misfortune:
        def meanwhile(request: Request) -> None:
            job, pod = self._about(request) if wish else (None, None)
            with suppress(ApiError):
                if wish in OF_PODS and pod is not None:
                    OF_PODS[wish](self.stage.world, pod)
                elif wish not in OF_PODS and job is not None:
                    self._want(job, wish)

        method, plural, of_one = kind
        return Misfortune(method, plural, fate, of_one=of_one, meanwhile=meanwhile, **which)

    @rule(namespace=namespaces, what=st.sampled_from(["delete", PLURAL, PODS, PODS, "make anew"]))
    def end_namespace(self, namespace: str, what: str) -> None:
        """A namespace is deleted, emptied kind by kind, and made anew."""
        world, found = self.stage.world, self.stage.world.namespaces
        if what == "delete" and found.exists(namespace):
            self.do(lambda: found.delete(namespace))
        elif what == "make anew" and namespace in found.gone:
            self.do(lambda: found.make_anew(namespace))
            self.do(lambda: world.furnish(namespace))
        elif namespace in found.ending:
            self.do(lambda: found.empty(namespace, what if what in (PLURAL, PODS) else PODS))

    @precondition(lambda self: self.stage.rules.pods)
    @rule(number=numbers, shape=st.sampled_from([*SUCCESSES, *MISFORTUNES, *STARTING, "running", "running", "running"]))
    def show(self, number: int, shape: str) -> None:
        """A kubelet says how a pod is."""
        pod = self._pod(number)
        started = pod.main is not None and not pod.finished
        if not self.stage.world.nodes.reach(pod) or pod.uid in self.stage.rules.shapes:
            return  # nobody hears of it, or its worker has ended
        if not pod.live or (started and shape in STARTING) or (not started and shape not in ("running", *STARTING)):
            return
        if pod.deleting and shape not in ENDED_BY_SIGTERM:
            return
        self.do(lambda: self.stage.world.show(pod, shape))

    @precondition(lambda self: self.stage.rules.pods)
    @rule(number=numbers, how=st.sampled_from(["removed", "deleted", "evicted", *LABELLING]))
    def end(self, number: int, how: str) -> None:
        """Somebody ends a pod, takes its label away, or puts it back."""
        pod, world = self._pod(number), self.stage.world
        if how in LABELLING:
            if how != "labelled again":
                self.do(lambda: world.take_label(pod))
            if how == "unlabelled for a moment":
                self.wait(1.0)
            if how != "unlabelled":
                self.do(lambda: world.put_label_back(pod))
        elif how == "removed" or not pod.live:
            self.do(lambda: world.remove(pod))
        else:
            self.do(lambda: (world.evict if how == "evicted" else world.delete_pod)(pod))

    @rule(name=st.sampled_from(NODES), what=st.sampled_from(["falls silent", "is tainted", "is deleted", "is back"]))
    def node(self, name: str, what: str) -> None:
        """A node stops answering; what becomes of its pods, and of the node, comes later."""
        nodes = self.stage.world.nodes
        if not nodes.silent:
            self.do(lambda: nodes.fall_silent(name))
        elif what == "is tainted":
            self.do(nodes.taint)
        elif what == "is deleted":
            self.do(nodes.delete)
        elif what == "is back":
            self.do(nodes.answer_again)

    @rule()
    def collect_garbage(self) -> None:
        """The garbage collector comes by."""
        self.do(self.stage.world.collect_garbage)

    def _want(self, job: Job, wish: str) -> None:
        world = self.stage.world
        if wish in ("delete", "make anew"):
            world.delete_job(job.name, job.namespace)
            if wish == "make anew":
                world.submit(job.name, job.namespace)
        elif isinstance(job, ValidJob):
            world.wish(job.name, job.namespace, **WISHES.get(wish, {"priority": job.spec.priority + 1}))

    def _about(self, request: Request) -> tuple[Job | None, Pod | None]:
        """The job and the pod that a request is about; of a list, or where there is none, the first that there are."""
        rules, name = self.stage.rules, request.name or (request.body or {}).get("metadata", {}).get("name", "")
        pods = sorted(rules.pods.values(), key=lambda pod: (pod.name != name, pod.name))
        named = [job for job in rules.jobs.values() if name and (name == job.name or name.startswith(f"{job.name}-"))]
        jobs = named or sorted(rules.jobs.values(), key=lambda job: job.name)
        return next(iter(jobs), None), next(iter(pods), None)

    def _pod(self, number: int) -> Pod:
        pods = sorted(self.stage.rules.pods.values(), key=lambda pod: pod.name)
        return pods[number % len(pods)]
