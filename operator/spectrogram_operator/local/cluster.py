"""A cluster in memory: jobs that were submitted, pods that are child processes, claims that are folders.

`LocalCluster` is what `control.cluster` calls a Cluster, and tells of every change as a watch does. There is one
writer, so nothing lags behind; the resourceVersions are true all the same, because the reconciler goes by them.
"""

import asyncio
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from spectrogram_operator.api.job import Job
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import Event
from spectrogram_operator.local.pod import LocalPod
from spectrogram_operator.local.progress import get_progress
from spectrogram_operator.local.worker_log import LogLine

Body = Mapping[str, Any]


class PodListener(Protocol):
    """Told of each pod that changes."""

    def __call__(self, body: Body, *, deleted: bool) -> None: ...


WORKER_COMMAND = (sys.executable, "-P", "-m", "spectrogram_worker")
DEFAULT_NAMESPACE = "default"


def _ignore(*words: object, **more: object) -> None:
    """For what nobody listens to."""


class LocalCluster:
    """Runs jobs on this machine."""

    def __init__(
        self,
        *,
        claims: Mapping[str, Path],
        refuse: Callable[[int, str, str], Exception],
        command: Sequence[str] = WORKER_COMMAND,
        warn: Callable[[str], None] = _ignore,
    ) -> None:
        """`claims` gives the folder of each claim; `refuse` makes the error of an HTTP status, a reason and a message;
        `command` starts a worker; `warn` is told what a person should know, in one line.
        """
        self._claims = claims
        self._refuse = refuse
        self._command = command
        self._warn = warn
        self._job_changed: Callable[[Body], None] = _ignore
        self._pod_changed: PodListener = _ignore
        self._version = 0
        self._jobs: dict[str, dict[str, Any]] = {}
        self._pods: dict[str, LocalPod] = {}
        self._logs: dict[str, Sequence[LogLine]] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._said_unlimited = False

    def watch(self, job_changed: Callable[[Body], None], pod_changed: PodListener) -> None:
        """Call `job_changed` with each job that changes, `pod_changed` with each pod and whether it is gone."""
        self._job_changed, self._pod_changed = job_changed, pod_changed

    # What people do.

    def submit(self, document: Body) -> str:
        """Accept a job, as `kubectl apply` does; returns its key."""
        written = document["metadata"]
        metadata = {
            **written,
            "namespace": written.get("namespace", DEFAULT_NAMESPACE),
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": datetime.now(UTC).isoformat(),
        }
        key = f"{metadata['namespace']}/{metadata['name']}"
        self._store(key, {**document, "metadata": metadata, "status": {}})
        return key

    def cancel(self, key: str) -> None:
        """Set spec.cancelled: the reconciler ends the worker within its grace period."""
        job = self._jobs[key]
        metadata = {**job["metadata"], "generation": job["metadata"]["generation"] + 1}
        self._store(key, {**job, "metadata": metadata, "spec": {**job["spec"], "cancelled": True}})

    def kill(self) -> None:
        """End every pod at once."""
        for pod in list(self._pods.values()):
            pod.kill()

    def log_of(self, pod_name: str) -> Sequence[LogLine]:
        """The last lines of a pod's worker."""
        return self._logs.get(pod_name, ())

    async def close(self) -> None:
        """End every pod that is left, and wait until none of their processes exists."""
        self.kill()
        if self._lives:
            await asyncio.wait(self._lives)

    # The Cluster.

    async def read_job(self, namespace: str, name: str) -> Body | None:
        """See control.cluster.Cluster."""
        return self._jobs.get(f"{namespace}/{name}")

    async def write_status(self, job: Job, status: Mapping[str, Any]) -> Body:
        """See control.cluster.Cluster."""
        body = self._jobs[job.key]
        if body["metadata"]["resourceVersion"] != job.resource_version:
            raise self._refuse(409, "Conflict", f"the job {job.key} has changed")
        return self._store(job.key, {**body, "status": status})

    async def create_pod(self, manifest: Body) -> Body:
        """See control.cluster.Cluster: starts the worker."""
        name, (owner,) = manifest["metadata"]["name"], manifest["metadata"]["ownerReferences"]
        if name in self._pods:
            raise self._refuse(409, "AlreadyExists", f"a pod {name} exists")
        key = f"{manifest['metadata']['namespace']}/{owner['name']}"
        pod = LocalPod(
            manifest,
            command=self._command,
            claims=self._claims,
            changed=lambda: self._tell(pod),
            warn=lambda message: self._warn(message.removeprefix(f"Job {key}: ")),
            unlimited=self._say_unlimited,
        )
        self._pods[name], self._logs[name] = pod, pod.log.tail
        life = asyncio.create_task(self._live(pod))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        self._tell(pod)
        return pod.body

    async def read_pod(self, namespace: str, name: str) -> Body | None:
        """See control.cluster.Cluster."""
        return self._pods[name].body if name in self._pods else None

    async def delete_pod(self, namespace: str, name: str, uid: str | None, *, force: bool = False) -> None:
        """See control.cluster.Cluster: SIGTERM, the grace period, SIGKILL. A pod that has ended is gone at once."""
        pod = self._pods.get(name)
        if pod is not None and uid in (None, pod.body["metadata"]["uid"]):
            pod.delete()

    async def claim_exists(self, namespace: str, name: str) -> bool | None:
        """See control.cluster.Cluster."""
        return name in self._claims and self._claims[name].is_dir()

    async def pod_events(self, pod: Pod) -> Sequence[Body] | None:
        """See control.cluster.Cluster. No pod waits for a node here, and folders need no time to be mounted."""
        return ()

    async def ask_worker(self, pod: Pod) -> bytes | None:
        """See control.cluster.Cluster: asks over HTTP, on the port that the worker's log names."""
        here = self._pods.get(pod.name)
        return None if here is None or here.log.port is None else await get_progress(here.log.port)

    async def post_event(self, job: Job, event: Event, told: datetime) -> None:
        """See control.cluster.Cluster. Nobody lists events here: the status says the same."""

    def _store(self, key: str, body: dict[str, Any]) -> Body:
        self._version += 1
        stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        self._jobs[key] = stored
        self._job_changed(stored)
        return stored

    async def _live(self, pod: LocalPod) -> None:
        await pod.run()
        await pod.deleted()
        del self._pods[pod.name]
        self._tell(pod, gone=True)

    def _tell(self, pod: LocalPod, *, gone: bool = False) -> None:
        self._pod_changed(pod.body, deleted=gone)

    def _say_unlimited(self, error: OSError) -> None:
        if not self._said_unlimited:
            self._said_unlimited = True
            self._warn(
                f"this machine cannot enforce the memory limit ({error.strerror or error}):"
                " only the worker's own safeguard stands in for it"
            )
