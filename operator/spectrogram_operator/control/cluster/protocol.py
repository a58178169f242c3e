"""The Protocol behind which the API server stands: the few calls that the operator makes, and how they fail.

Two implementations: `kubernetes.py` (an API server) and `local/` (child processes of this machine).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import API_VERSION, KIND
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.lease import Lease
from spectrogram_operator.core.planning.observed import Event

Body = Mapping[str, Any]


class ClusterError(Exception):
    """The API server did not do what was asked. `code` is the HTTP status, 0 where there was no answer at all;
    `kind` is the resource that the answer is about, in plural, where it says so; `retry_after` the seconds after which
    the API server wants to be asked again.
    """

    def __init__(
        self, code: int, reason: str, message: str, *, kind: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.kind = kind
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def says_missing(self, kind: str) -> bool:
        """Whether the API server itself says that there is no such object of this kind: a proxy's 404 says nothing."""
        return self.code == 404 and self.reason == "NotFound" and self.kind == kind


def read_error(code: int, document: Mapping[str, Any], retry_after: str) -> ClusterError:
    """What a Status object says; whatever else stands between us and the API server may answer anything."""
    details = document.get("details")
    details = details if isinstance(details, dict) else {}
    causes = details.get("causes")
    reasons = [cause.get("reason") for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    reason = "NamespaceTerminating" if "NamespaceTerminating" in reasons else str(document.get("reason") or "")
    message = str(document.get("message") or "no explanation")
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else None
    return ClusterError(code, reason, message, kind=str(details.get("kind") or ""), retry_after=seconds)


def status_write(job: Job, status: Mapping[str, Any]) -> Body:
    """The body that replaces the status of the job as it was read, and of no other."""
    metadata = {"name": job.name, "namespace": job.namespace, "uid": job.uid, "resourceVersion": job.resource_version}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": job.raw_spec, "status": status}


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. All its parts show the cluster as it was at one `version`."""

    items: Sequence[Body]
    version: int


class Cluster(Protocol):
    """What the operator asks of a cluster. Every method may raise ClusterError."""

    async def read_job(self, namespace: str, name: str) -> Body | None:
        """The job as it is now; None where the API server says that there is none."""
        ...

    async def write_status(self, job: Job, status: Mapping[str, Any]) -> Body:
        """Replace the job's status if nobody changed the job since it was read (409 otherwise); returns the job."""
        ...

    async def create_pod(self, manifest: Body) -> Body:
        """Create a pod. 409 with reason AlreadyExists where one of this name exists."""
        ...

    async def read_pod(self, namespace: str, name: str) -> Body | None:
        """The pod as it is now. None only where the API server itself says that there is none (rule 2)."""
        ...

    async def delete_pod(self, namespace: str, name: str, uid: str | None, *, force: bool = False) -> None:
        """Ask for the pod's end, within its grace period, if it still has this UID. One that is gone is fine.

        `force`: it is gone at once, whether or not its node answers.
        """
        ...

    async def claim_exists(self, namespace: str, name: str) -> bool | None:
        """Whether this PersistentVolumeClaim exists; None where the operator may not look."""
        ...

    async def pod_events(self, pod: Pod) -> Sequence[Body] | None:
        """The events about this pod, some dozens at most; None where the operator may not look."""
        ...

    async def ask_worker(self, pod: Pod) -> bytes | None:
        """What the pod's worker answers to GET /progress, at most 4096 bytes; None where it cannot be reached."""
        ...

    async def post_event(self, job: Job, event: Event, told: datetime) -> None:
        """Tell people what was told then. Best effort: an event that cannot be posted is dropped."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Lists(Protocol):
    """All of it at once, page by page. Iterating may raise ClusterError."""

    def list_pods(self, namespace: str | None) -> AsyncIterator[Page]:
        """Every worker pod there is now, in this namespace or in all."""
        ...

    def list_jobs(self, namespace: str | None) -> AsyncIterator[Page]:
        """Every job there is now, in this namespace or in all. 404 where the API server knows no such resource."""
        ...


class LeaseRecords(Protocol):
    """Where operators write down which of them acts. Every method may raise ClusterError."""

    async def read_lease(self, namespace: str, name: str) -> Lease | None:
        """The lease as it is now; None where the API server says that there is none."""
        ...

    async def write_lease(self, namespace: str, name: str, lease: Lease) -> Lease:
        """Create it where it has no version, else replace it if nobody has changed it since (409); as it is then."""
        ...

    async def list_leases(self, name: str) -> Mapping[str, Lease]:
        """Every lease of this name, by namespace."""
        ...


class JobRecords(Protocol):
    """Jobs as objects. Every method may raise ClusterError."""

    async def read_job(self, namespace: str, name: str) -> Body | None:
        """See Cluster."""
        ...

    async def delete_job(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete this job, if nobody changed it since it had this version (409 otherwise). One that is gone is fine."""
        ...


class ConfigMaps(Protocol):
    """ConfigMaps that the operator itself keeps. Every method may raise ClusterError."""

    async def read_config_map(self, namespace: str, name: str) -> Body | None:
        """The ConfigMap as it is now; None where the API server says that there is none."""
        ...

    async def write_config_map(self, namespace: str, name: str, data: Mapping[str, str], read: Body | None) -> None:
        """Create it, or give it this data in place of what was read, if nobody has changed it since (409 otherwise)."""
        ...


class Nodes(Protocol):
    """What pods can go to. Iterating may raise ClusterError."""

    def list_nodes(self) -> AsyncIterator[Page]:
        """Every node of the cluster."""
        ...


class ApiServer(Cluster, Lists, LeaseRecords, JobRecords, ConfigMaps, Nodes, Protocol):
    """A cluster that others change too: what its watches miss, its lists tell."""
