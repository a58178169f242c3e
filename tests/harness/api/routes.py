"""The paths of the Kubernetes API over an ApiStore: a request becomes an HTTP status and a document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.api.store import ApiError, ApiStore, Body


@dataclass(frozen=True)
class Request:
    """One request, with its path taken apart. Without a name it concerns a collection; `namespace` may be None then."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None

    @cached_property
    def parts(self) -> list[str]:
        """What follows the group and version: namespaces, NAMESPACE, PLURAL, NAME, status."""
        parts = self.path.strip("/").split("/")
        return parts[2:] if parts[0] == "api" else parts[3:]

    @cached_property
    def namespace(self) -> str | None:
        """The namespace that the path names."""
        return self.parts[1] if self.parts[0] == "namespaces" and len(self.parts) > 2 else None

    @cached_property
    def plural(self) -> str:
        """The resource."""
        return self.parts[2] if self.namespace is not None else self.parts[0]

    @cached_property
    def name(self) -> str:
        """The object, or an empty string."""
        below = self.parts[3:] if self.namespace is not None else self.parts[1:]
        return below[0] if below else ""

    @cached_property
    def of_status(self) -> bool:
        """True for the status subresource."""
        return bool(self.name) and self.parts[-1] == "status"


def answer(store: ApiStore, request: Request) -> tuple[int, Body]:
    """The HTTP status and the document with which an API server answers; it takes effect at once."""
    try:
        if request.name:
            return 200, _object(store, request)
        if request.method == "POST":
            assert request.body is not None
            return 201, store.create(request.plural, request.body)
        return 200, _list(store, request)
    except ApiError as error:
        return error.code, error.document()


def _object(store: ApiStore, request: Request) -> Body:
    place = (request.plural, request.namespace or "", request.name)
    if request.method == "GET":
        return store.get(*place)
    if request.method == "DELETE":
        options = request.body or {}
        preconditions = options.get("preconditions") or {}
        return store.delete(
            *place,
            uid=preconditions.get("uid"),
            resource_version=preconditions.get("resourceVersion"),
            grace_seconds=options.get("gracePeriodSeconds"),
        )
    if request.method == "PUT" and request.of_status:
        assert request.body is not None
        return store.replace_status(request.plural, request.body)
    if request.method == "PUT":
        assert request.body is not None
        return store.replace(request.plural, request.body)
    raise ApiError(405, "MethodNotAllowed", f"{request.method} {request.path}", kind=request.plural)


def _list(store: ApiStore, request: Request) -> Body:
    query = request.query
    page = store.read_list(
        request.plural,
        namespace=request.namespace,
        selector=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=int(query.get("limit") or 0),
        token=query.get("continue", ""),
    )
    metadata: dict[str, Any] = {"resourceVersion": str(page.version)}
    return {
        "kind": "List",
        "metadata": metadata | ({"continue": page.token} if page.token else {}),
        "items": page.items,
    }
