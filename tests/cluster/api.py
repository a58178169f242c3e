"""A namespace of the API server, in-process: kubectl takes a tenth of a second for what tests ask very often."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from harness.kubernetes.control_plane import ApiServer
from harness.waiting import wait_until

Body = dict[str, Any]

USER_AGENT = "cluster-tests"
_GROUPS = {
    "spectrogramjobs": "/apis/spectrogram.dev/v1beta1",
    "leases": "/apis/coordination.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}
_CLUSTER_SCOPED = {"persistentvolumes", "namespaces"}
_CONTENT_TYPES = {"PATCH": "application/merge-patch+json"}


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        super().__init__(f"{code} {status.get('reason')}: {status.get('message')}")
        self.code = code
        self.reason: str = status.get("reason", "")
        self.message: str = status.get("message", "")
        self.details: Mapping[str, Any] = status.get("details") or {}


class _Answer(NamedTuple):
    status: int
    document: Body


class Api:
    """One connection, as the cluster's administrator, by default in `namespace`. For one thread at a time."""

    def __init__(self, control_plane: ApiServer, namespace: str) -> None:
        self.control_plane = control_plane
        self.namespace = namespace
        self._connection: http.client.HTTPConnection | None = None

    def another(self) -> "Api":
        """A second connection, for a second thread."""
        return Api(self.control_plane, self.namespace)

    def find(self, resource: str, name: str) -> Body | None:
        """The object, or None if there is none."""
        try:
            return self.get(resource, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def get(self, resource: str, name: str) -> Body:
        return self.request("GET", self._path(resource, name))

    def list(self, resource: str, **query: str) -> list[Body]:
        items: list[Body] = self.page(resource, **query)["items"]
        return items

    def page(self, resource: str, **query: str) -> Body:
        """The list itself, with its version and where it goes on."""
        return self.request("GET", f"{self._path(resource)}?{urlencode(query)}")

    def create(self, resource: str, body: Mapping[str, Any], *, name: str = "", subresource: str = "") -> Body:
        return self.request("POST", self._path(resource, name, subresource), body)

    def replace(self, resource: str, body: Mapping[str, Any], *, subresource: str = "") -> Body:
        return self.request("PUT", self._path(resource, body["metadata"]["name"], subresource), body)

    def patch(self, resource: str, name: str, body: Mapping[str, Any], *, subresource: str = "") -> Body:
        return self.request("PATCH", self._path(resource, name, subresource), body)

    def patch_pod_status(self, name: str, status: Mapping[str, Any]) -> Body:
        """As a kubelet does: conditions are merged by their type."""
        path = self._path("pods", name, "status")
        return self.request("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")

    def delete(self, resource: str, name: str, **options: Any) -> None:
        """Also fine if there is none. `gracePeriodSeconds=0` is by force."""
        try:
            self.request("DELETE", self._path(resource, name), {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, resource: str, **query: str) -> Iterator[tuple[str, Body]]:
        """Every event from now on, what exists first, in the order of the server. Ends when the server ends it."""
        self._connection = self._connect()
        try:
            asked = urlencode({"watch": "true", "timeoutSeconds": "3600"} | query)
            self._connection.request("GET", f"{self._path(resource)}?{asked}", headers={"User-Agent": USER_AGENT})
            with self._connection.getresponse() as answer:
                if answer.status != 200:
                    raise ApiError(answer.status, json.loads(answer.read()))
                for line in answer:
                    event = json.loads(line)
                    yield event["type"], event["object"]
        finally:
            self.close()

    def interrupt(self) -> None:
        """End the watch that another thread follows now, if it does: it may close it at the same time."""
        connection = self._connection
        with contextlib.suppress(OSError, ValueError):
            if connection is not None and connection.sock is not None:
                # Not SSLSocket's own: from then on that one would hand what is encrypted to the thread that reads.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = "") -> Body:
        """The answer. An API server that has just started asks to come again (429), as clients of Kubernetes do."""
        answer = wait_until(
            lambda: self._answer(method, path, body, content_type), what="an API server that has time", interval=0.5
        )
        if answer.status >= 300:
            raise ApiError(answer.status, answer.document)
        return answer.document

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None, content_type: str) -> _Answer | None:
        headers = {
            "Content-Type": content_type or _CONTENT_TYPES.get(method, "application/json"),
            "User-Agent": USER_AGENT,
        }
        content = None if body is None else json.dumps(body)
        for last_try in (False, True):
            self._connection = self._connection or self._connect()
            try:
                self._connection.request(method, path, content, headers)
                answer = self._connection.getresponse()
                document: Body = json.loads(answer.read())
                break
            except (http.client.HTTPException, OSError):
                # The server closes connections that were idle for long.
                self._connection.close()
                self._connection = None
                if last_try:
                    raise
        return _Answer(answer.status, document) if answer.status != HTTPStatus.TOO_MANY_REQUESTS else None

    def _connect(self) -> http.client.HTTPConnection:
        certificates = self.control_plane.certificates
        context = ssl.create_default_context(cafile=str(certificates.authority))
        context.load_cert_chain(certificates.folder / "admin.pem", certificates.folder / "admin-key.pem")
        host = urlsplit(self.control_plane.server).netloc
        return http.client.HTTPSConnection(host, context=context, timeout=3600)

    def _path(self, resource: str, name: str = "", subresource: str = "") -> str:
        group = _GROUPS.get(resource, "/api/v1")
        scope = "" if resource in _CLUSTER_SCOPED else f"/namespaces/{self.namespace}"
        return "/".join(part for part in (f"{group}{scope}/{resource}", name, subresource) if part)
