"""One operator's two watches over an ApiStore, as kopf keeps them: indexes that lag, lose, repeat and relist.

As measured of kopf: an index is updated before the handler hears of the same event; a relist tells of
all that exists and of nothing that is gone, so what vanished meanwhile stays in the index.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from harness.api_store import PODS, ApiError, ApiStore, Body, Change
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.names import LABEL_JOB_UID, PLURAL
from spectrogram_operator.control.handlers import WatchView
from spectrogram_operator.core.judging.pod import Pod, read_pod

SELECTORS = {PLURAL: "", PODS: LABEL_JOB_UID}
Entry = TypeVar("Entry")
Mishap = Literal["", "lost", "twice", "relist"]


class Handlers(Protocol):
    """Who hears of events: the operator's Service."""

    def job_changed(self, namespace: str | None, name: str) -> None: ...

    def pod_changed(self, body: Body, *, deleted: bool) -> None: ...


@dataclass(frozen=True)
class Weather:
    """How the watches behave: seconds until what just happened to this resource arrives, what befalls each event."""

    lag: Callable[[str], float] = lambda plural: 0.0
    mishap: Callable[[], Mishap] = lambda: ""


class Watches:
    """The watch of jobs and the watch of pods, and the view that they fill."""

    def __init__(self, store: ApiStore, handlers: Handlers, weather: Weather) -> None:
        self._store = store
        self._handlers = handlers
        self._weather = weather
        self._jobs: dict[str, dict[str, Job]] = {}
        self._pods: dict[str, dict[str, Pod]] = {}
        self._at = dict.fromkeys(SELECTORS, 0)
        self._news = {plural: asyncio.Event() for plural in SELECTORS}
        self._tasks: list[asyncio.Task[None]] = []
        self.view = WatchView(_Index(self._jobs), _Index(self._pods))

    def start(self) -> None:
        """List everything, then go on with every change. Handlers hear of nothing before both lists are indexed."""
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
                for change in news:
                    self._deliver(change)
            except ApiError:
                for body in self._relist(plural):
                    self._handle(plural, body, deleted=False)

    def _deliver(self, change: Change) -> None:
        mishap = self._weather.mishap()
        self._at[change.plural] = change.version
        if mishap == "relist":
            raise ApiError(410, "Expired")
        if mishap == "lost":
            return
        deleted = change.type == "DELETED"
        for _ in range(2 if mishap == "twice" else 1):
            self._index(change.plural, change.body, deleted=deleted)
            self._handle(change.plural, change.body, deleted=deleted)

    def _relist(self, plural: str) -> list[Body]:
        page = self._store.read_list(plural, selector=SELECTORS[plural])
        self._at[plural] = page.version
        for body in page.items:
            self._index(plural, body, deleted=False)
        return page.items

    def _index(self, plural: str, body: Body, *, deleted: bool) -> None:
        if plural == PLURAL:
            job = read_job(body)
            _file(self._jobs, job.key, job.uid, None if deleted else job)
        else:
            pod = read_pod(body)
            _file(self._pods, pod.owner_uid, pod.uid, None if deleted else pod)

    def _handle(self, plural: str, body: Body, *, deleted: bool) -> None:
        metadata = body["metadata"]
        if plural == PLURAL:
            self._handlers.job_changed(metadata["namespace"], metadata["name"])
        else:
            self._handlers.pod_changed(body, deleted=deleted)


class _Index(Mapping[str, Collection[Entry]]):
    """What kopf's index is to its readers: by key, the entries of all objects that have it."""

    def __init__(self, entries: dict[str, dict[str, Entry]]) -> None:
        self._entries = entries

    def __getitem__(self, key: str) -> Collection[Entry]:
        return self._entries[key].values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _file(index: dict[str, dict[str, Entry]], key: str, uid: str, entry: Entry | None) -> None:
    """Put the object's entry into the index, or take it out with its key if that was the last."""
    entries = index.setdefault(key, {})
    if entry is not None:
        entries[uid] = entry
        return
    entries.pop(uid, None)
    if not entries:
        del index[key]
