"""What kopf calls: every event reaches the controller, with the body as the watch told it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, cast

import pytest

from spectrogram_operator.control.handlers import Backoffs, Handlers
from spectrogram_operator.control.reconciling.controller import Controller


class Listener:
    """A controller that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def job_event(self, body: Any, *, deleted: bool) -> None:
        self.told.append(("job", body["metadata"]["name"], deleted))

    def pod_event(self, body: Any, *, deleted: bool) -> None:
        self.told.append(("pod", body["metadata"]["name"], deleted))


async def tell(ending: str, kind: str | None) -> list[tuple[Any, ...]]:
    """What the controller hears when kopf calls this handler."""
    listener = Listener()
    registry = Handlers(cast(Controller, listener), asyncio.Event()).registry()
    # kopf has no public way to its handlers.
    (handler,) = [one for one in registry._watching.get_all_handlers() if one.id.endswith(ending)]
    event = {"type": kind, "object": {"metadata": {"name": "fm-band"}}}
    await cast(Callable[..., Awaitable[None]], handler.fn)(event=event)
    return listener.told


@pytest.mark.parametrize(("kind", "deleted"), [("ADDED", False), ("MODIFIED", False), (None, False), ("DELETED", True)])
@pytest.mark.parametrize("what", ["job", "pod"])
async def test_every_event_is_told_and_the_last_as_such(what: str, kind: str | None, deleted: bool) -> None:
    assert await tell(f"{what}_event", kind) == [(what, "fm-band", deleted)]


def test_kopf_is_never_out_of_tries_and_asks_ever_more_rarely() -> None:
    """It begins anew with each request: the waits must be there each time."""
    backoffs = Backoffs()
    for _ in range(2):
        waits = list(islice(backoffs, 1000))
        assert waits == sorted(waits)
        assert (waits[0], waits[-1], len(waits)) == (1, 20, 1000)
