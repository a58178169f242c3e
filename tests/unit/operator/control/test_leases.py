"""Leases between operators in virtual time: one holds, and another takes over when, and only when, it is gone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from harness import virtual_time
from harness.api.memory_cluster import CONNECTION_LOST, Connection, Fate, MemoryCluster
from harness.api.routes import Request
from harness.api.store import ApiError, ApiStore
from spectrogram_operator.api.names import LEASE, LEASE_OF_ALL
from spectrogram_operator.control.leases import Candidate, Leases
from spectrogram_operator.control.reconciling.workqueue import cancelled

SECONDS = 30
LEASES = "leases"


@dataclass
class Operator:
    """One that wants leases; `fate` befalls each of its requests. `told`: of which namespaces it heard that they
    changed, and whether it serves them since.
    """

    store: ApiStore
    identity: str
    namespaces: tuple[str, ...] = ("radio",)
    clock: Callable[[], datetime] = virtual_time.now
    fate: Callable[[Request], Fate] = lambda request: Fate()
    told: list[tuple[str | None, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(self.identity, self.store, decide=lambda request: self.fate(request))
        candidate = Candidate(identity=self.identity, seconds=SECONDS, clock=self.clock)
        self.cluster = MemoryCluster(self.connection)
        self.leases = Leases(self.cluster, candidate, self.namespaces, self._changed)
        _made.append(self)

    def start(self) -> "Operator":
        self._task = asyncio.create_task(self.leases.run())
        return self

    async def kill(self) -> None:
        self.connection.dead = True
        await cancelled(self._task)

    async def stop(self) -> None:
        """As the service does it."""
        await cancelled(self._task)
        await self.leases.release()

    async def end(self) -> None:
        """After the test."""
        await cancelled(self._task)
        await self.cluster.close()

    def serves(self, namespace: str = "radio") -> bool:
        return self.leases.serves(namespace)

    def _changed(self, namespace: str | None) -> None:
        self.told.append((namespace, self.serves(namespace or "radio")))


MOST_SECONDS = 10_000.0


async def until(condition: Callable[[], bool], *others: Operator) -> float:
    """Seconds until it holds. At no moment two of the others serve."""
    begin = asyncio.get_running_loop().time()
    while not condition():
        assert sum(operator.serves() for operator in others) <= 1
        assert asyncio.get_running_loop().time() - begin < MOST_SECONDS, "it never holds"
        await asyncio.sleep(0.1)
    return asyncio.get_running_loop().time() - begin


_made: list[Operator] = []


def always(fate: Fate) -> Callable[[Request], Fate]:
    return lambda request: fate


def story(test: Callable[[ApiStore], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test in virtual time, with an empty store."""

    def run() -> None:
        async def play() -> None:
            try:
                await test(ApiStore(now=virtual_time.now))
            finally:
                while _made:
                    await _made.pop().end()

        virtual_time.run(play())

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


def holder(store: ApiStore, namespace: str = "radio") -> str:
    return str(store.get(LEASES, namespace, LEASE)["spec"]["holderIdentity"])


@story
async def test_the_first_serves_and_the_second_waits_for_as_long_as_it_does(store: ApiStore) -> None:
    first, second = Operator(store, "one").start(), Operator(store, "two")
    await until(first.serves)
    second.start()
    for _ in range(3600):
        assert (first.serves(), second.serves()) == (True, False)
        await asyncio.sleep(1)
    assert holder(store) == "one"
    assert (first.told, second.told) == ([("radio", True)], [])
    assert second.leases.problem("radio") == ""


@story
async def test_a_held_lease_costs_one_request_in_ten_seconds(store: ApiStore) -> None:
    asked: list[str] = []

    def fate(request: Request) -> Fate:
        asked.append(request.method)
        return Fate()

    first = Operator(store, "one", fate=fate).start()
    await asyncio.sleep(601)
    assert first.serves()
    assert asked == ["GET", "POST", *["PUT"] * 60]


@story
async def test_when_the_first_dies_the_second_serves_after_the_duration_and_a_renewal_at_most(store: ApiStore) -> None:
    first, second = Operator(store, "one").start(), Operator(store, "two").start()
    await until(first.serves)
    await asyncio.sleep(100)
    await first.kill()
    assert SECONDS * 2 / 3 <= await until(second.serves) <= SECONDS * 4 / 3
    assert holder(store) == "two"
    assert store.get(LEASES, "radio", LEASE)["spec"]["leaseTransitions"] == 1


