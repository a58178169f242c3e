"""`Jobs` of an API server, over the official client's transport and plain dicts."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from spectrogram_operator.api.names import GROUP, PLURAL, VERSION
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.control.cluster.protocol import ClusterError, read_error

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
_LIST_PAGE = 500
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
            if error.code == 404 and error.reason == "NotFound" and error.kind == kind:
                return None
            raise

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Body:
        headers = {"Accept": "application/json", "Content-Type": _MERGE if method == "PATCH" else "application/json"}
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        try:
            self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            answer = self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=(CONNECT_SECONDS, REQUEST_SECONDS)
            )
            content = answer.read()
        except (urllib3.exceptions.HTTPError, ApiException, ConfigException, OSError) as error:
            raise ClusterError(0, "Unreachable", _cause(error)) from error
        try:
            document = json.loads(content)
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        if 200 <= answer.status < 300 and document:
            return document
        raise read_error(answer.status, document, answer.getheader("Retry-After") or "")


def _cause(error: Exception) -> str:
    """What is wrong with the connection, without the names of urllib3's own objects."""
    text = str(getattr(error, "reason", None) or error)
    return _OWN_WORDS.sub("", " ".join(text.split()))


def _path(namespace: str | None, name: str | None = None) -> str:
    below = f"/namespaces/{quote(namespace)}" if namespace is not None else ""
    return f"/apis/{GROUP}/{VERSION}{below}/{PLURAL}" + (f"/{quote(name)}" if name is not None else "")
