"""An API server over HTTP for what a real one cannot be made to show: lost answers, deaf watches, tiny pages.

What it keeps and answers is an ApiStore's (store.py); here are only discovery, streams of events, and faults. No
defaulting, no controllers: what those do is tested on a real API server (tests/cluster), which also has to give the
same answers (answers.py).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from harness.api.routes import Request, answer
from harness.api.rules import refuse_what_is_invalid
from harness.api.store import ApiError, ApiStore, Body, Change

RESOURCES = {
    "/api/v1": [
        ("namespaces", "Namespace"),
        ("pods", "Pod"),
        ("events", "Event"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ],
    "/apis/spectrogram.dev/v1beta1": [("spectrogramjobs", "SpectrogramJob")],
}


@dataclass
class Fault:
    """Answers the next `times` requests that `applies` picks with `code`; if `stored`, they took effect first."""

    applies: Callable[[str, str], bool]
    code: int
    times: int = 1
    stored: bool = False
    body: Body | None = None

    def answer(self) -> web.Response:
        """What the client hears."""
        return _json(self.code, self.body or ApiError(self.code, "Fault").document())


@dataclass(eq=False)
class Watch:
    """One stream of events. `at` is the version that it has told of, None before it has told what exists.

    It ends with `last`, if it is `over`, and then tells nothing else.
    """

    asked: Request
    at: int | None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    last: Body | None = None


@dataclass
class FakeApiServer:
    """A store, a log of requests, armed faults, and watches that can be made deaf.

    `most_per_page` is the most that one page of a list has, whatever limit is asked for: a server may give fewer.
    """

    store: ApiStore = field(default_factory=lambda: ApiStore(validate=refuse_what_is_invalid))
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    deaf: bool = False
    most_per_page: int = 500
    _watches: list[Watch] = field(default_factory=list)
    _unheard: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store.listeners.append(self._tell)

    def application(self) -> web.Application:
        """The server, to be run by aiohttp."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    def put(self, plural: str, body: Body) -> Body:
        """Store an object of the namespace `default` as a client, a controller or a kubelet would."""
        return self.store.put(plural, {**body, "metadata": {"namespace": "default"} | body["metadata"]})

    def remove(self, plural: str, name: str) -> None:
        """An object of that namespace is gone, at once."""
        self.store.remove(plural, "default", name)

    def get(self, plural: str, name: str) -> Body:
        """The object as stored."""
        return self.store.get(plural, "default", name)

    def pods(self) -> list[Body]:
        """Every pod."""
        return self.store.read_list("pods").items

    def end_watches(self) -> None:
        """Every watch ends, as after its time: whoever follows it goes on from what it was told last."""
        for watch in self._watches:
            watch.over = True
            watch.news.set()

    def break_watches(self) -> None:
        """Every watch is told 410 Expired instead of its news, and ends: whoever follows it has to list again."""
        for watch in self._watches:
            watch.last = ApiError(410, "Expired", "too old resource version").document()
        self.end_watches()

    def _tell(self, change: Change) -> None:
        if self.deaf:
            self._unheard.add(change.version)
        for watch in self._watches:
            watch.news.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        method = "WATCH" if request.query.get("watch") in ("1", "true") else request.method
        self.requests[method, path.replace("/default/", "/")] += 1
        fault = next((one for one in self.faults if one.times > 0 and one.applies(method, path)), None)
        if fault is not None:
            fault.times -= 1
            if not fault.stored:
                return fault.answer()
        body = await request.json() if request.can_read_body else None
        asked = Request(method, path, dict(request.query), body)
        if body is not None and "metadata" in body and asked.namespace is not None:
            body["metadata"].setdefault("namespace", asked.namespace)
        told = await self._watch(request, asked) if method == "WATCH" else self._serve(asked)
        return fault.answer() if fault is not None else told

    def _serve(self, asked: Request) -> web.Response:
        if asked.path == "/version":
            return _json(200, {"major": "1", "minor": "34", "gitVersion": "v1.34.4"})
        if asked.path in ("/api", "/apis", *RESOURCES):
            return _json(200, _discovery(asked.path))
        if asked.method == "GET" and "limit" in asked.query:
            limit = min(int(asked.query["limit"]), self.most_per_page)
            asked = Request(asked.method, asked.path, {**asked.query, "limit": str(limit)})
        return _json(*answer(self.store, asked))

    async def _watch(self, request: web.Request, asked: Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        seconds = asked.query.get("timeoutSeconds")
        watch = Watch(asked, int(asked.query.get("resourceVersion") or 0) or None)
        watch.news.set()
        self._watches.append(watch)
        try:
            async with asyncio.timeout(float(seconds) if seconds else None):
                while not watch.over:
                    await watch.news.wait()
                    watch.news.clear()
                    for event in self._news(watch):
                        await response.write(json.dumps(event).encode() + b"\n")
        except (ConnectionResetError, TimeoutError):
            pass
        finally:
            self._watches.remove(watch)
        return response

    def _news(self, watch: Watch) -> Iterator[Body]:
        """What this watch has not told yet; a version that is too old is told as an event (cacher.go, Watch)."""
        try:
            if not watch.over:
                yield from self._changes(watch)
        except ApiError as error:
            watch.over, watch.last = True, error.document()
        if watch.last is not None:
            yield {"type": "ERROR", "object": watch.last}

    def _changes(self, watch: Watch) -> Iterator[Body]:
        plural, namespace = watch.asked.plural, watch.asked.namespace
        selector = watch.asked.query.get("labelSelector", "")
        if watch.at is None:
            page = self.store.read_list(plural, namespace=namespace, selector=selector)
            watch.at = page.version
            yield from ({"type": "ADDED", "object": body} for body in page.items)
        changes = self.store.changes(plural, watch.at, namespace=namespace, selector=selector)
        news = [change for change in changes if change.version not in self._unheard]
        watch.at = self.store.version
        yield from ({"type": change.type, "object": change.body} for change in news)
        if not news and watch.asked.query.get("allowWatchBookmarks") == "true":
            yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(watch.at)}}}


def _json(code: int, document: Body) -> web.Response:
    return web.json_response(document, status=code)


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
