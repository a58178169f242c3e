"""kopf glue: two indexes, two event handlers, start, end and probe. Nothing is decided here.

Only kopf's low-level handlers are used: they keep no finalizer and no annotation on anything (README ruling 6).
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import kopf

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.names import GROUP, LABEL_JOB_UID, PLURAL, VERSION
from spectrogram_operator.control.service import Service
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.settings import Settings

JOBS = (GROUP, VERSION, PLURAL)
PODS = ("", "v1", "pods")
# The API server may be away for long: kopf's own backoff ends the operator after a minute (kopf-notes.md §7).
ERROR_BACKOFFS = (1, 1, 2, 3, *(5,) * 180)
STUCK_SECONDS = 120.0


class WatchView:
    """The View over kopf's two indexes."""

    def __init__(self, jobs: Mapping[str, Iterable[Job]], pods: Mapping[str, Iterable[Pod]]) -> None:
        self._jobs = jobs
        self._pods = pods

    def job(self, key: str) -> Job | None:
        """See View."""
        return _newest(self._jobs.get(key, ()))

    def jobs(self) -> Iterable[Job]:
        """See View."""
        return [job for job in map(_newest, self._jobs.values()) if job is not None]

    def pods_of(self, job_uid: str) -> tuple[Pod, ...]:
        """See View."""
        return tuple(self._pods.get(job_uid, ()))

    def pods(self) -> Iterable[Pod]:
        """See View."""
        return [pod for entries in self._pods.values() for pod in entries]


def _newest(jobs: Iterable[Job]) -> Job | None:
    """The one that exists, of those that had one name: kopf keeps a job whose deletion a relist hid."""
    return max(jobs, key=lambda job: int(job.resource_version or 0), default=None)


def build_registry(service: Service, stop_flag: asyncio.Event) -> kopf.OperatorRegistry:
    """Every handler of the operator, in a registry of its own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def start(*, settings: kopf.OperatorSettings, **indexes: Any) -> None:
        configure(settings)
        await service.start(WatchView(indexes["jobs_by_key"], indexes["pods_by_owner"]))

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return _service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await service.stop()
        # After a signal kopf still waits for this flag, five seconds long.
        stop_flag.set()

    @kopf.on.probe(registry=registry, id="progress")
    async def probe(**_: Any) -> str:
        return service.probe(STUCK_SECONDS)

    @kopf.index(*JOBS, registry=registry, id="jobs_by_key")
    async def jobs_by_key(body: kopf.Body, **_: Any) -> dict[str, Job]:
        job = read_job(body)
        return {job.key: job}

    @kopf.index(*PODS, registry=registry, id="pods_by_owner", labels={LABEL_JOB_UID: kopf.PRESENT})
    async def pods_by_owner(body: kopf.Body, **_: Any) -> dict[str, Pod]:
        pod = read_pod(body)
        return {pod.owner_uid: pod}

    @kopf.on.event(*JOBS, registry=registry)
    async def job_event(*, namespace: str | None, name: str, **_: Any) -> None:
        service.job_changed(namespace, name)

    @kopf.on.event(*PODS, registry=registry, labels={LABEL_JOB_UID: kopf.PRESENT})
    async def pod_event(*, event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        service.pod_changed(body, deleted=event["type"] == "DELETED")

    return registry


def _service_account(**arguments: Any) -> kopf.ConnectionInfo | None:
    """As the pod's account, at the address that every pod has in its environment: a cluster may have no DNS.

    client-go and kubernetes.aio do the same; kopf alone asks for kubernetes.default.svc.
    """
    found = kopf.login_with_service_account(**arguments)
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if found is None or not host or not port:
        return found
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf's settings; the reasons stand in the design's kopf-notes.md §2.3 and §7."""
    settings.watching.label_selectors[PODS] = LABEL_JOB_UID
    settings.watching.chunk_size = 500
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = 1.0
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = ERROR_BACKOFFS
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.execution.max_workers = 1


async def run_operator(settings: Settings, service: Service, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run until `stop` is set; `ready` is set once everything is watched."""
    logging.getLogger(__name__).info("Watching %s", ", ".join(settings.namespaces) or "all namespaces")
    await kopf.operator(
        registry=build_registry(service, stop),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
        stop_flag=stop,
        ready_flag=ready,
    )
