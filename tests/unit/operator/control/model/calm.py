"""What must come true once nobody disturbs any more: every job ends, no slot is lost, and then it is quiet."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from harness import virtual_time
from harness.api.routes import Request
from harness.api.store import PODS
from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.names import LABEL_JOB_UID, PLURAL
from spectrogram_operator.api.spec import QueueName
from spectrogram_operator.api.status import AttemptState
from spectrogram_operator.core.building.sizing import current_queue
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.status import active_attempt, is_over
from unit.operator.control.histories.scene import Scene
from unit.operator.control.rules.process import OperatorProcess
from unit.operator.control.world.world import NAMESPACE

NOTHING, QUIET, SLOTS = "nothing", "quiet", "slots"
MOST_SECONDS = 3 * 3600
"""Within this time all ends: an event of a job that was lost is made up for by the next list of jobs."""
MOST_SECONDS_OF_WAITING = 300.0
"""With something to do: a sweep, a lease that changes hands, an operator that was down."""
SWEEP_SECONDS = 60.0
SWEEPS_BETWEEN_LISTS = 3
"""An operator has 30: of the hour that it waits for the next list of jobs nothing is learnt but patience."""
UNTIL_JOBS_ARE_LISTED = SWEEP_SECONDS * SWEEPS_BETWEEN_LISTS
"""More where an event of a job was lost."""
STEP_SECONDS = 10.0
SECONDS_OF_SILENCE = 1800.0
"""A node that does not answer for so long is deleted: until then operators give its pods up by themselves."""
SECONDS_TO_TAKE_OVER = 130.0
"""For who has just started, or was cut off: the longest lease and more."""
SECONDS_OF_QUIET = 70.0
"""One sweep at least."""
SECONDS_TO_START = 30.0
"""Of what an event tells, where nothing is lost and nobody dies: half a sweep, so that no sweep makes up for it."""
SECONDS_TO_TRY_AGAIN = 45.0
"""The first wait, at its longest, and more."""
SECONDS_TO_GO = 120.0
"""Beyond the time that a job was to be kept."""


@dataclass
class Calm:
    """The end of a life. `check` raises where a rule was broken meanwhile."""

    stage: Scene
    operators: Collection[OperatorProcess]
    asks_for: str
    """What is looked at once all is over: QUIET or SLOTS; where NOTHING is, the life ends when nothing is to do."""
    _waiting_since: dict[tuple[str, str], float] = field(default_factory=dict)

    async def play(self) -> None:
        """What is to do is done; then everything ends, and it is quiet, or the slots are tried."""
        self._begin()
        await asyncio.sleep(STEP_SECONDS)  # what is under way comes
        await self._until_nothing_is_to_do(SECONDS_TO_TAKE_OVER if self.stage.closed else 0.0)
        if self.asks_for == NOTHING:
            return
        self.stage.closed = None  # everything can be listed from now on
        self.stage.world.resume_all()
        await self._until_all_is_over()
        if self.asks_for == QUIET:
            await self._quiet()
            await self._go()
        else:
            await self._everybody_is_there()
            await self._try_slots()
            await self._until_all_is_over()

    def _begin(self) -> None:
        stage = self.stage
        stage.misfortunes.clear()
        stage.mishaps.clear()
        stage.lags.clear()
        stage.silences.clear()
        stage.cut_off.clear()
        stage.habits.clear()
        stage.story.tell("the world", "is calm from now on")
        for uid in sorted(stage.rules.unreadable):
            self.stage.world.rewrite(stage.rules.jobs[uid], "mended")

    async def _until_nothing_is_to_do(self, at_least: float) -> None:
        """Beside jobs that are suspended, and beside a namespace that cannot be listed, everything goes on."""
        loop = asyncio.get_running_loop()
        least = loop.time() + at_least
        self._check_waiting()
        while self._waiting_since or loop.time() < least:
            await asyncio.sleep(STEP_SECONDS)
            self.stage.rules.check()
            self.stage.world.step(calm=True)
            self._check_waiting()
        self.stage.rules.check()
        self._waiting_since.clear()

    async def _until_all_is_over(self) -> None:
        stage, loop = self.stage, asyncio.get_running_loop()
        end = loop.time() + MOST_SECONDS
        while not self._all_over() and loop.time() < end:
            await asyncio.sleep(STEP_SECONDS)
            stage.rules.knowledge.check()
            stage.rules.check()
            self._check_waiting()
            self._tidy_up(end - loop.time())
            stage.world.step(calm=True)
        stage.rules.check()
        if not self._all_over():
            left = [f"{job.name} {job.status.phase} {job.status.reason}" for job in stage.rules.jobs.values()]
            stage.rules.fail(f"calm, and not everything ends: {left}, {[pod.name for pod in stage.rules.live_pods]}")
        stage.rules.check()

    def _tidy_up(self, seconds_left: float) -> None:
        """What Kubernetes does in the end, and people who look after their nodes."""
        world = self.stage.world
        for namespace in sorted(world.namespaces.ending):
            for plural in (PLURAL, PODS):
                world.namespaces.empty(namespace, plural)
        if world.nodes.silent and seconds_left < MOST_SECONDS - SECONDS_OF_SILENCE:
            self._check_given_up()
            world.nodes.delete()

    def _check_given_up(self) -> None:
        """By now no job waits for a pod on a node that does not answer."""
        rules = self.stage.rules
        for pod in rules.live_pods:
            waited_for = pod.owner_uid in rules.jobs and not rules.is_judged(pod)
            if waited_for and not self.stage.world.nodes.reach(pod):
                rules.fail(f"{pod.name} is not given up, although its node is silent")

    def _all_over(self) -> bool:
        rules, namespaces = self.stage.rules, self.stage.world.namespaces
        ended = all(is_over(job.status) for job in rules.jobs.values())
        return ended and not self._pods() and not namespaces.ending

    def _pods(self) -> list[Pod]:
        """Every pod that lives and that a watch can tell of: also those whose label is back."""
        rules, store = self.stage.rules, self.stage.store
        return [
            pod
            for pod in rules.pods.values()
            if pod.live
            and (
                pod.uid not in rules.hidden
                or LABEL_JOB_UID in store.get(PODS, pod.namespace, pod.name)["metadata"]["labels"]
            )
        ]

    def _check_waiting(self) -> None:
        """What there is to do is done within a bound: no slot is held by nobody, and no end is overlooked."""
        now, patience = asyncio.get_running_loop().time(), self._patience()
        found = [(job.name, why) for job in self.stage.rules.jobs.values() if (why := self._to_do(job))]
        self._waiting_since = {one: self._waiting_since.get(one, now) for one in found}
        for (name, why), since in self._waiting_since.items():
            if now - since > patience:
                self.stage.rules.fail(f"{name} waits for {now - since:.0f} s, {why}")

    def _to_do(self, job: Job) -> str:
        """Why something should happen to this job; empty where nothing should."""
        closed = self.stage.closed is not None and job.namespace in self.stage.closed
        if closed or not self.stage.world.namespaces.exists(job.namespace):
            return ""
        if self._waits(job) and self._is_free(job):
            return "and a slot is free"
        if self._strays(job):
            return "and a pod of it lives on that nobody needs"
        attempt = active_attempt(job.status)
        pod = self.stage.rules.pods.get(attempt.pod_uid or "") if attempt is not None else None
        ended = attempt is not None and attempt.pod_uid and (pod is None or not pod.live)
        return f"and the pod of its attempt {job.status.attempt} has ended" if ended else ""

    def _strays(self, job: Job) -> bool:
        """Whether a pod of the job lives, of an attempt that is over, and nobody has asked for its end."""
        over = {one.pod_name for one in job.status.attempts if one.state is AttemptState.FINISHED}
        own = (pod for pod in self.stage.rules.live_pods if pod.owner_uid == job.uid and not pod.deleting)
        return any(is_over(job.status) or pod.name in over for pod in own)

    def _patience(self) -> float:
        return MOST_SECONDS_OF_WAITING + (UNTIL_JOBS_ARE_LISTED if self.stage.deaf else 0.0)

    def _waits(self, job: Job) -> bool:
        if not isinstance(job, ValidJob) or job.deleting or job.spec.suspend or job.spec.cancelled:
            return False
        status = job.status
        later = status.next_attempt_at is not None and status.next_attempt_at > virtual_time.now()
        later = later or any(pod.owner_uid == job.uid for pod in self.stage.rules.live_pods)
        return not later and not is_over(status) and active_attempt(status) is None

    def _is_free(self, waiting: ValidJob | Job) -> bool:
        """Whether a slot of its queue is neither a pod's nor promised to an attempt."""
        assert isinstance(waiting, ValidJob)
        rules, policy = self.stage.rules, self.stage.policy
        queue = current_queue(waiting.spec, waiting.status, policy)
        owners = {pod.owner_uid for pod in self._pods() if pod.queue == queue}
        for job in rules.jobs.values():
            attempt = active_attempt(job.status)
            if attempt is not None and attempt.pool == queue:
                owners.add(job.uid)
        return len(owners) < policy.pools[queue].max_concurrent

    async def _quiet(self) -> None:
        """Of jobs that are over nothing is written, once lists have told who is gone."""
        stage = self.stage
        await self._everybody_lives()
        await asyncio.sleep(SECONDS_OF_QUIET)
        before = len(stage.requests)
        await asyncio.sleep(SECONDS_OF_QUIET)
        asked = [request for _, request in stage.requests[before:] if _is_news(request)]
        if asked and not stage.deaf:
            stage.rules.fail(f"everything is over, and {len(asked)} requests follow: {asked[0].method} {asked[0].path}")
        stage.rules.check()

    async def _go(self) -> None:
        """Jobs that are kept for a while go then."""
        stage = self.stage
        if stage.deaf or stage.rules.deletions_forbidden:
            return
        kept = [job for job in stage.rules.jobs.values() if is_over(job.status) and _ttl(job) < SECONDS_TO_GO]
        if kept:
            await asyncio.sleep(2 * SECONDS_TO_GO)
        stage.rules.check()
        for job in kept:
            if job.uid in stage.rules.jobs:
                stage.rules.fail(f"{job.name} was to go {_ttl(job)} s after its end, and is still there")
        stage.rules.check()

    async def _everybody_lives(self) -> None:
        """Who died has started again, unless it is gone for good."""
        while any(process.died.is_set() and not process.gone for process in self.operators):
            await asyncio.sleep(STEP_SECONDS)

    async def _everybody_is_there(self) -> None:
        """Whoever is to act has its lease, and has heard of all jobs."""
        await self._everybody_lives()
        await asyncio.sleep(SECONDS_TO_TAKE_OVER + (UNTIL_JOBS_ARE_LISTED if self.stage.deaf else 0.0))

    async def _try_slots(self) -> None:
        """One job more than there are slots: all but it start at once, and it as soon as one of them has ended."""
        stage, world = self.stage, self.stage.world
        if NAMESPACE in world.namespaces.gone:
            world.namespaces.make_anew(NAMESPACE)
            world.furnish(NAMESPACE)
        queue = [queue for queue in QueueName if queue in stage.rules.queues][-1]  # of another no slot can be lost
        for number in range(stage.policy.pools[queue].max_concurrent + 1):
            world.submit(f"last-{number}", queue=str(queue), retry={"limit": 1})
        await asyncio.sleep(SECONDS_TO_START)
        self._check_started(waiting=1, why="although nothing runs: somebody who is gone has its slot")
        for _ in range(2):
            for pod in stage.rules.live_pods:
                world.show(pod, "running" if pod.phase == "Pending" else "succeeded")
            await asyncio.sleep(stage.latency / 2 or 1.0)  # while it is being written that they run
        await asyncio.sleep(SECONDS_TO_START)
        self._check_started(waiting=0, why="although a pod has ended")
        await self._try_again()

    async def _try_again(self) -> None:
        """Of pods that fail each is followed by the next when its time has come, though nothing else happens then."""
        stage, world = self.stage, self.stage.world
        for pod in stage.rules.live_pods:
            world.show(pod, "running")
        await asyncio.sleep(1.0)
        for pod in stage.rules.live_pods:
            world.show(pod, "exit-75-transient-error")
        await asyncio.sleep(1.0)
        due = [job for job in stage.rules.jobs.values() if job.status.next_attempt_at is not None]
        await asyncio.sleep(SECONDS_TO_TRY_AGAIN)
        stage.rules.check()
        for job in due:
            if stage.rules.jobs[job.uid].status.attempt == job.status.attempt:
                stage.rules.fail(f"the time has come when {job.name} was to be tried again, and it is not")
        stage.rules.check()

    def _check_started(self, *, waiting: int, why: str) -> None:
        """Of the last jobs only so many may wait."""
        stage = self.stage
        stage.rules.check()
        late = [
            job.name for job in stage.rules.jobs.values() if job.name.startswith("last-") and not job.status.attempt
        ]
        if len(late) > waiting:
            stage.rules.fail(f"{late[0]} does not start, {why}")
        stage.rules.check()


def _ttl(job: Job) -> float:
    """Seconds that the job is kept after its end."""
    return float(job.raw_spec.get("ttlSecondsAfterFinished", "inf"))


def _is_news(request: Request) -> bool:
    """Neither a look nor what follows from a job's own time to go."""
    return request.method in ("PUT", "POST") and request.plural != "leases"
