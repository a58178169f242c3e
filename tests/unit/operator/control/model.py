"""Lives of jobs that hypothesis chooses step by step, under the real service: what `make model` plays ten thousand of.

Whatever happens, the rules of rules.py hold at every version; and once nobody disturbs any more, every job ends. A life
that breaks a rule is shortened by hypothesis, and told as the story of its last steps.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.api_store import PODS, ApiError
from harness.memory_cluster import CONNECTION_LOST, Fate
from harness.virtual_time import VirtualTimeLoop
from harness.watching import Mishap
from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.names import LABEL_JOB_UID, PLURAL
from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.status import is_over
from unit.operator.control.calm import Calm
from unit.operator.control.chances import QUOTA
from unit.operator.control.choices import CASTS, WISHES, namespaces, numbers, operators, pauses, requests
from unit.operator.control.history import PODS_ON_A_PAGE
from unit.operator.control.nodes import NODES
from unit.operator.control.process import Listener, OperatorProcess, heard_logs
from unit.operator.control.scene import Misfortune, Scene, limited
from unit.operator.control.versions import REWRITES
from unit.operator.control.world import ENDED_BY_SIGTERM, MISFORTUNES, STARTING, SUCCESSES

MOST_JOBS = 4


class Life(RuleBasedStateMachine):
    """The cluster, its operators, and everybody who does something to them."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = VirtualTimeLoop()
        self._context = ExitStack()
        self._lives: list[asyncio.Task[None]] = []
        self._processes: dict[str, OperatorProcess] = {}
        self._stage: Scene

    @initialize(cast=st.sampled_from(sorted(CASTS)), slots=st.integers(1, 2))
    def begin(self, cast: str, slots: int) -> None:
        """The operators start."""
        acting = 2 if cast == "two that both act" else 1
        self._run(self._begin(cast, acting, slots))

    async def _begin(self, cast: str, acting: int, slots: int) -> None:
        self._stage = stage = Scene(
            cast, acting, limited(slots), sweep_seconds=120.0, lease_seconds=60, late_creations=True
        )
        self._context.enter_context(patch.object(kubernetes_cluster, "LIST_PAGE", PODS_ON_A_PAGE))
        self._context.enter_context(heard_logs(Listener(stage.story, stage.rules.fail)))
        self._loop.set_exception_handler(lambda _, context: stage.rules.fail(str(context)))
        stage.rules.of_requests.one_acts = len(CASTS[cast]) > acting
        for number, identity in enumerate(CASTS[cast]):
            process = stage.prepare(f"operator-{number + 1}", identity=identity)
            self._processes[process.name] = process
            self._lives.append(asyncio.create_task(process.live(lambda: stage.pause)))
        await asyncio.sleep(0.1)

    # Time

    @rule(seconds=pauses)
    def wait(self, seconds: float) -> None:
        """Nobody does anything for a while."""
        self._run(asyncio.sleep(seconds))

    # People

    @precondition(lambda self: len(self._stage.rules.jobs) < MOST_JOBS)
    @rule(
        limit=st.integers(0, 3),
        zombies=st.sampled_from(["Fail", "Retry"]),
        priority=st.integers(0, 2),
        ttl=st.sampled_from([None, None, 0, 60]),
        queue=st.sampled_from(["auto", "auto", "large_jobs"]),
        namespace=namespaces,
    )
    def submit(self, limit: int, zombies: str, priority: int, ttl: int | None, queue: str, namespace: str) -> None:
        """A person submits a job under the first name that is free."""
        taken = {job.name for job in self._stage.rules.jobs.values()}
        name = next(name for name in (f"job-{number}" for number in range(MOST_JOBS)) if name not in taken)
        spec: dict[str, Any] = {"retry": {"limit": limit, "zombies": zombies}, "priority": priority, "queue": queue}
        spec |= {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
        self._do(lambda: self._stage.world.submit(name, namespace, **spec))

    @precondition(lambda self: self._stage.rules.jobs)
    @rule(number=numbers, wish=st.sampled_from([*WISHES, "prefer", "delete", "make anew"]))
    def change(self, number: int, wish: str) -> None:
        """A person wants something of a job."""
        jobs = sorted(self._stage.rules.jobs.values(), key=lambda job: job.name)
        job, world = jobs[number % len(jobs)], self._stage.world
        if wish in ("delete", "make anew"):
            self._do(lambda: world.delete_job(job.name, job.namespace))
            if wish == "make anew":
                self._do(lambda: world.submit(job.name, job.namespace))
        elif isinstance(job, ValidJob):
            self._do(
                lambda: world.wish(job.name, job.namespace, **WISHES.get(wish, {"priority": job.spec.priority + 1}))
            )

    @rule(namespace=namespaces, what=st.sampled_from(["delete", PLURAL, PODS, PODS, "make anew"]))
    def end_namespace(self, namespace: str, what: str) -> None:
        """A namespace is deleted, emptied kind by kind, and made anew."""
        world, found = self._stage.world, self._stage.world.namespaces
        if what == "delete" and found.exists(namespace):
            self._do(lambda: found.delete(namespace))
        elif what == "make anew" and namespace in found.gone:
            self._do(lambda: found.make_anew(namespace))
            self._do(lambda: world.furnish(namespace))
        elif namespace in found.ending:
            self._do(lambda: found.empty(namespace, what if what in (PLURAL, PODS) else PODS))

    # Nodes

    @precondition(lambda self: self._stage.rules.pods)
    @rule(number=numbers, shape=st.sampled_from([*SUCCESSES, *MISFORTUNES, *STARTING, "running", "running", "running"]))
    def show(self, number: int, shape: str) -> None:
        """A kubelet says how a pod is."""
        pod = self._pod(number)
        started = pod.main is not None and not pod.finished
        if not self._stage.world.nodes.reach(pod):
            return
        if not pod.live or (started and shape in STARTING) or (not started and shape not in ("running", *STARTING)):
            return
        if pod.deleting and shape not in ENDED_BY_SIGTERM:
            return
        self._do(lambda: self._stage.world.show(pod, shape))

    @precondition(lambda self: self._stage.rules.pods)
    @rule(number=numbers, how=st.sampled_from(["removed", "deleted", "evicted", "unlabelled"]))
    def end(self, number: int, how: str) -> None:
        """Somebody ends a pod, or takes its label away."""
        pod, world = self._pod(number), self._stage.world
        if how == "unlabelled":
            self._do(lambda: self._unlabel(pod))
        elif how == "removed" or not pod.live:
            self._do(lambda: world.remove(pod))
        else:
            self._do(lambda: (world.evict if how == "evicted" else world.delete_pod)(pod))

    @rule(name=st.sampled_from(NODES), what=st.sampled_from(["falls silent", "is tainted", "is deleted", "is back"]))
    def node(self, name: str, what: str) -> None:
        """A node stops answering; what becomes of its pods, and of the node, comes later."""
        nodes = self._stage.world.nodes
        if not nodes.silent:
            self._do(lambda: nodes.fall_silent(name))
        elif what == "is tainted":
            self._do(nodes.taint)
        elif what == "is deleted":
            self._do(nodes.delete)
        elif what == "is back":
            self._do(nodes.answer_again)

    @rule()
    def collect_garbage(self) -> None:
        """The garbage collector comes by."""
        self._do(self._stage.world.collect_garbage)

    # The API server, the network, and the operators' own lives

    @rule(what=requests, error=st.sampled_from([CONNECTION_LOST, 403, 404, 409, 410, 422, 429, 500, 504]))
    def fail(self, what: tuple[str, str, bool], error: int) -> None:
        """The next request of this kind is refused, or its answer is lost."""
        if error in (409, 422) and what[:2] != ("PUT", PLURAL):
            return
        message = QUOTA if error == 403 else "an injected fault"
        self._befall(what, Fate(0.05, 0.05, error=error, message=message, stored=False))

    @rule(what=requests, error=st.sampled_from([CONNECTION_LOST, 504]))
    def lose_answer(self, what: tuple[str, str, bool], error: int) -> None:
        """The next request of this kind is done, and nobody hears so."""
        self._befall(what, Fate(0.05, 0.05, error=error))

    @rule(what=requests, before=st.sampled_from([0.0, 0.3, 8.0]), after=st.sampled_from([0.0, 0.3, 8.0]))
    def delay(self, what: tuple[str, str, bool], before: float, after: float) -> None:
        """The next request of this kind takes its time."""
        self._befall(what, Fate(before, after))

    @rule(what=requests, stored=st.booleans(), pause=st.sampled_from([0.5, 5.0, 40.0]))
    def kill(self, what: tuple[str, str, bool], stored: bool, pause: float) -> None:
        """The operator dies of the next request of this kind, before or after it was done."""
        self._stage.pause = pause
        self._befall(what, Fate(0.05, stored=stored, kill=True))

    @rule(operator=operators, how=st.sampled_from(["killed", "told to end"]), pause=st.sampled_from([0.5, 5.0, 40.0]))
    def stop(self, operator: str, how: str, pause: float) -> None:
        """The operator's process ends between two requests, and starts again."""
        process = self._processes.get(operator)
        if process is not None and not process.died.is_set():
            self._stage.pause = pause
            self._tell(operator, f"is {how}")
            process.told_to_end = how == "told to end"
            self._do(process.died.set)

    @rule(operator=operators, seconds=st.sampled_from([5.0, 50.0, 200.0]))
    def cut_off(self, operator: str, seconds: float) -> None:
        """None of the operator's requests gets through for a while; its watches may still tell it of everything."""
        self._stage.cut_off[operator] = self._loop.time() + seconds
        self._tell(operator, f"is cut off for {seconds:.0f} s")

    @rule(operator=operators, seconds=st.sampled_from([-7200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 7200.0]))
    def set_clock(self, operator: str, seconds: float) -> None:
        """The clock of the operator's node is off from now on."""
        stage = self._stage
        stage.clocks[operator] = seconds
        stage.rules.fastest_clock = max(stage.rules.fastest_clock, seconds)
        self._tell(operator, f"has a clock that is {seconds:+.0f} s ahead")

    @precondition(lambda self: self._stage.rules.jobs)
    @rule(number=numbers, version=st.sampled_from(sorted(REWRITES)))
    def rewrite(self, number: int, version: str) -> None:
        """An operator of another version was here, or somebody mends what it left."""
        jobs = sorted(self._stage.rules.jobs.values(), key=lambda job: job.name)
        job = jobs[number % len(jobs)]
        if not is_over(job.status) and (version == "mended") == (job.uid in self._stage.rules.unreadable):
            self._do(lambda: self._stage.world.rewrite(job, version))

    @rule(operator=operators, plural=st.sampled_from([PLURAL, PODS]), seconds=st.sampled_from([0.0, 5.0, 40.0]))
    def lag(self, operator: str, plural: str, seconds: float) -> None:
        """From now on a watch hears of everything that late."""
        self._stage.lags[operator, plural] = seconds

    @rule(operator=operators, mishap=st.sampled_from(["lost", "twice", "relist"]))
    def mislead(self, operator: str, mishap: Mishap) -> None:
        """The next event that this operator's watches hear is lost, or comes twice, or they begin anew."""
        self._stage.mishaps.append((operator, mishap))

    @rule()
    def compact(self) -> None:
        """The API server forgets the past: watches that are behind begin anew."""
        self._do(self._stage.store.compact)

    # What holds

    @invariant()
    def nothing_is_broken(self) -> None:
        """See rules.py."""
        if self._lives:
            self._stage.rules.check()

    def teardown(self) -> None:
        """Calm, in which everything ends."""
        try:
            if self._lives:
                self._run(Calm(self._stage).play())
        finally:
            self._run(self._close())
            self._context.close()
            self._loop.close()

    async def _close(self) -> None:
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    def _pod(self, number: int) -> Pod:
        pods = sorted(self._stage.rules.pods.values(), key=lambda pod: pod.name)
        return pods[number % len(pods)]

    def _unlabel(self, pod: Pod) -> None:
        stored = self._stage.store.get(PODS, pod.namespace, pod.name)
        labels = {name: value for name, value in stored["metadata"]["labels"].items() if name != LABEL_JOB_UID}
        self._stage.story.tell("a person", f"takes the label of {pod.name} away")
        self._stage.rules.hidden.add(pod.uid)
        self._stage.store.put(PODS, {**stored, "metadata": stored["metadata"] | {"labels": labels}})

    def _befall(self, what: tuple[str, str, bool], fate: Fate) -> None:
        method, plural, of_one = what
        self._stage.misfortunes.append(Misfortune(method, plural, fate, of_one=of_one))

    def _tell(self, who: str, what: str) -> None:
        self._do(lambda: self._stage.story.tell(who, what))

    def _do(self, action: Callable[[], Any]) -> None:
        """One thing that somebody does; the operators hear of it in their own time."""

        async def done() -> None:
            with suppress(ApiError):  # what it is done to is gone by now
                action()

        self._run(done())

    def _run(self, story: Coroutine[Any, Any, None]) -> None:
        self._loop.run_until_complete(story)
