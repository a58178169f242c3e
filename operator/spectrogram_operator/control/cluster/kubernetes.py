"""The `Cluster` of an API server, over the official client's transport and plain dicts.

Every request states its path: what the operator may ask for can be read here, and the chart's Role says the same.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client, config

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import API_VERSION, GROUP, KIND, LABEL_JOB_UID, OPERATOR, PLURAL, VERSION
from spectrogram_operator.control.cluster.protocol import Body, ClusterError, Page, read_error, status_write
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.lease import Lease, read_lease
from spectrogram_operator.core.planning.observed import Event
from spectrogram_operator.settings.kubeconfig import KUBECONFIG_ERRORS, why_unusable
from spectrogram_worker.contract.document import PROGRESS_PORT
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES

REQUEST_SECONDS = 30.0
WORKER_SECONDS = 2.0
LIST_PAGE = 500
MOST_EVENTS = 50
logger = logging.getLogger(__name__)


class KubernetesCluster:
    """Talks to the API server that the kubeconfig or the pod's service account names."""

    def __init__(
        self,
        api: client.ApiClient,
        answered: Callable[[str, int], None] = lambda verb, code: None,
        dated: Callable[[str, float, float], None] = lambda date, sent, heard: None,
    ) -> None:
        """`answered` is told of each request's verb and of the code of its answer, 0 where there was none.

        `dated` is told the date of each answer of the API server's own, and when it was asked for and heard, by the
        loop's clock.
        """
        self._api = api
        self._answered = answered
        self._dated = dated
        # A worker's answer must not lead anywhere else: no proxy, and no redirect (below).
        self._workers = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WORKER_SECONDS), trust_env=False)

    async def read_job(self, namespace: str, name: str) -> Body | None:
        """See Cluster."""
        return await self._read(_job_path(namespace, name))

    async def write_status(self, job: Job, status: Mapping[str, Any]) -> Body:
        """See Cluster. A replacement of the status subresource: fields that are no longer true disappear."""
        return await self._request("PUT", f"{_job_path(job.namespace, job.name)}/status", status_write(job, status))

    async def delete_job(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """See JobRecords."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid, "resourceVersion": version},
            "propagationPolicy": "Background",
        }
        try:
            await self._request("DELETE", _job_path(namespace, name), body)
        except ClusterError as error:
            if not error.says_missing(PLURAL):
                raise

    async def create_pod(self, manifest: Body) -> Body:
        """See Cluster."""
        return await self._request(
            "POST", f"/api/v1/namespaces/{quote(manifest['metadata']['namespace'])}/pods", manifest
        )

    async def read_pod(self, namespace: str, name: str) -> Body | None:
        """See Cluster."""
        return await self._read(_pod_path(namespace, name), kind="pods")

    async def list_pods(self, namespace: str | None) -> AsyncIterator[Page]:
        """See Cluster."""
        async for page in self._pages("/api/v1", namespace, "pods", labelSelector=LABEL_JOB_UID):
            yield page

    async def list_jobs(self, namespace: str | None) -> AsyncIterator[Page]:
        """See Cluster."""
        async for page in self._pages(f"/apis/{GROUP}/{VERSION}", namespace, PLURAL):
            yield page

    async def list_nodes(self) -> AsyncIterator[Page]:
        """See Nodes."""
        async for page in self._pages("/api/v1", None, "nodes"):
            yield page

    async def delete_pod(self, namespace: str, name: str, uid: str | None, *, force: bool = False) -> None:
        """See Cluster."""
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        body |= {"preconditions": {"uid": uid}} if uid else {}
        body |= {"gracePeriodSeconds": 0} if force else {}
        try:
            await self._request("DELETE", _pod_path(namespace, name), body)
        except ClusterError as error:
            # Gone, or another pod by now: either way it is not ours to delete.
            if error.code != 409 and not error.says_missing("pods"):
                raise

    async def claim_exists(self, namespace: str, name: str) -> bool | None:
        """See Cluster."""
        try:
            path = f"/api/v1/namespaces/{quote(namespace)}/persistentvolumeclaims/{quote(name)}"
            return await self._read(path, kind="persistentvolumeclaims") is not None
        except ClusterError as error:
            if error.code == 403:
                return None
            raise

    async def pod_events(self, pod: Pod) -> Sequence[Body] | None:
        """See Cluster."""
        query = {"fieldSelector": f"involvedObject.uid={pod.uid}", "limit": str(MOST_EVENTS)}
        try:
            found = await self._request("GET", f"/api/v1/namespaces/{quote(pod.namespace)}/events", query=query)
        except ClusterError as error:
            if error.code == 403:
                return None
            raise
        items = found.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else ()

    async def ask_worker(self, pod: Pod) -> bytes | None:
        """See Cluster."""
        host = f"[{pod.pod_ip}]" if ":" in pod.pod_ip else pod.pod_ip
        url = f"http://{host}:{PROGRESS_PORT}/progress"
        try:
            async with self._workers.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    return None
                return await answer.content.readexactly(min(answer.content_length or 0, MAXIMUM_REPORT_BYTES + 1))
        except (aiohttp.ClientError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            return None

    async def post_event(self, job: Job, event: Event, told: datetime) -> None:
        """See Cluster."""
        at = told.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{job.name[:200]}.", "namespace": job.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": job.namespace,
                "name": job.name,
                "uid": job.uid,
                "resourceVersion": job.resource_version,
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": event.message,
            "source": {"component": OPERATOR},
            "reportingComponent": OPERATOR,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        try:
            await self._request("POST", f"/api/v1/namespaces/{quote(job.namespace)}/events", body)
        except ClusterError as error:
            logger.info("Job %s: the event %s could not be posted: %s", job.key, event.reason, error)

    async def read_lease(self, namespace: str, name: str) -> Lease | None:
        """See LeaseRecords."""
        body = await self._read(f"{_leases_path(namespace)}/{quote(name)}", kind="leases")
        return read_lease(body) if body is not None else None

    async def write_lease(self, namespace: str, name: str, lease: Lease) -> Lease:
        """See LeaseRecords."""
        path, metadata = _leases_path(namespace), {"name": name, "namespace": namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        body["spec"] = lease.to_document()
        if not lease.version:
            return read_lease(await self._request("POST", path, body))
        body["metadata"] = {**metadata, "resourceVersion": lease.version}
        return read_lease(await self._request("PUT", f"{path}/{quote(name)}", body))

    async def list_leases(self, name: str) -> Mapping[str, Lease]:
        """See LeaseRecords. One for each namespace at most, and only of this name: the right to list says so too."""
        pages = self._pages("/apis/coordination.k8s.io/v1", None, "leases", fieldSelector=f"metadata.name={name}")
        return {body["metadata"]["namespace"]: read_lease(body) async for page in pages for body in page.items}

    async def read_config_map(self, namespace: str, name: str) -> Body | None:
        """See ConfigMaps."""
        return await self._read(f"{_config_maps_path(namespace)}/{quote(name)}", kind="configmaps")

    async def write_config_map(self, namespace: str, name: str, data: Mapping[str, str], read: Body | None) -> None:
        """See ConfigMaps. Labels and whatever else somebody gave it stay."""
        path = _config_maps_path(namespace)
        if read is None:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
            await self._request("POST", path, {**body, "data": data})
        else:
            await self._request("PUT", f"{path}/{quote(name)}", {**read, "data": data})

    async def close(self) -> None:
        """Release connections."""
        await self._workers.close()
        await self._api.close()

    async def _read(self, path: str, kind: str = PLURAL) -> Body | None:
        """An object, or None where the API server itself says that it does not exist: a proxy's 404 says nothing."""
        try:
            return await self._request("GET", path)
        except ClusterError as error:
            if error.says_missing(kind):
                return None
            raise

    async def _pages(self, root: str, namespace: str | None, plural: str, **selectors: str) -> AsyncIterator[Page]:
        below = f"/namespaces/{quote(namespace)}" if namespace is not None else ""
        token = ""
        while True:
            query = {**selectors, "limit": str(LIST_PAGE), "continue": token}
            found = await self._request("GET", f"{root}{below}/{plural}", query=query)
            metadata = found.get("metadata")
            if not isinstance(metadata, dict) or not isinstance(found.get("items"), list):
                raise ClusterError(0, "Unreadable", f"the list of {plural} is none")
            yield Page(found["items"], int(metadata.get("resourceVersion") or 0))
            token = metadata.get("continue") or ""
            if not token:
                return

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": OPERATOR}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        time = asyncio.get_running_loop().time
        sent = time()
        try:
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=REQUEST_SECONDS
            )
            heard = time()
            content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._answered(method, 0)
            raise ClusterError(0, "Unreachable", f"{type(error).__name__}: {error}") from error
        self._answered(method, answer.status)
        try:
            document = json.loads(content)
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        if 200 <= answer.status < 300 and document:
            if "kind" in document:  # no proxy's, whose clock is its own
                self._dated(answer.headers.get("Date", ""), sent, heard)
            return document
        raise read_error(answer.status, document, answer.headers.get("Retry-After", ""))


class NoClusterError(Exception):
    """Nothing says which cluster is meant."""


async def connect(
    answered: Callable[[str, int], None], dated: Callable[[str, float, float], None]
) -> KubernetesCluster:
    """A cluster through the pod's service account, else through the kubeconfig ($KUBECONFIG, ~/.kube/config).

    Raises NoClusterError where neither says which, or what it says cannot be used.
    """
    source = "the pod's service account"
    try:
        try:
            config.load_incluster_config()
        except config.ConfigException:
            source = os.environ.get("KUBECONFIG") or "~/.kube/config"
            await config.load_kube_config(source)
        configuration = client.Configuration.get_default_copy()
        # As kopf's watches: no proxy of the environment. To look into ~/.netrc costs as much as the request itself.
        configuration.client_session_kwargs = {"trust_env": False}
        api = client.ApiClient(configuration)
    except (config.ConfigException, *KUBECONFIG_ERRORS) as error:
        raise NoClusterError(f"{source}: {why_unusable(error)}") from None
    return KubernetesCluster(api, answered, dated)


def _job_path(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/{PLURAL}/{quote(name)}"


def _pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"


def _config_maps_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/configmaps"


def _leases_path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
