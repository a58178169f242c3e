"""`Jobs` of an API server, over the official client's transport and plain dicts."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse
from kubernetes.config import ConfigException

from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import GROUP, MAIN_CONTAINER, PLURAL, VERSION
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.control.cluster.protocol import ClusterError, read_error, status_write
from spectrogram_worker.contract.document import PROGRESS_PORT
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
_TRIES, _LONGEST_PAUSE = 5, 5.0
_LIST_PAGE = 500
_LOG_BYTES = 64 * 1024
_OWN_WORDS = re.compile(r"^(\w+Error )?(HTTPS?Connection(Pool)?\([^)]*\): )?")
_MERGE = "application/merge-patch+json"


class HttpJobs:
    """See Jobs."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._api.configuration.host)

    def list(self, namespace: str | None, selector: str | None = None) -> Sequence[Body]:
        """See Jobs."""
        found: list[Body] = []
        query = {"limit": str(_LIST_PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = self._request("GET", _path(namespace), query=query)
            found += page.get("items") or []
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return found

    def read(self, namespace: str, name: str) -> Body | None:
        """See Jobs."""
        return self._unless_missing("GET", _path(namespace, name))

    def create(self, namespace: str, body: Mapping[str, Any]) -> Body:
        """See Jobs."""
        return self._request("POST", _path(namespace), body)

    def change(self, namespace: str, name: str, spec: Mapping[str, Any]) -> Body | None:
        """See Jobs."""
        return self._unless_missing("PATCH", _path(namespace, name), {"spec": spec})

    def log(self, namespace: str, pod: str, *, follow: bool) -> Iterator[bytes]:
        """See Jobs."""
        query = urlencode({"container": MAIN_CONTAINER, **({"follow": "true"} if follow else {})})
        path = f"{_pod_path(namespace, pod)}/log?{query}"
        answer = self._send("GET", path, read_seconds=None if follow else REQUEST_SECONDS)
        if answer.status != 200:
            raise read_error(answer.status, _document(answer.read()), "")
        rest = b""
        try:
            while part := answer.response.read1(_LOG_BYTES):
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > _LOG_BYTES:
                    lines, rest = [*lines, rest], b""
                yield from lines
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterError(0, "Unreachable", _cause(error)) from error
        if rest:
            yield rest

    def write_status(self, job: Job, status: Mapping[str, Any]) -> None:
        """See Jobs."""
        self._request("PUT", f"{_path(job.namespace, job.name)}/status", status_write(job, status))

    def read_pod(self, namespace: str, name: str) -> Body | None:
        """See Jobs."""
        return self._unless_missing("GET", _pod_path(namespace, name), kind="pods")

    def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """See Jobs."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self._unless_missing("DELETE", _pod_path(namespace, name), options, kind="pods")
        except ClusterError as error:
            if error.code != 409:
                raise

    def ask_worker(self, namespace: str, pod: str) -> bytes | None:
        """See Jobs."""
        try:
            answer = self._send("GET", f"{_pod_path(namespace, pod)}:{PROGRESS_PORT}/proxy/progress")
            content: bytes = answer.response.read(MAXIMUM_REPORT_BYTES + 1)
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        if answer.status == 403:
            raise read_error(answer.status, _document(content), "")
        return content if answer.status == 200 else None

    def has_namespace(self, namespace: str) -> bool | None:
        """See Jobs."""
        try:
            found = self._unless_missing("GET", f"/api/v1/namespaces/{quote(namespace)}", kind="namespaces")
            return found is not None
        except ClusterError as error:
            if error.code == 403:
                return None
            raise

    def _unless_missing(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = PLURAL
    ) -> Body | None:
        try:
            return self._request(method, path, body)
        except ClusterError as error:
            if error.says_missing(kind):
                return None
            raise

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Body:
        for last_try in (False,) * (_TRIES - 1) + (True,):
            answer = self._send(method, path + (f"?{urlencode(query)}" if query else ""), body)
            try:
                document = _document(answer.read())
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ClusterError(0, "Unreachable", _cause(error)) from error
            if 200 <= answer.status < 300 and document:
                return document
            refusal = read_error(answer.status, document, answer.getheader("Retry-After") or "")
            if last_try or refusal.code != 429 or refusal.retry_after is None:
                raise refusal
            time.sleep(min(refusal.retry_after, _LONGEST_PAUSE))  # it was not looked at, and may be asked again
        raise AssertionError("the last try returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        read_seconds: float | None = REQUEST_SECONDS,
    ) -> RESTResponse:
        headers = {"Accept": "application/json", "Content-Type": _MERGE if method == "PATCH" else "application/json"}
        try:
            self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            timeout = (CONNECT_SECONDS, read_seconds)
            answer: RESTResponse = self._api.rest_client.request(
                method, self.server + path, headers=headers, body=body, _request_timeout=timeout
            )
        except (urllib3.exceptions.HTTPError, ApiException, ConfigException, OSError) as error:
            raise ClusterError(0, "Unreachable", _cause(error)) from error
        return answer


def _document(content: bytes) -> Body:
    """The object in an answer; empty where it is none."""
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _cause(error: Exception) -> str:
    """What is wrong with the connection, without the names of urllib3's own objects."""
    text = str(getattr(error, "reason", None) or error)
    return _OWN_WORDS.sub("", " ".join(text.split()))


def _pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"


def _path(namespace: str | None, name: str | None = None) -> str:
    below = f"/namespaces/{quote(namespace)}" if namespace is not None else ""
    return f"/apis/{GROUP}/{VERSION}{below}/{PLURAL}" + (f"/{quote(name)}" if name is not None else "")