@story
async def test_when_the_first_stops_the_second_serves_at_once(store: ApiStore) -> None:
    first, second = Operator(store, "one").start(), Operator(store, "two").start()
    await until(first.serves)
    await asyncio.sleep(100)
    await first.stop()
    assert not first.serves()
    assert await until(second.serves) <= SECONDS / 10 + 0.1


@story
async def test_a_successor_finds_nothing_to_wait_for(store: ApiStore) -> None:
    first = Operator(store, "one").start()
    await until(first.serves)
    await first.stop()
    assert await until(Operator(store, "two").start().serves) <= 0.1


@story
async def test_a_killed_operator_that_starts_again_under_its_name_waits_for_nothing(store: ApiStore) -> None:
    first = Operator(store, "one").start()
    await until(first.serves)
    await asyncio.sleep(5)
    await first.kill()
    assert await until(Operator(store, "one").start().serves) <= 0.1


@pytest.mark.parametrize("apart", [timedelta(hours=-5), timedelta(days=365)])
def test_clocks_that_are_apart_change_nothing(apart: timedelta) -> None:
    @story
    async def play(store: ApiStore) -> None:
        first = Operator(store, "one", clock=lambda: virtual_time.now() + apart).start()
        second = Operator(store, "two").start()
        await until(first.serves)
        await asyncio.sleep(100)
        assert (first.serves(), second.serves()) == (True, False)
        await first.kill()
        assert SECONDS * 2 / 3 <= await until(second.serves) <= SECONDS * 4 / 3

    play()


@story
async def test_who_cannot_renew_stops_before_another_may_take_over(store: ApiStore) -> None:
    """Cut off from the API server, it hears of nothing: it counts the seconds itself, and comes back to wait."""
    first, second = Operator(store, "one").start(), Operator(store, "two").start()
    await until(first.serves)
    await asyncio.sleep(45)
    first.fate = always(Fate(error=CONNECTION_LOST, stored=False))
    assert await until(lambda: not first.serves(), first, second) <= SECONDS * 2 / 3
    assert first.told[-1] == ("radio", False)
    await until(second.serves, first, second)
    first.fate = always(Fate())
    await asyncio.sleep(100)
    assert (first.serves(), second.serves()) == (False, True)


@story
async def test_a_short_absence_of_the_api_server_interrupts_nothing(store: ApiStore) -> None:
    first = Operator(store, "one").start()
    await until(first.serves)
    await asyncio.sleep(9)
    for fate in (Fate(error=CONNECTION_LOST, stored=False), Fate(error=504, stored=True), Fate(seconds_before=8.0)):
        first.fate = always(fate)
        await asyncio.sleep(9)
        first.fate = always(Fate())
        await asyncio.sleep(30)
    assert first.told == [("radio", True)]


@pytest.mark.parametrize("end", ["taken", "removed"])
def test_who_sees_that_its_lease_is_gone_stops_at_once(end: str) -> None:
    @story
    async def play(store: ApiStore) -> None:
        first = Operator(store, "one").start()
        await until(first.serves)
        lease = store.get(LEASES, "radio", LEASE)
        if end == "taken":
            store.put(LEASES, {**lease, "spec": lease["spec"] | {"holderIdentity": "a person"}})
            assert await until(lambda: not first.serves()) <= SECONDS / 3 + 0.1
        else:
            store.remove(LEASES, "radio", LEASE)
            await asyncio.sleep(15)
            assert holder(store) == "one"

    play()


@story
async def test_a_label_on_the_lease_interrupts_nothing(store: ApiStore) -> None:
    first = Operator(store, "one").start()
    await until(first.serves)
    for number in range(20):
        lease = store.get(LEASES, "radio", LEASE)
        store.put(LEASES, {**lease, "metadata": lease["metadata"] | {"labels": {"team": str(number)}}})
        await asyncio.sleep(7)
    assert first.told == [("radio", True)]
    assert store.get(LEASES, "radio", LEASE)["spec"]["leaseTransitions"] == 0


@story
async def test_without_the_right_to_leases_it_says_so_until_it_has_it(store: ApiStore) -> None:
    forbidden = Fate(error=403, message="leases is forbidden", stored=False)
    first = Operator(store, "one", fate=always(forbidden)).start()
    await asyncio.sleep(60)
    assert not first.serves()
    assert "leases is forbidden" in first.leases.problem("radio")
    first.fate = always(Fate())
    assert await until(first.serves) <= SECONDS / 10 + 0.1
    assert first.leases.problem("radio") == ""


@story
async def test_one_namespace_without_leases_keeps_no_other_from_being_served(store: ApiStore) -> None:
    def fate(request: Request) -> Fate:
        return Fate(error=403, stored=False) if request.namespace == "closed" else Fate()

    first = Operator(store, "one", ("closed", "radio"), fate=fate).start()
    assert await until(first.serves) <= 0.1
    assert not first.serves("closed")
    assert not first.serves("elsewhere")


