"""A stage for one scene: the world, operators that start when told, and misfortunes written down one by one."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from harness import virtual_time
from harness.api.memory_cluster import CONNECTION_LOST, Fate, Heard
from harness.api.routes import Request
from harness.api.store import PODS, ApiStore
from harness.api.watching import Mishap, Weather
from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.policy import Policy
from unit.operator.control.histories.history import POLICY
from unit.operator.control.rules.process import NEVER, SETTINGS, STUCK, Listener, OperatorProcess, heard_logs
from unit.operator.control.rules.rules import Rules
from unit.operator.control.rules.story import Story
from unit.operator.control.world.world import World

Kind = tuple[str, str, bool]
"""Of requests: method, resource, and whether it is about one object."""


@dataclass
class Misfortune:
    """The fate of the next `times` requests of this method and resource, by this operator (empty: any).

    `of_one`: those for one object by its name; False: those for a list; None: both. `until`: a second of the loop, from
    which on they are spared.
    """

    method: str
    plural: str
    fate: Fate
    times: int = 1
    operator: str = ""
    of_one: bool | None = None
    until: float = float("inf")
    skip: int = 0
    """How many of them pass before the first that it befalls."""
    share: float = 1.0
    """So many of them it befalls."""
    meanwhile: Callable[[Request], None] | None = None
    """What somebody does while it is under way."""


@dataclass
class Scene:
    """The cast. `lags`: by operator and resource, the seconds until its watch hears of something. `requests`: all that
    were made but those about leases.
    """

    title: str
    operators: int = 1
    alone: tuple[str, ...] = ()
    policy: Policy = POLICY
    sweep_seconds: float = NEVER
    lease_seconds: int = SETTINGS.lease_seconds
    late_creations: bool = False
    misfortunes: list[Misfortune] = field(default_factory=list)
    lags: dict[tuple[str, str], float] = field(default_factory=dict)
    silences: dict[tuple[str, str], float] = field(default_factory=dict)
    """By operator and resource: for how many seconds its watch hears nothing, from the next event on."""
    mishaps: list[tuple[str, str, Mishap]] = field(default_factory=list)
    """What befalls the next event of a resource that an operator hears."""
    deaf: bool = False
    """True once an event of a job was lost: until jobs are listed again nobody may know of it."""
    clocks: dict[str, float] = field(default_factory=dict)
    """By operator, by how many seconds its clock is ahead."""
    cut_off: dict[str, tuple[float, int]] = field(default_factory=dict)
    """By operator, until when none of its requests gets through, and what it hears instead."""
    closed: tuple[str, str] | None = None
    """An operator that may not list what is in this namespace."""
    habits: list[Misfortune] = field(default_factory=list)
    """What befalls requests that are spared by misfortunes."""
    chance: Random = field(default_factory=lambda: Random(0))
    latency: float = 0.0
    """Seconds that every request takes, unless something befalls it: half of them before it takes effect."""
    pause: float = 0.5
    """Seconds until an operator that died starts again, where it does so by itself."""
    requests: list[tuple[str, Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.story = Story(self.title)
        self.store = ApiStore(now=virtual_time.now)
        self.rules = Rules(
            self.store, self.policy, self.story, self.operators, self.alone, late_creations=self.late_creations
        )
        self.world = World(self.store, self.rules, self.story, Random(0))
        self.started: list[OperatorProcess] = []

    async def start(
        self, name: str = "operator-1", *, identity: str = "everybody", policy: Policy | None = None
    ) -> OperatorProcess:
        """This operator's process begins."""
        process = self.prepare(name, identity=identity, policy=policy)
        await process.start()
        self.started.append(process)
        return process

    def prepare(
        self,
        name: str,
        *,
        identity: str = "everybody",
        namespaces: tuple[str, ...] = (),
        policy: Policy | None = None,
    ) -> OperatorProcess:
        """This operator, not started yet. By default it has the leases that every other has, and acts."""
        process = OperatorProcess(
            name,
            self.store,
            policy or self.policy,
            self.story,
            identity=identity,
            namespaces=namespaces,
            sweep_seconds=self.sweep_seconds,
            lease_seconds=self.lease_seconds,
            decide=lambda request: self._fate(process, request),
            tell=self._heard,
            stopped=self.rules.of_requests.stopped,
            weather=Weather(
                lambda plural: self.lags.get((name, plural), 0.0),
                partial(self._mishap, name),
                lambda plural: self.silences.pop((name, plural), 0.0),
            ),
            clock=lambda: virtual_time.now() + timedelta(seconds=self.clocks.get(name, 0.0)),
        )
        return process

    async def end(self, process: OperatorProcess) -> None:
        """This operator's process is gone."""
        self.started.remove(process)
        await process.end()

    async def stop(self, process: OperatorProcess) -> None:
        """This operator's process is told to end."""
        self.started.remove(process)
        await process.stop()

    def job(self, name: str = "fm-band") -> Job:
        """The job as it is."""
        return next(job for job in self.rules.jobs.values() if job.name == name)

    def pods(self, name: str = "fm-band") -> list[Pod]:
        """The job's pods as they are, the oldest attempt first."""
        owned = [pod for pod in self.rules.pods.values() if pod.owner_uid == self.job(name).uid]
        return sorted(owned, key=lambda pod: pod.name)

    def _fate(self, process: OperatorProcess, request: Request) -> Fate:
        if self.rules.broken:
            return STUCK
        self.rules.of_requests.sent(process, request)
        if request.plural != "leases":
            self.requests.append((process.name, request))
        now = asyncio.get_running_loop().time()
        until, error = self.cut_off.get(process.name, (0.0, CONNECTION_LOST))
        if now < until:
            return Fate(0.05, error=error, stored=False)
        if (process.name, request.namespace) == self.closed and _lists(request):
            return Fate(self.latency / 2, self.latency / 2, error=403, stored=False)
        for one in (*self.misfortunes, *self.habits):
            concerns = (one.method, one.plural) == (request.method, request.plural)
            concerns = concerns and one.of_one in (None, bool(request.name))
            concerns = concerns and not (one.fate.stale and self.rules.of_requests.was_told_stale(process, request))
            if concerns and one.operator in ("", process.name) and one.times > 0 and now < one.until:
                if one.share < 1 and self.chance.random() > one.share:
                    continue
                if one.skip > 0:
                    one.skip -= 1
                    continue
                one.times -= 1
                if one.meanwhile is not None:
                    one.meanwhile(request)
                return one.fate
        return Fate(self.latency / 2, self.latency / 2)

    def _mishap(self, operator: str, resource: str) -> Mishap:
        for index, (of, plural, mishap) in enumerate(self.mishaps):
            if (of, plural) == (operator, resource):
                del self.mishaps[index]
                self.deaf = self.deaf or (plural == PLURAL and mishap == "lost")
                return mishap
        return ""

    def _heard(self, process: OperatorProcess, heard: Heard) -> None:
        self.story.hear(process.name, heard)
        self.rules.heard(process, heard)


def _lists(request: Request) -> bool:
    return request.method == "GET" and not request.name and request.plural in (PLURAL, PODS)


Script = Callable[[Scene], Coroutine[Any, Any, None]]


def scene(**cast: Any) -> Callable[[Script], Callable[[], None]]:
    """A test that is a scene: it plays in virtual time, and raises ViolationError where it breaks a rule."""

    def decorate(script: Script) -> Callable[[], None]:
        async def play() -> None:
            stage = Scene(script.__name__, **cast)
            with heard_logs(Listener(stage.story, stage.rules.fail)):
                try:
                    await script(stage)
                finally:
                    for process in list(stage.started):
                        await stage.end(process)
            stage.rules.check()

        def test() -> None:
            virtual_time.run(play())

        test.__name__, test.__doc__, test.__module__ = script.__name__, script.__doc__, script.__module__
        return test

    return decorate


def limited(limit: int) -> Policy:
    """The usual policy with this many pods of each queue at once."""
    return replace(POLICY, pools={name: replace(pool, max_concurrent=limit) for name, pool in POLICY.pools.items()})
