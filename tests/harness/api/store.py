"""What an API server keeps and refuses, without HTTP and without asyncio: the ground under every in-memory cluster.

Honest in what the operator relies on: one resourceVersion for everything, locked writes, preconditions, graceful
deletion, lists in pages, watches that begin at a version. It has no schema, no defaults and no controllers: whoever
wants them passes `validate`, calls `collect_garbage`, or plays a kubelet with `put` and `remove`. Objects that it hands
out are its own: read them, and write a changed copy.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

Body = dict[str, Any]
Key = tuple[str, str, str]
Validate = Callable[[str, Body, Body | None], None]
PODS = "pods"
# What a failed precondition of a deletion is about is told by kind, and everything else in plural.
KINDS = {PODS: "Pod", "spectrogramjobs": "SpectrogramJob"}
HAS_STATUS_SUBRESOURCE = (PODS, "spectrogramjobs")
SECONDS_OF_GRACE = 30


class ApiError(Exception):
    """What the API server answers instead: an HTTP status and a reason. `kind` is mostly the resource, in plural."""

    def __init__(self, code: int, reason: str, message: str = "", *, kind: str = "", name: str = "") -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message, self.kind, self.name = code, reason, message or reason, kind, name

    def document(self) -> Body:
        """The error as a Status object."""
        details = {key: value for key, value in (("kind", self.kind), ("name", self.name)) if value}
        failure = {"code": self.code, "reason": self.reason, "message": self.message, "details": details}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **failure}


@dataclass(frozen=True)
class Change:
    """One entry of the log, as a watch tells it. `before` is the object's last body, None for a new object."""

    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    plural: str
    body: Body
    before: Body | None


@dataclass(frozen=True)
class Page:
    """A part of a list as it was at `version`; `token` asks for the next part, empty where there is none."""

    items: list[Body]
    version: int
    token: str = ""


