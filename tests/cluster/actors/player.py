"""The kubelet of all pods of a namespace, in a thread: it follows their watch and plays each to the end of its script.

It also keeps what the watch showed, in the order of the API server: what ran beside what can be told exactly.
"""

import http.client
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from cluster.api import Api, ApiError
from harness.waiting import wait_until
from pods.statuses import ended, running, succeeded
from spectrogram_operator.api.names import LABEL_ATTEMPT

Body = dict[str, Any]
Script = Callable[[Body], Body | None]
FINISHED = ("Succeeded", "Failed")


class Seen(NamedTuple):
    """One event of the watch."""

    type: str
    name: str
    uid: str
    phase: str
    version: int
    """All pods of a cluster have one order."""


def most_at_once(seen: Iterable[Seen]) -> int:
    """The most pods that existed and had not finished, at any moment."""
    alive: set[str] = set()
    most = 0
    for event in seen:
        if event.type == "DELETED" or event.phase in FINISHED:
            alive.discard(event.uid)
        else:
            alive.add(event.uid)
        most = max(most, len(alive))
    return most


def run_to_success(pod: Body) -> Body | None:
    """Every worker runs, and succeeds."""
    return {"Pending": running(), "Running": succeeded(pod)}.get(pod["status"]["phase"])


def attempt_of(pod: Body) -> int:
    return int(pod["metadata"]["labels"][LABEL_ATTEMPT])


class Player:
    """While the context is open, every pod that has a node gets the status that `script` gives for it."""

    def __init__(self, api: Api, script: Script = run_to_success) -> None:
        self._watching, self._writing = api.another(), api.another()
        self._script = script
        self._stopped = False
        self._thread = threading.Thread(target=self._play, name="player")
        self.seen: list[Seen] = []
        self.problem: BaseException | None = None

    def uids(self) -> dict[str, set[str]]:
        """The UIDs of all pods that ever were, by name: more than one means that a pod was made twice."""
        found = defaultdict(set)
        for event in list(self.seen):
            found[event.name].add(event.uid)
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        while self._thread.is_alive():  # it may be between two watches just now
            self._watching.interrupt()
            self._thread.join(timeout=0.1)
        self._writing.close()
        if self.problem is not None:
            raise AssertionError("the player failed") from self.problem

    def _play(self) -> None:
        try:
            while not self._stopped:
                for kind, pod in self._events():
                    self._step(kind, pod)
        except BaseException as problem:
            self.problem = problem

    def _events(self) -> Iterator[tuple[str, Body]]:
        """Until the API server goes away, or all is over."""
        try:
            yield from self._watching.watch("pods")
        except (OSError, http.client.HTTPException, json.JSONDecodeError, ApiError):
            if not self._stopped:
                wait_until(self._writing.control_plane.ready, timeout=120, what="the API server")

    def _step(self, kind: str, pod: Body) -> None:
        metadata, phase = pod["metadata"], pod["status"].get("phase", "")
        self.seen.append(Seen(kind, metadata["name"], metadata["uid"], phase, int(metadata["resourceVersion"])))
        if kind == "DELETED" or not pod["spec"].get("nodeName"):
            return
        deleting = "deletionTimestamp" in metadata
        status = (ended(143) if phase not in FINISHED else None) if deleting else self._script(pod)
        try:
            if status is not None:
                self._writing.patch_pod_status(metadata["name"], status)
            elif deleting:
                uid = {"preconditions": {"uid": metadata["uid"]}}
                self._writing.delete("pods", metadata["name"], gracePeriodSeconds=0, **uid)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
        except OSError:
            pass  # the API server is away; its watch shows this pod again once it is back
