"""kopf glue: two event handlers, login, start and end. Nothing is decided here.

Only kopf's low-level handlers are used: they keep no finalizer and no annotation on anything (rule 9).
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import kopf

from spectrogram_operator.api.names import GROUP, LABEL_JOB_UID, PLURAL, VERSION
from spectrogram_operator.control.reconciling.controller import Controller

JOBS = (GROUP, VERSION, PLURAL)
PODS = ("", "v1", "pods")


class Backoffs:
    """Seconds between two tries of kopf's, without end: an API server, or rights, may be away for long."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1, 1, 2, 3, 5, 5, 10), itertools.repeat(20))


class Handlers:
    """Everything that kopf calls. `stop` is the flag on which this run of kopf's ends; `begun` is told of its start."""

    def __init__(self, controller: Controller, stop: asyncio.Event, begun: Callable[[], None] = lambda: None) -> None:
        self._controller = controller
        self._stop = stop
        self._begun = begun

    def registry(self) -> kopf.OperatorRegistry:
        """Every handler, in a registry of its own."""
        registry = kopf.OperatorRegistry()
        permanent = kopf.ErrorsMode.PERMANENT
        kopf.on.startup(registry=registry, errors=permanent)(self.start)
        kopf.on.login(registry=registry, errors=permanent)(self.login)
        kopf.on.cleanup(registry=registry)(self.end)
        kopf.on.event(*JOBS, registry=registry)(self.job_event)
        kopf.on.event(*PODS, registry=registry, labels={LABEL_JOB_UID: kopf.PRESENT})(self.pod_event)
        return registry

    async def start(self, *, settings: kopf.OperatorSettings, **_: Any) -> None:
        """kopf's settings. Measured of kopf 1.45: without selectors it watches every pod of the cluster."""
        self._begun()
        settings.watching.label_selectors[PODS] = LABEL_JOB_UID
        settings.watching.chunk_size = 500
        settings.watching.connect_timeout = 10
        settings.watching.reconnect_backoff = 1.0
        settings.networking.request_timeout = 30
        settings.networking.connect_timeout = 10
        settings.networking.error_backoffs = Backoffs()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.persistence.progress_storage = _NoProgress()
        settings.execution.max_workers = 1
        # Else kopf kills the process ten minutes after each run that an error ended, while the next one watches.
        settings.process.ultimate_exiting_timeout = None

    async def login(self, **arguments: Any) -> kopf.ConnectionInfo | None:
        """As the pod's account, else as the kubeconfig says."""
        return _service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    async def end(self, **_: Any) -> None:
        """After a signal kopf still waits for this flag, five seconds long."""
        self._stop.set()

    async def job_event(self, *, event: kopf.RawEvent, **_: Any) -> None:
        """A job was created, changed, deleted, or listed."""
        self._controller.job_event(event["object"], deleted=event["type"] == "DELETED")

    async def pod_event(self, *, event: kopf.RawEvent, **_: Any) -> None:
        """A pod was created, changed, deleted, or listed."""
        self._controller.pod_event(event["object"], deleted=event["type"] == "DELETED")


def _service_account(**arguments: Any) -> kopf.ConnectionInfo | None:
    """As the pod's account, at the address that every pod has in its environment: a cluster may have no DNS.

    client-go and kubernetes.aio do the same; kopf alone asks for kubernetes.default.svc.
    """
    found = kopf.login_with_service_account(**arguments)
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if found is None or not host or not port:
        return found
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


class _NoDiffBase(kopf.DiffBaseStorage):
    """Nobody asks kopf what has changed: it need not copy each object to find out."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is kept."""


class _NoProgress(kopf.ProgressStorage):
    """Handlers of events have none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is kept."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing was kept."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Nothing is kept."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
