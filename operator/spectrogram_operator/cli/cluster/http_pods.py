"""`Pods` of an API server."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from websocket import ABNF, WebSocketException

from spectrogram_operator.api.names import KUEUE, MAIN_CONTAINER
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.cli.cluster.requests import (
    LONGEST_LINE,
    Requests,
    cause_of,
    document_of,
    lines_of,
)
from spectrogram_operator.control.cluster.protocol import ClusterError, read_error
from spectrogram_worker.contract.document import PROGRESS_PORT
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES

_STANDARD_OUTPUT, _STATUS = b"\x01", b"\x03"
"""The first byte of a frame says what it is of."""
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class HttpPods(Requests):
    """See Pods."""

    def read_pod(self, namespace: str, name: str) -> Body | None:
        """See Pods."""
        return self.unless_missing("GET", _pod_path(namespace, name), kind="pods")

    def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """See Pods."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self.unless_missing("DELETE", _pod_path(namespace, name), options, kind="pods")
        except ClusterError as error:
            if error.code != 409:
                raise

    def ask_worker(self, namespace: str, pod: str) -> bytes | None:
        """See Pods."""
        try:
            answer = self.send("GET", f"{_pod_path(namespace, pod)}:{PROGRESS_PORT}/proxy/progress")
            content: bytes = answer.response.read(MAXIMUM_REPORT_BYTES + 1)
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        if answer.status == 403:
            raise read_error(answer.status, document_of(content), "")
        return content if answer.status == 200 else None

    def log(self, namespace: str, pod: str, *, follow: bool) -> Iterator[bytes]:
        """See Pods."""
        query = urlencode({"container": MAIN_CONTAINER, **({"follow": "true"} if follow else {})})
        path = f"{_pod_path(namespace, pod)}/log?{query}"
        answer = self.send("GET", path, follow=follow)
        if answer.status != 200:
            raise read_error(answer.status, document_of(answer.read()), "")
        try:
            yield from lines_of(iter(lambda: answer.response.read1(LONGEST_LINE), b""))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterError(0, "Unreachable", cause_of(error)) from error

    def create_pod(self, namespace: str, body: Mapping[str, Any]) -> Body:
        """See Pods."""
        return self.request("POST", f"/api/v1/namespaces/{quote(namespace)}/pods", body)

    def execute(self, namespace: str, pod: str, command: Sequence[str]) -> Iterator[bytes]:
        """See Pods."""
        yield from lines_of(self._printed(namespace, pod, command))

    def _printed(self, namespace: str, pod: str, command: Sequence[str]) -> Iterator[bytes]:
        """What comes on the channel of standard output. The client's own reading copies all of it at each frame."""
        options = {"container": MAIN_CONTAINER, "stdout": True, "stderr": False, "stdin": False, "tty": False}
        ask = CoreV1Api(self._api).connect_get_namespaced_pod_exec
        try:
            socket = stream(ask, pod, namespace, command=list(command), _preload_content=False, **options).sock
            socket.settimeout(self._patience)
            with closing(socket):
                while True:
                    opcode, frame = socket.recv_data_frame(True)
                    if opcode == ABNF.OPCODE_CLOSE or frame.data[:1] == _STATUS:
                        return
                    if frame.data[:1] == _STANDARD_OUTPUT:
                        yield frame.data[1:]
        except (ApiException, WebSocketException, OSError) as error:
            raise ClusterError(0, "Unreachable", cause_of(error)) from error

    def may(self, namespace: str, verb: str, resource: str, subresource: str) -> bool:
        """See Pods."""
        asked = {"namespace": namespace, "verb": verb, "resource": resource, "subresource": subresource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        return bool(self.request("POST", _REVIEWS, review)["status"]["allowed"])

    def config_maps(self, namespace: str, selector: str) -> Sequence[Body]:
        """See Pods."""
        path = f"/api/v1/namespaces/{quote(namespace)}/configmaps"
        found = self.request("GET", path, query={"labelSelector": selector})
        return found.get("items") or []

    def workloads(self, namespace: str, pod_uid: str) -> Sequence[Body]:
        """See Pods."""
        group = self.request("GET", f"/apis/{KUEUE}")
        path = f"/apis/{group['preferredVersion']['groupVersion']}/namespaces/{quote(namespace)}/workloads"
        found = self.request("GET", path, query={"labelSelector": f"{KUEUE}/job-uid={pod_uid}"})
        return found.get("items") or []


def _pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"
