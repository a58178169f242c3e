"""One operator's two watches over an ApiStore, as kopf keeps them: they lag, lose, repeat and relist.

As measured of kopf: a relist tells of all that exists and of nothing that is gone.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.api.store import PODS, ApiError, ApiStore, Body, Change
from spectrogram_operator.api.names import LABEL_JOB_UID, PLURAL

SELECTORS = {PLURAL: "", PODS: LABEL_JOB_UID}
Mishap = Literal["", "lost", "twice", "relist"]


class Handlers(Protocol):
    """Who hears of events: the operator's Controller."""

    def job_event(self, body: Body, *, deleted: bool) -> None: ...

    def pod_event(self, body: Body, *, deleted: bool) -> None: ...


@dataclass(frozen=True)
class Weather:
    """How the watch of a resource behaves: seconds until what just happened arrives, what befalls each event, and for
    how many seconds it hears nothing at all, before it begins anew with a list.
    """

    lag: Callable[[str], float] = lambda plural: 0.0
    mishap: Callable[[str], Mishap] = lambda plural: ""
    silence: Callable[[str], float] = lambda plural: 0.0


class Watches:
    """The watch of jobs and the watch of pods, of these namespaces (none: of all)."""

    def __init__(self, store: ApiStore, handlers: Handlers, weather: Weather, namespaces: Collection[str] = ()) -> None:
        self._store = store
        self._handlers = handlers
        self._weather = weather
        self._namespaces = namespaces
        self._at = dict.fromkeys(SELECTORS, 0)
        self._news = {plural: asyncio.Event() for plural in SELECTORS}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """List everything, then go on with every change."""
        listed = {plural: self._relist(plural) for plural in SELECTORS}
        for plural, bodies in listed.items():
            for body in bodies:
                self._handle(plural, body, deleted=False)
        self._store.listeners.append(self._hear)
        self._tasks = [asyncio.create_task(self._follow(plural)) for plural in SELECTORS]

    async def stop(self) -> None:
        """The connections are gone."""
        if self._hear in self._store.listeners:
            self._store.listeners.remove(self._hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hear(self, change: Change) -> None:
        if change.plural in self._news:
            self._news[change.plural].set()

    async def _follow(self, plural: str) -> None:
        while True:
            await self._news[plural].wait()
            self._news[plural].clear()
            try:
                news = self._store.changes(plural, self._at[plural], selector=SELECTORS[plural])
                if news and (lag := self._weather.lag(plural)):
                    await asyncio.sleep(lag)
                if news and (silence := self._weather.silence(plural)):
                    await asyncio.sleep(silence)
                    raise ApiError(410, "Expired")
                for change in news:
                    self._deliver(change)
            except ApiError:
                for body in self._relist(plural):
                    self._handle(plural, body, deleted=False)

    def _deliver(self, change: Change) -> None:
        mishap = self._weather.mishap(change.plural)
        self._at[change.plural] = change.version
        if mishap == "relist":
            raise ApiError(410, "Expired")
        if mishap == "lost":
            return
        deleted = change.type == "DELETED"
        for _ in range(2 if mishap == "twice" else 1):
            self._handle(change.plural, change.body, deleted=deleted)

    def _relist(self, plural: str) -> list[Body]:
        page = self._store.read_list(plural, selector=SELECTORS[plural])
        self._at[plural] = page.version
        return page.items

    def _handle(self, plural: str, body: Body, *, deleted: bool) -> None:
        if self._namespaces and body["metadata"]["namespace"] not in self._namespaces:
            return
        tell = self._handlers.job_event if plural == PLURAL else self._handlers.pod_event
        tell(body, deleted=deleted)
