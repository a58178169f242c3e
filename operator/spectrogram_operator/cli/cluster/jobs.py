"""What the commands ask of a cluster, as a Protocol. Every method may raise ClusterError."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from spectrogram_operator.api.job import Job

Body = dict[str, Any]


class Pods(Protocol):
    """The pods of a cluster, and what there is to know about workers."""

    def read_pod(self, namespace: str, name: str) -> Body | None:
        """The pod; None where the API server says that there is none."""
        ...

    def create_pod(self, namespace: str, body: Mapping[str, Any]) -> Body:
        """The pod as the API server has stored it."""
        ...

    def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Ask for the pod's end, if it still has this UID."""
        ...

    def ask_worker(self, namespace: str, pod: str) -> bytes | None:
        """What the pod's worker answers to GET /progress, through the API server; None where it cannot be reached."""
        ...

    def log(self, namespace: str, pod: str, *, follow: bool) -> Iterator[bytes]:
        """The lines of a worker's log; with `follow` until its container ends.

        404 where there is no such pod, 400 where its container has not started.
        """
        ...

    def execute(self, namespace: str, pod: str, command: Sequence[str]) -> Iterator[bytes]:
        """The lines that the command prints in the pod."""
        ...

    def may(self, namespace: str, verb: str, resource: str, subresource: str) -> bool:
        """Whether one may do this here."""
        ...

    def config_maps(self, namespace: str, selector: str) -> Sequence[Body]:
        """The ConfigMaps of this namespace that the label selector chooses."""
        ...

    def workloads(self, namespace: str, pod_uid: str) -> Sequence[Body]:
        """What Kueue keeps of the pod with this UID. 404 where there is no Kueue."""
        ...


class Jobs(Pods, Protocol):
    """The SpectrogramJobs of a cluster, and their pods."""

    def list(self, namespace: str | None, selector: str | None = None) -> Sequence[Body]:
        """Every job of this namespace or of all, or those that the label selector chooses."""
        ...

    def read(self, namespace: str, name: str) -> Body | None:
        """The job; None where the API server says that there is none."""
        ...

    def create(self, namespace: str, body: Mapping[str, Any]) -> Body:
        """The job as the API server has stored it. 409 with reason AlreadyExists where one of this name exists."""
        ...

    def change(self, namespace: str, name: str, spec: Mapping[str, Any]) -> Body | None:
        """The job with these fields of its spec changed; None where there is none."""
        ...

    def write_status(self, job: Job, status: Mapping[str, Any]) -> None:
        """Replace the job's status if nobody changed the job since it was read (409 otherwise)."""
        ...

    def namespaces(self) -> Sequence[str]:
        """The names of all namespaces."""
        ...

    def has_namespace(self, namespace: str) -> bool | None:
        """Whether there is this namespace; None where one may not look."""
        ...
