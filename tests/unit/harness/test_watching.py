"""The watches of the harness behave as kopf's: what its indexes show, and what its handlers hear."""

import asyncio
from collections.abc import Iterator
from typing import Any

from harness import virtual_time
from harness.api_store import ApiStore
from harness.watching import Mishap, Watches, Weather
from pods.jobs import job_body
from spectrogram_operator.api.names import PLURAL


class Ears:
    """Handlers that write down what they hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def job_changed(self, namespace: str | None, name: str) -> None:
        self.heard.append(name)

    def pod_changed(self, body: Any, *, deleted: bool) -> None:
        self.heard.append(body["metadata"]["name"])


def submit(store: ApiStore, name: str) -> None:
    body = job_body(name)
    store.create(PLURAL, {**body, "metadata": {"namespace": "radio", "name": name}})


def watch(*mishaps: Mishap, lag: float = 0.0) -> tuple[list[str], list[str]]:
    """A job is there, one comes, and the first goes 10 s later: what is shown 5 s after that, and what was heard."""

    async def story() -> tuple[list[str], list[str]]:
        fates: Iterator[Mishap] = iter(mishaps)
        store, ears = ApiStore(now=virtual_time.now), Ears()
        submit(store, "first")
        watches = Watches(store, ears, Weather(lambda plural: lag, lambda: next(fates, "")))
        watches.start()
        submit(store, "second")
        await asyncio.sleep(10)
        store.delete(PLURAL, "radio", "first")
        await asyncio.sleep(5)
        await watches.stop()
        return sorted(job.name for job in watches.view.jobs()), ears.heard

    return virtual_time.run(story())


def test_events_are_indexed_and_heard() -> None:
    assert watch() == (["second"], ["first", "second", "first"])


def test_an_event_that_comes_late_changes_nothing_before() -> None:
    assert watch(lag=8.0) == (["first", "second"], ["first", "second"])


def test_a_lost_event_is_never_heard() -> None:
    assert watch("lost") == ([], ["first", "first"])


def test_an_event_may_come_twice() -> None:
    assert watch("twice") == (["second"], ["first", "second", "second", "first"])


def test_a_relist_tells_of_what_exists_and_keeps_what_is_gone() -> None:
    assert watch("", "relist") == (["first", "second"], ["first", "second", "second"])