@dataclass
class ApiStore:
    """Objects by (plural, namespace, name), and the log of every change.

    `now` is the server's clock. `validate` is told of every write before it happens (plural, new, old): what it raises
    is the answer (an ApiError of 422 or 403). `listeners` are called after every change.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    validate: Validate = lambda plural, new, old: None
    version: int = 0
    objects: dict[Key, Body] = field(default_factory=dict)
    listeners: list[Callable[[Change], None]] = field(default_factory=list)
    _log: list[Change] = field(default_factory=list)
    _compacted: int = 0
    _pages: dict[str, tuple[int, list[Body]]] = field(default_factory=dict)

    def create(self, plural: str, body: Body) -> Body:
        """A new object; 409 AlreadyExists where one of its name exists."""
        body = json.loads(json.dumps(body))
        metadata = body["metadata"]
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{self.version + 1:05x}")
        key = (plural, metadata.get("namespace", ""), metadata["name"])
        if key in self.objects:
            raise ApiError(409, "AlreadyExists", f"{plural} {key[2]!r} already exists", kind=plural, name=key[2])
        metadata |= {"uid": self._new_uid(), "creationTimestamp": self._timestamp(), "generation": 1}
        if plural in HAS_STATUS_SUBRESOURCE:
            body.pop("status", None)
        if plural == PODS:
            body["status"] = {"phase": "Pending", "qosClass": "Guaranteed"}
        self.validate(plural, body, None)
        return self._store(key, body, None)

    def get(self, plural: str, namespace: str, name: str) -> Body:
        """The object as it is now; 404 NotFound where there is none."""
        found = self.objects.get((plural, namespace, name))
        if found is None:
            raise ApiError(404, "NotFound", f"{plural} {name!r} not found", kind=plural, name=name)
        return found

    def read_list(
        self,
        plural: str,
        *,
        namespace: str | None = None,
        selector: str = "",
        fields: str = "",
        limit: int = 0,
        token: str = "",
    ) -> Page:
        """Objects in the order of their names, at most `limit` (0: all); `token` goes on with the same snapshot.

        `selector` is a label that must be present, or `label=value`; `fields` are `path=value`, separated by commas.
        410 Expired where the snapshot was compacted.
        """
        if token:
            if token not in self._pages:
                raise ApiError(410, "Expired", "the provided continue parameter is too old", kind=plural)
            version, rest = self._pages[token]
        else:
            found = self._select(plural, namespace, selector)
            version, rest = self.version, [body for body in found if _has_fields(body, fields)]
        if not limit or len(rest) <= limit:
            return Page(rest, version)
        following = f"{version}/{rest[limit]['metadata'].get('namespace', '')}/{rest[limit]['metadata']['name']}"
        self._pages[following] = (version, rest[limit:])
        return Page(rest[:limit], version, following)

    def replace(self, plural: str, body: Body) -> Body:
        """The object as it is here, if nobody changed it since: 404, or 409 Conflict for another version or UID."""
        self._check_version(plural, body["metadata"])
        return self.put(plural, json.loads(json.dumps(body)))

    def replace_status(self, plural: str, body: Body) -> Body:
        """The object with this status, if nobody changed it since: 404, or 409 Conflict for another version or UID."""
        old = self._check_version(plural, body["metadata"])
        return self.put(plural, {**old, "status": json.loads(json.dumps(body.get("status", {})))})

    def put(self, plural: str, body: Body) -> Body:
        """The object as another client, a controller or a kubelet writes it, unlocked; created where there is none.

        The generation rises with the spec. What changes nothing is no new version.
        """
        metadata = {"namespace": ""} | body["metadata"]
        key = (plural, metadata["namespace"], metadata["name"])
        old = self.objects.get(key)
        if old is None:
            found = self.create(plural, body)
            return self.put(plural, {**found, "status": body["status"]}) if "status" in body else found
        kept = {name: old["metadata"][name] for name in ("uid", "creationTimestamp", "generation", "resourceVersion")}
        new = {**body, "metadata": body["metadata"] | kept}
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        self.validate(plural, new, old)
        released = bool(old["metadata"].get("finalizers")) and not new["metadata"].get("finalizers")
        if released and new["metadata"].get("deletionTimestamp"):
            return self.remove(*key)
        return self._store(key, new, old)

    def delete(
        self,
        plural: str,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> Body:
        """Ask for the object's end; 404, or 409 Conflict where a precondition fails.

        A pod on a node that has not ended gets a deletionTimestamp, and its kubelet removes it. So does what has a
        finalizer. Everything else is gone at once.
        """
        old = self.get(plural, namespace, name)
        self._check_preconditions(KINDS.get(plural, plural), old, uid, resource_version)
        grace = self._grace(plural, old) if grace_seconds is None else grace_seconds
        held = bool(old["metadata"].get("finalizers"))
        if not held and (grace == 0 or not _is_on_a_node(plural, old)):
            return self.remove(plural, namespace, name)
        due = (self.now() + timedelta(seconds=grace)).isoformat(timespec="seconds").replace("+00:00", "Z")
        before = old["metadata"].get("deletionTimestamp")
        if before is not None and before <= due:
            return old
        deletion = {"deletionTimestamp": due, "deletionGracePeriodSeconds": grace}
        return self.put(plural, {**old, "metadata": old["metadata"] | deletion})

    def remove(self, plural: str, namespace: str, name: str) -> Body:
        """The object is gone, at once."""
        old = self.get(plural, namespace, name)
        del self.objects[plural, namespace, name]
        self.version += 1
        last = {**old, "metadata": old["metadata"] | {"resourceVersion": str(self.version)}}
        self._tell(Change(self.version, "DELETED", plural, last, old))
        return last

    def collect_garbage(self) -> list[Body]:
        """Delete what has owners of which none exists any more, as the garbage collector does some time later."""
        living = {body["metadata"]["uid"] for body in self.objects.values()}
        found = []
        for (plural, namespace, name), body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or ()
            if owners and not body["metadata"].get("deletionTimestamp") and all(o["uid"] not in living for o in owners):
                found.append(self.delete(plural, namespace, name, uid=body["metadata"]["uid"]))
        return found

    def changes(self, plural: str, since: int, *, namespace: str | None = None, selector: str = "") -> list[Change]:
        """What a watch from the version `since` on has to tell; 410 Expired where that was compacted.

        An object that gets or loses the label of `selector` is ADDED or DELETED for this watch.
        """
        if since < self._compacted:
            raise ApiError(410, "Expired", f"too old resource version: {since} ({self._compacted})", kind=plural)
        later = self._log[bisect_right(self._log, since, key=lambda change: change.version) :]
        told = (_as_told(change, selector) for change in later if _concerns(change, plural, namespace))
        return [change for change in told if change is not None]

    def compact(self) -> None:
        """Forget the past: a watch from a version before this moment, or a list half read, gets 410."""
        self._compacted = self.version
        self._log.clear()
        self._pages.clear()

    def _select(self, plural: str, namespace: str | None, selector: str) -> list[Body]:
        keys = sorted(key for key in self.objects if key[0] == plural and namespace in (None, key[1]))
        return [self.objects[key] for key in keys if _matches(self.objects[key], selector)]

    def _check_version(self, plural: str, metadata: Mapping[str, Any]) -> Body:
        """The object as it is, whose version a replacement has to name."""
        old = self.get(plural, metadata.get("namespace", ""), metadata["name"])
        if not metadata.get("resourceVersion"):
            message = "metadata.resourceVersion: must be specified for an update"
            raise ApiError(422, "Invalid", message, kind=plural, name=metadata["name"])
        self._check_preconditions(plural, old, metadata.get("uid"), metadata["resourceVersion"])
        return old

    def _check_preconditions(self, kind: str, old: Body, uid: str | None, version: str | None) -> None:
        metadata = old["metadata"]
        for field_name, wanted in (("uid", uid), ("resourceVersion", version)):
            if wanted is not None and wanted != metadata[field_name]:
                message = f"Precondition failed: {field_name} is {metadata[field_name]}, not {wanted}"
                raise ApiError(409, "Conflict", message, kind=kind, name=metadata["name"])

    def _store(self, key: Key, body: Body, old: Body | None) -> Body:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = body
        self._tell(Change(self.version, "ADDED" if old is None else "MODIFIED", key[0], body, old))
        return body

    def _tell(self, change: Change) -> None:
        self._log.append(change)
        for listener in list(self.listeners):
            listener(change)

    def _grace(self, plural: str, body: Body) -> int:
        return int(body.get("spec", {}).get("terminationGracePeriodSeconds", SECONDS_OF_GRACE)) if plural == PODS else 0

    def _timestamp(self) -> str:
        return self.now().isoformat(timespec="seconds").replace("+00:00", "Z")

    def _new_uid(self) -> str:
        return str(UUID(int=self.version + 1))


def _is_on_a_node(plural: str, body: Body) -> bool:
    """A pod that a kubelet has to end first (registry/core/pod/strategy.go, CheckGracefulDelete)."""
    finished = body.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return plural == PODS and bool(body["spec"].get("nodeName")) and not finished


def _matches(body: Body, selector: str) -> bool:
    if not selector:
        return True
    label, equals, value = selector.partition("=")
    labels = body["metadata"].get("labels") or {}
    return label in labels and (not equals or labels[label] == value)


def _has_fields(body: Body, fields: str) -> bool:
    for path, _, value in (one.partition("=") for one in fields.split(",") if one):
        found: Any = body
        for name in path.split("."):
            found = found.get(name, {})
        if found != value:
            return False
    return True


def _concerns(change: Change, plural: str, namespace: str | None) -> bool:
    return change.plural == plural and namespace in (None, change.body["metadata"].get("namespace", ""))


def _as_told(change: Change, selector: str) -> Change | None:
    """The change as a watch with this selector sees it."""
    before = change.before is not None and _matches(change.before, selector)
    after = change.type != "DELETED" and _matches(change.body, selector)
    if not before and not after:
        return None
    if before and after:
        return change
    return Change(change.version, "ADDED" if after else "DELETED", change.plural, change.body, change.before)
