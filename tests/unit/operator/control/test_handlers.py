"""What the operator takes from kopf: the newest of what its indexes hold, and every event."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import kopf
import pytest

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.handlers import WatchView, build_registry
from spectrogram_operator.control.service import Service
from spectrogram_operator.core.judging.pod import Pod
from unit.operator.core.play import build_job


def job(version: str, uid: str) -> Job:
    """The job radio/fm-band."""
    return replace(build_job(), resource_version=version, uid=uid)


def test_of_the_jobs_that_had_one_name_the_newest_exists() -> None:
    """A relist tells of nothing that is gone: kopf goes on showing the former job."""
    former, newest = job("99", "a"), job("100", "b")
    for entries in ([former, newest], [newest, former]):
        view = WatchView({"radio/fm-band": entries}, {})
        assert view.job("radio/fm-band") == newest
        assert view.jobs() == [newest]


def test_what_is_not_shown_is_none() -> None:
    view = WatchView({"radio/fm-band": []}, {})
    assert (view.job("radio/fm-band"), view.job("radio/other"), view.jobs()) == (None, None, [])
    assert (view.pods_of("a"), view.pods()) == ((), [])


def test_pods_are_those_of_the_owner_s_uid() -> None:
    first, second = (Pod(namespace="radio", name=name, uid=name) for name in ("p1", "p2"))
    view = WatchView({}, {"a": [first], "b": [second]})
    assert view.pods_of("a") == (first,)
    assert view.pods() == [first, second]


class Listener:
    """A service that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def job_changed(self, namespace: str | None, name: str) -> None:
        self.told.append((namespace, name))

    def pod_changed(self, body: Any, *, deleted: bool) -> None:
        self.told.append((body["metadata"]["name"], deleted))


async def tell(ending: str, **event: Any) -> list[tuple[Any, ...]]:
    """What the service hears when kopf calls this handler."""
    service = Listener()
    registry = build_registry(cast(Service, service), asyncio.Event())
    # kopf has no public way to its handlers.
    (handler,) = [one for one in registry._watching.get_all_handlers() if one.id.endswith(ending)]
    await cast(Callable[..., Awaitable[None]], handler.fn)(**event)
    return service.told


@pytest.mark.parametrize(("kind", "deleted"), [("ADDED", False), ("MODIFIED", False), (None, False), ("DELETED", True)])
async def test_every_event_of_a_pod_is_told_and_the_last_as_such(kind: str | None, deleted: bool) -> None:
    body = kopf.Body({"metadata": {"name": "fm-band-a1"}})
    assert await tell("pod_event", event={"type": kind}, body=body) == [("fm-band-a1", deleted)]


async def test_every_event_of_a_job_is_told() -> None:
    assert await tell("job_event", namespace="radio", name="fm-band") == [("radio", "fm-band")]
