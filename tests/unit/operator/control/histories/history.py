"""One history: a world, operators and their misfortunes, from one seed; then calm, in which every job must end."""

import asyncio
from dataclasses import dataclass
from random import Random
from unittest.mock import patch

from harness import virtual_time
from harness.api.memory_cluster import Heard
from harness.api.store import ApiStore
from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from spectrogram_operator.core.policy import Policy
from spectrogram_operator.core.status import is_over
from unit.operator.control.histories.chances import Chances
from unit.operator.control.rules.process import STUCK, Listener, OperatorProcess, heard_logs
from unit.operator.control.rules.rules import Rules
from unit.operator.control.rules.story import Story
from unit.operator.control.world.world import World

POLICY = Policy(hard_seconds=600, soft_seconds=500, poll_seconds=60.0)
PODS_ON_A_PAGE = 2


@dataclass(frozen=True)
class Setting:
    """What kind of history: how many operators and jobs, how hostile a world, and for how many moments."""

    name: str
    operators: int = 1
    jobs: int = 3
    kills: float = 0.0
    faults: float = 0.0
    slow: float = 0.0
    mishap: float = 0.0
    late: float = 0.0
    lag: float = 0.0
    sweep_seconds: float = 120.0
    moments: int = 30


def play(setting: Setting, seed: int) -> list[str]:
    """Every line of the history of this seed. Raises ViolationError with its story where a rule is broken."""

    async def story() -> list[str]:
        return await _History(setting, seed).play()

    with patch.object(kubernetes_cluster, "LIST_PAGE", PODS_ON_A_PAGE):
        return virtual_time.run(story())


class _History:
    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._random = random = Random(f"{setting.name} {seed}")
        self._story = Story(f"{setting.name}, seed {seed}")
        self._store = ApiStore(now=virtual_time.now)
        late = setting.slow > 0
        self._rules = Rules(self._store, POLICY, self._story, setting.operators, late_creations=late)
        self._world = World(self._store, self._rules, self._story, random)
        self._chances = Chances(
            random,
            kills=setting.kills,
            faults=setting.faults,
            slow=setting.slow,
            mishaps=("lost", "twice", "relist"),
            mishap=setting.mishap,
            late=setting.late,
            lag=setting.lag,
        )

    async def play(self) -> list[str]:
        random, world = self._random, self._world
        for number in range(self._setting.jobs):
            retry = {"limit": random.randint(0, 3), "zombies": random.choice(["Fail", "Retry"])}
            world.submit(f"job-{number}", retry=retry, priority=random.randint(0, 2))
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self._rules.fail(str(context)))
        with heard_logs(Listener(self._story, self._rules.fail)):
            async with asyncio.TaskGroup() as group:
                lives = [group.create_task(self._operator(f"operator-{n + 1}")) for n in range(self._setting.operators)]
                try:
                    await self._script()
                finally:
                    for life in lives:
                        life.cancel()
        self._rules.check()
        return self._story.lines

    async def _operator(self, name: str) -> None:
        process = OperatorProcess(
            name,
            self._store,
            POLICY,
            self._story,
            sweep_seconds=self._setting.sweep_seconds,
            decide=lambda request: STUCK if self._rules.broken else self._chances.fate(request),
            tell=self._heard,
            weather=self._chances.weather(),
            workers=self._world.answer_progress,
        )
        await process.live(lambda: self._random.choice((0.5, 5.0, 40.0)))

    def _heard(self, process: OperatorProcess, heard: Heard) -> None:
        self._story.hear(process.name, heard)
        self._rules.heard(process, heard)

    async def _script(self) -> None:
        random = self._random
        for _ in range(self._setting.moments):
            await asyncio.sleep(random.choice([0.3, 1.0, 5.0, 11.0, 30.0, 200.0]))
            self._world.step(calm=False)
            self._rules.check()
        self._chances.calm = True
        self._story.tell("the world", "is calm from now on")
        self._world.resume_all()
        for _ in range(400):
            await asyncio.sleep(random.choice([5.0, 11.0, 30.0, 60.0]))
            self._rules.check()
            if self._all_over():
                return
            self._world.step(calm=True)
        left = [f"{job.name} {job.status.phase} {job.status.reason}" for job in self._rules.jobs.values()]
        self._rules.fail(f"calm, and not everything ends: {left}, {[pod.name for pod in self._rules.live_pods]}")

    def _all_over(self) -> bool:
        """True once every job has ended and nothing runs."""
        return all(is_over(job.status) for job in self._rules.jobs.values()) and not self._rules.live_pods