def test_the_log_says_once_who_serves(caplog: pytest.LogCaptureFixture) -> None:
    @story
    async def play(store: ApiStore) -> None:
        first, second = Operator(store, "one").start(), Operator(store, "two")
        await until(first.serves)
        second.start()
        await asyncio.sleep(500)
        await first.kill()
        await until(second.serves)

    with caplog.at_level(logging.INFO, logger="spectrogram_operator"):
        play()
    assert caplog.messages == ["Serving radio", "Not serving radio: the operator one does", "Serving radio"]


# One operator of all namespaces, others of some


@story
async def test_of_two_operators_of_all_namespaces_one_serves(store: ApiStore) -> None:
    first, second = Operator(store, "one", ()).start(), Operator(store, "two", ())
    await until(first.serves)
    second.start()
    await asyncio.sleep(100)
    assert (first.serves("any"), second.serves("any")) == (True, False)
    assert store.get(LEASES, *LEASE_OF_ALL)["spec"]["holderIdentity"] == "one"
    assert second.leases.problem(None) == ""
    await first.kill()
    assert await until(lambda: second.serves("any")) <= SECONDS * 4 / 3


@story
async def test_who_serves_all_namespaces_stays_out_of_those_that_are_served_by_name(store: ApiStore) -> None:
    every = Operator(store, "every", ()).start()
    await until(every.serves)
    one = Operator(store, "one").start()
    await until(one.serves)
    assert await until(lambda: not every.serves()) <= SECONDS / 3 + 0.1
    assert every.told[-1] == ("radio", False)
    assert every.serves("elsewhere")
    await asyncio.sleep(1000)
    assert not every.serves()
    await one.kill()
    assert SECONDS * 2 / 3 <= await until(every.serves) <= SECONDS * 5 / 3
    assert every.told[-1] == ("radio", True)


@story
async def test_before_it_knows_which_are_served_by_name_it_serves_none(store: ApiStore) -> None:
    def fate(request: Request) -> Fate:
        return Fate(error=403, stored=False) if request.namespace is None else Fate()

    every = Operator(store, "every", (), fate=fate).start()
    await asyncio.sleep(60)
    assert not every.serves()
    assert every.leases.problem(None) == "it is not known yet which namespaces others serve"
    every.fate = always(Fate())
    assert await until(every.serves) <= SECONDS / 3 + 0.1


# Anything may happen


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_two_never_serve_and_in_calm_one_does(seed: int) -> None:
    random = Random(seed)
    calm = False

    def reached(end: float) -> bool:
        return asyncio.get_running_loop().time() > end

    def fate(request: Request) -> Fate:
        chance = random.random()
        if calm or chance < 0.5:
            return Fate(random.choice((0.0, 0.1)), random.choice((0.0, 0.1)))
        before, after = random.uniform(0, 15), random.uniform(0, 15)
        if chance < 0.7:
            return Fate(before, after)
        error = random.choice((CONNECTION_LOST, 409, 429, 500, 504, 404))
        return Fate(before, after, error=error, stored=error in (504, CONNECTION_LOST) and random.random() < 0.5)

    @story
    async def play(store: ApiStore) -> None:
        nonlocal calm
        clocks = [lambda: virtual_time.now() - timedelta(hours=1), virtual_time.now, virtual_time.now]
        operators = [Operator(store, f"operator-{n}", clock=clock, fate=fate).start() for n, clock in enumerate(clocks)]
        for _ in range(40):
            end = asyncio.get_running_loop().time() + random.uniform(0, 60)
            await until(partial(reached, end), *operators)
            chosen = random.randrange(len(operators))
            match random.choice(("kill", "stop", "nothing", "relabel")):
                case "kill":
                    await operators[chosen].kill()
                    operators[chosen] = replace(operators[chosen], told=[]).start()
                case "stop":
                    await operators[chosen].stop()
                    operators[chosen] = replace(operators[chosen], told=[]).start()
                case "relabel":
                    try:
                        lease = store.get(LEASES, "radio", LEASE)
                        store.put(LEASES, {**lease, "metadata": lease["metadata"] | {"labels": {"n": str(end)}}})
                    except ApiError:
                        pass
        calm = True
        await until(lambda: sum(operator.serves() for operator in operators) == 1, *operators)
        served = [operator.serves() for operator in operators]
        await asyncio.sleep(300)
        assert [operator.serves() for operator in operators] == served

    play()
