"""A life's frame: its operators begin, its time passes, its rules are looked at, and in the end it is calm."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from harness.api.store import PODS, ApiError
from harness.api.watching import Mishap
from harness.virtual_time import VirtualTimeLoop
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.control import service
from spectrogram_operator.control.cluster import kubernetes as kubernetes_cluster
from unit.operator.control.histories.scene import Kind, Misfortune, Scene, limited
from unit.operator.control.model.calm import SWEEP_SECONDS, SWEEPS_BETWEEN_LISTS, Calm
from unit.operator.control.model.choices import CASTS, Setting, pauses, settings
from unit.operator.control.rules.process import Listener, OperatorProcess, heard_logs

MOST_JOBS = 6


class Unmeasured:
    """Instead of metrics, whose making is a fifth of a life: no rule is about them."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Machine(RuleBasedStateMachine):
    """The cluster, its operators and its time; what happens is added by those who inherit."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = VirtualTimeLoop()
        self._context = ExitStack()
        self._lives: list[asyncio.Task[None]] = []
        self.processes: dict[str, OperatorProcess] = {}
        self.stage: Scene
        self.setting: Setting

    @initialize(setting=settings)
    def begin(self, setting: Setting) -> None:
        """The operators start, and find the first jobs."""
        self.setting = setting
        self._run(self._begin(setting))
        self.stage.habits += [self.habit(*one) for one in setting.overloaded or setting.habits]
        self.stage.world.random = Random(setting.seed)
        for namespace, spec in setting.first:
            self.submit_job(namespace, spec)

    def habit(self, kind: Kind, what: str) -> Misfortune:
        """What befalls requests of this kind all the time."""
        raise NotImplementedError

    async def _begin(self, setting: Setting) -> None:
        cast = CASTS[setting.cast]
        self.stage = stage = Scene(
            f"{setting.cast}; each request takes {setting.latency} s",
            cast.acting,
            cast.alone,
            limited(setting.slots),
            sweep_seconds=SWEEP_SECONDS,
            lease_seconds=setting.lease_seconds,
            late_creations=True,
            chance=Random(setting.seed),
            latency=setting.latency,
            # Of a job that another operator serves nothing but a list of jobs says that it is gone.
            deaf=len({part.namespaces for part in cast.parts}) > 1,
            closed=("operator-1", "sonar") if setting.closed and "sonar" in cast.parts[0].namespaces else None,
        )
        self._context.enter_context(patch.object(kubernetes_cluster, "LIST_PAGE", setting.page))
        self._context.enter_context(patch.object(service, "SWEEPS_BETWEEN_LISTS", SWEEPS_BETWEEN_LISTS))
        self._context.enter_context(patch.object(service, "Metrics", Unmeasured))
        self._context.enter_context(heard_logs(Listener(stage.story, stage.rules.fail)))
        self._loop.set_exception_handler(lambda _, context: stage.rules.fail(str(context)))
        for number, part in enumerate(cast.parts):
            process = stage.prepare(f"operator-{number + 1}", identity=part.identity, namespaces=part.namespaces)
            self.processes[process.name] = process
            self._lives.append(asyncio.create_task(process.live(lambda: stage.pause)))
            await asyncio.sleep(0.1)
        for plural, seconds in zip((PLURAL, PODS), setting.lags, strict=True):
            stage.lags[process.name, plural] = seconds

    @rule(seconds=pauses)
    def wait(self, seconds: float) -> None:
        """Nobody does anything for a while."""
        self._run(asyncio.sleep(seconds))

    @rule(seed=st.integers(0, 99), seconds=st.sampled_from([0.3, 2.0, 11.0, 30.0]), moments=st.integers(1, 5))
    def work(self, seed: int, seconds: float, moments: int) -> None:
        """Kubelets do their work, moment by moment: pods start, run and end, in whatever way."""
        self.stage.world.random = Random(seed)
        self._run(self._work(seconds, moments))

    async def _work(self, seconds: float, moments: int) -> None:
        for _ in range(moments):
            await asyncio.sleep(seconds)
            with suppress(ApiError):
                self.stage.world.play_pods(calm=False)

    @invariant()
    def nothing_is_broken(self) -> None:
        """See rules.py. Between two steps kubelets do their work, where there is time enough."""
        if self._lives:
            self._run(self._pass())
            self.stage.rules.check()

    async def _pass(self) -> None:
        await (self._work(self.setting.pace, 1) if self.setting.pace >= 1 else asyncio.sleep(self.setting.pace))
        self.stage.rules.knowledge.check()

    def teardown(self) -> None:
        """Calm, in which everything ends."""
        try:
            if self._lives:
                self._run(Calm(self.stage, self.processes.values(), self.setting.asks_for).play())
        finally:
            self._run(self._close())
            self._context.close()
            self._loop.close()

    def now(self) -> float:
        """Seconds since the life began."""
        return self._loop.time()

    def submit_job(self, namespace: str, spec: dict[str, Any]) -> None:
        """A person submits a job under the first name that is free."""
        taken = {job.name for job in self.stage.rules.jobs.values()}
        name = next(name for name in (f"job-{number}" for number in range(MOST_JOBS + 1)) if name not in taken)
        self.do(lambda: self.stage.world.submit(name, namespace, **spec))

    def operator(self, number: int) -> str:
        """The name of one of the operators."""
        return sorted(self.processes)[number % len(self.processes)]

    def can_do_without(self, process: OperatorProcess) -> bool:
        """Whether another, that stays, serves whatever this operator does."""
        own = set(process.settings.namespaces)
        stay = [other for other in self.processes.values() if other is not process and not other.gone]
        served = [set(other.settings.namespaces) for other in stay]
        return any(not others or (own and own <= others) for others in served)

    def kind(self, number: int) -> Kind:
        """One of the kinds of requests that something befalls in this life."""
        return self.setting.kinds[number % len(self.setting.kinds)]

    def mislead_all(self, mishap: Mishap) -> None:
        """What befalls the next event of a job, for every operator."""
        if mishap:
            self.stage.mishaps += [(operator, PLURAL, mishap) for operator in self.processes]
            self.tell("the next event of a job", f"is told as this: {mishap}")

    def do(self, action: Callable[[], Any]) -> None:
        """One thing that somebody does; the operators hear of it in their own time."""

        async def done() -> None:
            with suppress(ApiError):  # what it is done to is gone by now
                action()

        self._run(done())

    def tell(self, who: str, what: str) -> None:
        """One line of the story."""
        self.do(lambda: self.stage.story.tell(who, what))

    async def _close(self) -> None:
        for ended in (self._lives, asyncio.all_tasks() - {asyncio.current_task()}):  # at last what is still under way
            for one in ended:
                one.cancel()
            await asyncio.gather(*ended, return_exceptions=True)

    def _run(self, story: Coroutine[Any, Any, None]) -> None:
        self._loop.run_until_complete(story)
