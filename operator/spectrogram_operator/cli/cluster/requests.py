"""Requests to an API server, over the official client's transport and plain dicts. Each may raise ClusterError."""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse
from kubernetes.config import ConfigException

from spectrogram_operator.api.names import COMMANDS, PLURAL
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.control.cluster.protocol import ClusterError, read_error

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
LONGEST_LINE = 64 * 1024
_TRIES, _LONGEST_PAUSE = 5, 5.0
_OWN_WORDS = re.compile(r"^(\w+Error )?(HTTPS?Connection(Pool)?\([^)]*\): )?")
_MERGE = "application/merge-patch+json"


class Requests:
    """What asks one API server."""

    def __init__(self, api: ApiClient, patience: float = REQUEST_SECONDS) -> None:
        """`patience` is how many seconds an answer may take."""
        self._api, self._patience = api, patience

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._api.configuration.host)

    def unless_missing(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = PLURAL
    ) -> Body | None:
        """What is answered; None where the API server says that there is none of this kind."""
        try:
            return self.request(method, path, body)
        except ClusterError as error:
            if error.says_missing(kind):
                return None
            raise

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Body:
        """The object that is answered."""
        for last_try in (False,) * (_TRIES - 1) + (True,):
            answer = self.send(method, path + (f"?{urlencode(query)}" if query else ""), body)
            try:
                document = document_of(answer.read())
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise ClusterError(0, "Unreachable", cause_of(error)) from error
            if 200 <= answer.status < 300 and document:
                return document
            refusal = read_error(answer.status, document, answer.getheader("Retry-After") or "")
            if last_try or refusal.code != 429 or refusal.retry_after is None:
                raise refusal
            time.sleep(min(refusal.retry_after, _LONGEST_PAUSE))  # it was not looked at, and may be asked again
        raise AssertionError("the last try returns or raises")

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        follow: bool = False,
    ) -> RESTResponse:
        """The answer, whatever it is, unread; with `follow` one that may take for ever."""
        content_type = _MERGE if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": COMMANDS}
        try:
            self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            timeout = (min(CONNECT_SECONDS, self._patience), None if follow else self._patience)
            answer: RESTResponse = self._api.rest_client.request(
                method, self.server + path, headers=headers, body=body, _request_timeout=timeout
            )
        except (urllib3.exceptions.HTTPError, ApiException, ConfigException, OSError) as error:
            raise ClusterError(0, "Unreachable", cause_of(error)) from error
        return answer


def document_of(content: bytes) -> Body:
    """The object in an answer; empty where it is none."""
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def cause_of(error: Exception) -> str:
    """What is wrong with the connection, without the names of urllib3's own objects."""
    text = str(getattr(error, "reason", None) or error)
    return _OWN_WORDS.sub("", " ".join(text.split()))


def lines_of(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in what comes part by part. One without an end is cut."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        yield from lines
    if rest:
        yield rest
