"""A server on loopback that answers as it is told, in place of the API server or of a worker."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import trustme
from aiohttp import web

from spectrogram_operator.api.job import Job
from spectrogram_operator.control.cluster.kubernetes import KubernetesCluster
from spectrogram_operator.control.cluster.protocol import Body
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.planning.observed import Event
from unit.operator.core.play import build_job

JOBS = "/apis/spectrogram.dev/v1beta1/namespaces/radio/spectrogramjobs"
PODS = "/api/v1/namespaces/radio/pods"
CLAIMS = "/api/v1/namespaces/radio/persistentvolumeclaims"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/radio/leases"
AUTHORITY = trustme.CA().cert_pem.bytes().decode()
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable["Site"]]
Connect = Callable[..., Awaitable[tuple[KubernetesCluster, "Site"]]]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str


@dataclass
class Site:
    """A server on loopback: it gives its answers in turn, the last for ever, and keeps what it was asked."""

    answers: list[Answer]
    host: str = "127.0.0.1"
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    dated: list[tuple[str, float, float]] = field(default_factory=list)
    """The date of each answer that told the API server's time, and when it was asked for and heard."""
    close: Callable[[], Awaitable[None]] = field(init=False)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        token = request.headers.get("Authorization", "")
        self.asked.append(Asked(request.method, request.path, dict(request.query), body, token))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


def says(body: Any, code: int = 200, **headers: str) -> Answer:
    """An answer: a document as JSON, or a text as it is."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=headers)

    return answer


def refuses(code: int, reason: str, kind: str = "", *, message: str = "no", causes: tuple[str, ...] = ()) -> Answer:
    """A Status object, as the API server explains itself with."""
    details = {"kind": kind, "causes": [{"reason": cause} for cause in causes]}
    return says({"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}, code)


def sends(content: bytes, *, declared: int) -> Answer:
    """An answer that declares a length, sends this, and breaks off."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(content)
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


async def hangs(_: web.BaseRequest) -> web.StreamResponse:
    """No answer."""
    await asyncio.Event().wait()
    raise AssertionError


def job(name: str = "fm-band") -> Job:
    """The job of this name at version 41."""
    return replace(build_job(), name=name, resource_version="41", raw_spec={"priority": 3})


async def listed_pods(cluster: KubernetesCluster, namespace: str | None = None) -> list[Body]:
    """All pods of a namespace, or of all."""
    return [body async for page in cluster.list_pods(namespace) for body in page.items]


OK = says({"metadata": {"name": "x"}})
GONE = refuses(404, "NotFound", "pods")
DONE = Event(reason="Completed", message="all is well")
TOLD = datetime(2026, 11, 23, 12, tzinfo=UTC)
POD = Pod(namespace="radio", name="fm-band-a1", uid="u")
MANIFEST = {"metadata": {"namespace": "radio", "name": "fm-band-a1"}}
