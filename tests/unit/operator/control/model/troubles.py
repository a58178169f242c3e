"""What befalls the API server, the network, the watches and the operators themselves in a life."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from harness.api.memory_cluster import CONNECTION_LOST, Fate
from harness.api.store import PODS
from harness.api.watching import Mishap
from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.core.status import is_over
from unit.operator.control.histories.chances import QUOTA
from unit.operator.control.histories.scene import Kind, Misfortune
from unit.operator.control.model.choices import errors, lags, numbers, operators, periods, resources, skipped, times
from unit.operator.control.model.machine import Machine
from unit.operator.control.world.versions import REWRITES

ALL = 10**6
PAUSES = (0.5, 5.0, 40.0, 130.0)
"""Seconds until an operator that died starts again."""


class Troubles(Machine):
    """Each step is one of them."""

    @rule(kind=numbers, error=errors, skip=skipped, times=times)
    def fail(self, kind: int, error: int, skip: int, times: int) -> None:
        """Some of the next requests of this kind are refused, or their connections are lost."""
        if _is_possible(what := self.kind(kind), error):
            self._befall(what, _refused(error), skip=skip, times=times)

    @rule(skip=skipped, times=st.sampled_from([1, 1, ALL]), seconds=periods)
    def answer_stale(self, skip: int, times: int, seconds: float) -> None:
        """The API server is behind, once or for a while: it says that there is no such pod, as it was before."""
        fate = Fate(error=404, stored=False, stale=True)
        self._befall(("GET", PODS, True), fate, times=times, until=self.now() + seconds, skip=skip)

    @rule(kind=numbers, error=errors, seconds=periods)
    def refuse(self, kind: int, error: int, seconds: float) -> None:
        """All requests of this kind are refused for a while: a full quota, a right that was taken away."""
        if _is_possible(what := self.kind(kind), error):
            self.tell("the API server", f"answers {error} to each {what[0]} of {what[1]} for {seconds:.0f} s")
            self._befall(what, _refused(error), times=ALL, until=self.now() + seconds)

    @rule(kind=numbers, error=st.sampled_from([CONNECTION_LOST, 504]), skip=skipped, times=times)
    def lose_answer(self, kind: int, error: int, skip: int, times: int) -> None:
        """Some of the next requests of this kind are done, and nobody hears so."""
        self._befall(self.kind(kind), Fate(0.05, 0.05, error=error), skip=skip, times=times)

    @rule(
        kind=numbers,
        before=st.sampled_from([0.0, 0.3, 3.0, 8.0]),
        after=st.sampled_from([0.0, 0.3, 8.0, 25.0]),
        skip=skipped,
        times=times,
    )
    def delay(self, kind: int, before: float, after: float, skip: int, times: int) -> None:
        """Some of the next requests of this kind take their time."""
        self._befall(self.kind(kind), Fate(before, after), skip=skip, times=times)

    @rule(kind=numbers, stored=st.booleans(), pause=st.sampled_from(PAUSES), skip=skipped, times=times)
    def kill(self, kind: int, stored: bool, pause: float, skip: int, times: int) -> None:
        """The operator dies of one of the next requests of this kind, before or after it was done, and maybe again."""
        self.stage.pause = pause
        self._befall(self.kind(kind), Fate(0.05, stored=stored, kill=True), skip=skip, times=times)

    @rule(operator=operators, how=st.sampled_from(["killed", "told to end"]), pause=st.sampled_from([*PAUSES, None]))
    def stop(self, operator: int, how: str, pause: float | None) -> None:
        """The operator's process ends between two requests; it starts again, unless another does all that it did."""
        process = self.processes[self.operator(operator)]
        if not process.died.is_set():
            process.gone = pause is None and self.can_do_without(process)
            self.stage.pause = pause or self.stage.pause
            self.tell(process.name, f"is {how}{' for good' if process.gone else ''}")
            process.told_to_end = self.now() if how == "told to end" else None
            self.do(process.died.set)

    @rule(operator=operators, error=st.sampled_from([CONNECTION_LOST, 404, 500]), seconds=periods)
    def cut_off(self, operator: int, error: int, seconds: float) -> None:
        """None of the operator's requests gets through for a while; its watches may still tell it of everything."""
        name = self.operator(operator)
        self.stage.cut_off[name] = (self.now() + seconds, error)
        self.tell(name, f"is cut off for {seconds:.0f} s, and hears {error or 'nothing'}")

    @rule(operator=operators, seconds=st.sampled_from([-7200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 7200.0]))
    def set_clock(self, operator: int, seconds: float) -> None:
        """The clock of the operator's node is off from now on."""
        name = self.operator(operator)
        self.stage.clocks[name] = seconds
        self.stage.rules.of_requests.clocks_apart = True
        self.tell(name, f"has a clock that is {seconds:+.0f} s ahead")

    @precondition(lambda self: self.stage.rules.jobs)
    @rule(number=numbers, version=st.sampled_from(sorted(REWRITES)))
    def rewrite(self, number: int, version: str) -> None:
        """An operator of another version was here, or somebody mends what it left."""
        jobs = sorted(self.stage.rules.jobs.values(), key=lambda job: job.name)
        job = jobs[number % len(jobs)]
        if not is_over(job.status) and (version == "mended") == (job.uid in self.stage.rules.unreadable):
            self.do(lambda: self.stage.world.rewrite(job, version))

    @rule(operator=operators, plurals=resources, seconds=lags)
    def lag(self, operator: int, plurals: tuple[str, ...], seconds: float) -> None:
        """From now on a watch hears of everything that late."""
        name = self.operator(operator)
        for plural in plurals:
            self.stage.lags[name, plural] = seconds
        self.tell(name, f"hears of {' and '.join(plurals)} {seconds:.0f} s late from now on")

    @rule(operator=operators, plurals=resources, seconds=st.sampled_from([1.0, 20.0, 100.0]))
    def silence(self, operator: int, plurals: tuple[str, ...], seconds: float) -> None:
        """A watch hears nothing for a while, and begins anew: of what was gone by then it never hears."""
        name = self.operator(operator)
        for plural in plurals:
            self.stage.silences[name, plural] = seconds
        self.tell(name, f"hears nothing of {' and '.join(plurals)} for {seconds:.0f} s, from the next event on")

    @rule(operator=operators, plurals=resources, mishap=st.sampled_from(["lost", "lost", "twice", "relist"]))
    def mislead(self, operator: int, plurals: tuple[str, ...], mishap: Mishap) -> None:
        """The next event that this operator's watches hear is lost, or comes twice, or they begin anew."""
        self.stage.mishaps += [(self.operator(operator), plural, mishap) for plural in plurals]

    @rule()
    def compact(self) -> None:
        """The API server forgets the past: watches that are behind begin anew."""
        self.do(self.stage.store.compact)

    def _befall(self, what: Kind, fate: Fate, *, times: int = 1, until: float = float("inf"), skip: int = 0) -> None:
        method, plural, of_one = what
        self.stage.misfortunes.append(Misfortune(method, plural, fate, times, of_one=of_one, until=until, skip=skip))


def _is_possible(what: Kind, error: int) -> bool:
    return error not in (409, 422) or what[:2] == ("PUT", PLURAL)


def _refused(error: int) -> Fate:
    return Fate(0.05, 0.05, error=error, message=QUOTA if error == 403 else "an injected fault", stored=False)
