"""The operator's own KubernetesCluster whose requests reach an ApiStore in the same process, with faults, without HTTP.

What a request meets is data: a `Fate` that somebody decides on for each one, before and after it takes effect.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from kubernetes.aio import client

from harness.api.routes import Request, answer
from harness.api.store import ApiError, ApiStore, Body
from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.core.judging.pod import Pod

CONNECTION_LOST = 0
LONG_SECONDS = 1.0
PROXYS_CLOCK = timedelta(hours=-5)
"""By which whoever answers in place of the API server dates its errors."""
REASONS = {
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    504: "Timeout",
}


@dataclass(frozen=True)
class Fate:
    """What becomes of one request.

    It reaches the server `seconds_before` after it was sent, and its answer comes `seconds_after` that. `error` is
    answered instead of the truth: 0 means that the connection is lost, 404 what a proxy says, of no object, or where it
    is `stale`, what an API server says of this one that is behind. `stored`: the request took effect all the same.
    `kill`: the operator's process ends instead of hearing an answer; at once, where the request is long under way.
    """

    seconds_before: float = 0.0
    seconds_after: float = 0.0
    error: int | None = None
    message: str = "an injected fault"
    stored: bool = True
    stale: bool = False
    kill: bool = False


@dataclass(frozen=True)
class Heard:
    """One request and what came of it, for whoever keeps a record. `given_up`: nobody waits for the answer any more."""

    operator: str
    request: Request
    code: int
    document: Body
    fate: Fate
    given_up: bool = False


class Connection:
    """One operator's way to the store: the transport under a KubernetesCluster.

    `decide` gives each request its fate, `tell` is told what the server did at the moment when it did it, and `die` is
    called for a fate that kills. Once `dead`, no request gets out any more.
    """

    def __init__(
        self,
        operator: str,
        store: ApiStore,
        *,
        decide: Callable[[Request], Fate] = lambda request: Fate(),
        tell: Callable[[Heard], None] = lambda heard: None,
        die: Callable[[], None] = lambda: None,
    ) -> None:
        self.operator = operator
        self.dead = False
        self._store = store
        self._decide = decide
        self._tell = tell
        self._die = die
        self._left_behind: set[asyncio.Task[tuple[int, Body]]] = set()
        """What is under way of a process that is gone."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        _request_timeout: float = 0.0,
    ) -> Any:
        """What rest_client.request of the Kubernetes client does."""
        if self.dead:
            await _hang()
        parts = urlsplit(url)
        request = Request(method, parts.path, dict(parse_qsl(parts.query)), dict(body) if body is not None else None)
        fate = self._decide(request)
        under_way = _UnderWay(request, fate)
        if fate.kill and fate.seconds_before >= LONG_SECONDS:
            under_way.given_up = True
            self._left_behind.add(asyncio.create_task(self._arrive(under_way)))
            await self._killed()
        if fate.seconds_before:
            arriving = asyncio.create_task(self._arrive(under_way))
            try:
                code, document = await asyncio.shield(arriving)
            except asyncio.CancelledError:
                under_way.given_up = True
                raise
        else:
            code, document = await self._arrive(under_way)
        dated = self._store.now()
        if fate.kill:
            await self._killed()
        if fate.seconds_after:
            await asyncio.sleep(fate.seconds_after)
        if fate.error == CONNECTION_LOST:
            raise aiohttp.ServerDisconnectedError
        if fate.error is not None:
            code, document = fate.error, _failure(fate, request)
            dated += PROXYS_CLOCK
        return _Answer(code, document, {"Date": format_datetime(dated, usegmt=True)})

    async def _killed(self) -> NoReturn:
        self.dead = True
        self._die()
        await _hang()

    async def _arrive(self, under_way: "_UnderWay") -> tuple[int, Body]:
        """What has been sent reaches the server, also where who sent it has given up or is gone by then."""
        if under_way.fate.seconds_before:
            await asyncio.sleep(under_way.fate.seconds_before)
        request, fate = under_way.request, under_way.fate
        code, document = (
            answer(self._store, request) if fate.stored else (fate.error or CONNECTION_LOST, _failure(fate, request))
        )
        self._tell(Heard(self.operator, request, code, document, fate, under_way.given_up))
        return code, document


@dataclass
class _UnderWay:
    """A request that was sent, and whether nobody waits for the answer any more."""

    request: Request
    fate: Fate
    given_up: bool = False


class MemoryCluster(KubernetesCluster):
    """The real thing over a Connection; `workers` answers GET /progress for a pod, `dated` is KubernetesCluster's."""

    def __init__(
        self,
        connection: Connection,
        workers: Callable[[Pod], bytes | None] = lambda pod: None,
        dated: Callable[[str, float, float], None] = lambda date, sent, heard: None,
    ) -> None:
        super().__init__(cast(client.ApiClient, _Api(connection)), dated=dated)
        self._ask = workers

    async def ask_worker(self, pod: Pod) -> bytes | None:
        """See Cluster."""
        return self._ask(pod)


class _Api:
    """What KubernetesCluster uses of an ApiClient."""

    def __init__(self, connection: Connection) -> None:
        self.configuration = SimpleNamespace(host="")
        self.rest_client = connection

    async def update_params_for_auth(self, *_: Any) -> None:
        """Nobody asks who we are."""

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class _Answer:
    status: int
    document: Body
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        return json.dumps(self.document).encode()


def _failure(fate: Fate, request: Request) -> Body:
    code = fate.error or CONNECTION_LOST
    kind = "" if code == 404 and not fate.stale else request.plural
    return ApiError(code, REASONS.get(code, ""), fate.message, kind=kind).document()


async def _hang() -> NoReturn:
    """A dead process waits until it is taken away."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
