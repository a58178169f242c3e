"""`Jobs` of an API server."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import GROUP, PLURAL, VERSION
from spectrogram_operator.cli.cluster.http_pods import HttpPods
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.control.cluster.protocol import ClusterError, status_write

_LIST_PAGE = 500


class HttpJobs(HttpPods):
    """See Jobs."""

    def list(self, namespace: str | None, selector: str | None = None) -> Sequence[Body]:
        """See Jobs."""
        found: list[Body] = []
        query = {"limit": str(_LIST_PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = self.request("GET", _path(namespace), query=query)
            found += page.get("items") or []
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return found

    def read(self, namespace: str, name: str) -> Body | None:
        """See Jobs."""
        return self.unless_missing("GET", _path(namespace, name))

    def create(self, namespace: str, body: Mapping[str, Any]) -> Body:
        """See Jobs."""
        return self.request("POST", _path(namespace), body)

    def change(self, namespace: str, name: str, spec: Mapping[str, Any]) -> Body | None:
        """See Jobs."""
        return self.unless_missing("PATCH", _path(namespace, name), {"spec": spec})

    def write_status(self, job: Job, status: Mapping[str, Any]) -> None:
        """See Jobs."""
        self.request("PUT", f"{_path(job.namespace, job.name)}/status", status_write(job, status))

    def namespaces(self) -> Sequence[str]:
        """See Jobs."""
        return [str(body["metadata"]["name"]) for body in self.request("GET", "/api/v1/namespaces").get("items") or []]

    def has_namespace(self, namespace: str) -> bool | None:
        """See Jobs."""
        try:
            found = self.unless_missing("GET", f"/api/v1/namespaces/{quote(namespace)}", kind="namespaces")
            return found is not None
        except ClusterError as error:
            if error.code == 403:
                return None
            raise


def _path(namespace: str | None, name: str | None = None) -> str:
    below = f"/namespaces/{quote(namespace)}" if namespace is not None else ""
    return f"/apis/{GROUP}/{VERSION}{below}/{PLURAL}" + (f"/{quote(name)}" if name is not None else "")
