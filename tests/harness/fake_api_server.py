"""A small API server for faults that a real one cannot be made to show: conflicts, lost answers, deaf watches.

It knows what the operator uses and no more: discovery, list, watch, resourceVersions, the status subresource, pods,
events, claims. No schema, no defaulting, no controllers: what those do is tested on a real API server (tests/cluster).
"""

import asyncio
import copy
import json
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

Body = dict[str, Any]
RESOURCES = {
    "/api/v1": [
        ("namespaces", "Namespace"),
        ("pods", "Pod"),
        ("events", "Event"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ],
    "/apis/spectrogram.dev/v1beta1": [("spectrogramjobs", "SpectrogramJob")],
}
KINDS = dict(entry for entries in RESOURCES.values() for entry in entries)


@dataclass
class Fault:
    """Answers the next `times` requests that `applies` picks with `code`; if `stored`, they took effect first."""

    applies: Callable[[str, str], bool]
    code: int
    times: int = 1
    stored: bool = False
    body: Body | None = None


@dataclass
class FakeApiServer:
    """Objects by (plural, namespace, name), a log of requests, armed faults, and watches that can be made deaf."""

    objects: dict[tuple[str, str, str], Body] = field(default_factory=dict)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    deaf: bool = False
    _version: int = 100
    _watches: list[tuple[str, asyncio.Queue[Body | None]]] = field(default_factory=list)

    def application(self) -> web.Application:
        """The server, to be run by aiohttp."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    def put(self, plural: str, body: Body) -> Body:
        """Store an object as a client or controller would, and tell the watches."""
        metadata = body.setdefault("metadata", {})
        metadata.setdefault("namespace", "default")
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        metadata.setdefault("generation", 1)
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        key = (plural, metadata["namespace"], metadata["name"])
        kind = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = body
        self._tell(plural, kind, body)
        return body

    def remove(self, plural: str, name: str, namespace: str = "default") -> None:
        """Delete an object at once."""
        self._tell(plural, "DELETED", self.objects.pop((plural, namespace, name)))

    def get(self, plural: str, name: str, namespace: str = "default") -> Body:
        """The object as stored."""
        return self.objects[(plural, namespace, name)]

    def pods(self) -> list[Body]:
        """Every pod."""
        return [body for (plural, _, _), body in self.objects.items() if plural == "pods"]

    def break_watches(self, event: Body) -> None:
        """Send this event, such as an ERROR 410, to every watch and end it."""
        for _, events in self._watches:
            events.put_nowait(event)
            events.put_nowait(None)
        self._watches.clear()

    def _tell(self, plural: str, kind: str, body: Body) -> None:
        if not self.deaf:
            for watched, events in self._watches:
                if watched == plural:
                    events.put_nowait({"type": kind, "object": copy.deepcopy(body)})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        watching = request.query.get("watch") in ("1", "true")
        method = "WATCH" if watching else request.method
        parts = path.split("/")
        self.requests[method, "/".join(part for part in parts if part not in ("default",))] += 1
        fault = next((one for one in self.faults if one.times > 0 and one.applies(method, path)), None)
        if fault is not None:
            fault.times -= 1
            if not fault.stored:
                return _status(fault.code, "Fault", body=fault.body)
        if watching:
            return await self._watch(request, parts[-1])
        body = await request.json() if request.can_read_body else None
        answer = self._serve(request.method, path, body)
        return _status(fault.code, "Fault", body=fault.body) if fault is not None else answer

    def _serve(self, method: str, path: str, body: Body | None) -> web.Response:
        if path == "/version":
            return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.4"})
        if path in ("/api", "/apis", *RESOURCES):
            return web.json_response(_discovery(path))
        parts = path.strip("/").split("/")
        status = parts[-1] == "status"
        parts = parts[:-1] if status else parts
        below = parts[2:] if parts[0] == "api" else parts[3:]
        if below[0] != "namespaces" or len(below) == 3:
            plural = below[-1]
            if method == "POST":
                assert body is not None
                return self._create(plural, body)
            items = [entry for (kind, _, _), entry in self.objects.items() if kind == plural]
            return web.json_response(
                {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}
            )
        _, namespace, plural, name = below
        stored = self.objects.get((plural, namespace, name))
        if stored is None:
            return _status(404, "NotFound", plural)
        if method == "GET":
            return web.json_response(stored)
        if method == "DELETE":
            stored["metadata"]["deletionTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return web.json_response(self.put(plural, stored))
        assert method == "PUT"
        assert status
        assert body is not None
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return _status(409, "Conflict", plural)
        return web.json_response(self.put(plural, {**copy.deepcopy(stored), "status": body["status"]}))

    def _create(self, plural: str, body: Body) -> web.Response:
        metadata = body["metadata"]
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:8]}")
        if (plural, metadata["namespace"], metadata["name"]) in self.objects:
            return _status(409, "AlreadyExists", plural)
        return web.json_response(self.put(plural, body), status=201)

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        events: asyncio.Queue[Body | None] = asyncio.Queue()
        self._watches.append((plural, events))
        try:
            while (event := await events.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        except ConnectionResetError:
            pass
        return response


def _status(code: int, reason: str, plural: str = "", *, body: Body | None = None) -> web.Response:
    details = {"kind": plural} if plural else {}
    status = {"kind": "Status", "code": code, "reason": reason, "message": reason, "details": details}
    return web.json_response(body if body is not None else status, status=code)


def _discovery(path: str) -> Body:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        version = {"groupVersion": "spectrogram.dev/v1beta1", "version": "v1beta1"}
        return {
            "kind": "APIGroupList",
            "groups": [{"name": "spectrogram.dev", "versions": [version], "preferredVersion": version}],
        }
    verbs = ["get", "list", "watch", "create", "patch", "update", "delete"]
    resources = []
    for plural, kind in RESOURCES[path]:
        common = {"singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
        resources += [{"name": plural, **common}, {"name": f"{plural}/status", **common}]
    return {"kind": "APIResourceList", "groupVersion": path.split("/", 2)[-1], "resources": resources}
