"""The watches of the harness behave as kopf's: what its handlers hear."""

import asyncio
from collections.abc import Iterator
from typing import Any

from harness import virtual_time
from harness.api.store import ApiStore
from harness.api.watching import Mishap, Watches, Weather
from pods.jobs import job_body
from spectrogram_operator.api.names import PLURAL


class Ears:
    """Handlers that write down what they hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def job_event(self, body: Any, *, deleted: bool) -> None:
        self.heard.append(f"{'no ' if deleted else ''}{body['metadata']['name']}")

    def pod_event(self, body: Any, *, deleted: bool) -> None:
        raise AssertionError("there are none")


def submit(store: ApiStore, name: str) -> None:
    body = job_body(name)
    store.create(PLURAL, {**body, "metadata": {"namespace": "radio", "name": name}})


def watch(*mishaps: Mishap, lag: float = 0.0) -> list[str]:
    """A job is there, one comes, and the first goes 10 s later: what was heard 5 s after that."""

    async def story() -> list[str]:
        fates: Iterator[Mishap] = iter(mishaps)
        store, ears = ApiStore(now=virtual_time.now), Ears()
        submit(store, "first")
        watches = Watches(store, ears, Weather(lambda plural: lag, lambda plural: next(fates, "")))
        watches.start()
        submit(store, "second")
        await asyncio.sleep(10)
        store.delete(PLURAL, "radio", "first")
        await asyncio.sleep(5)
        await watches.stop()
        return ears.heard

    return virtual_time.run(story())


def test_every_event_is_heard() -> None:
    assert watch() == ["first", "second", "no first"]


def test_an_event_may_come_late() -> None:
    assert watch(lag=8.0) == ["first", "second"]


def test_a_lost_event_is_never_heard() -> None:
    assert watch("lost") == ["first", "no first"]


def test_an_event_may_come_twice() -> None:
    assert watch("twice") == ["first", "second", "second", "no first"]


def test_a_relist_tells_of_what_exists_and_of_nothing_that_is_gone() -> None:
    assert watch("", "relist") == ["first", "second", "second"]
