"""What the operator's requests are answered: one table, for the fake API server and for a real one.

So nothing is tested against a fake that answers otherwise than Kubernetes does.
"""

from collections.abc import Callable
from typing import Any

from cluster.api import Api, ApiError, Body
from pods.jobs import job_body

JOBS, PODS = "spectrogramjobs", "pods"
FIRST_VERSION = "1"
"""Before anything that is asked for here: too old for a watch."""


def prepare(api: Api) -> None:
    """What the questions are about: a job, and pods of which one is on a node."""
    api.create(JOBS, job_body())
    for name, node in (("a", ""), ("b", ""), ("c", ""), ("placed", "played-default")):
        api.create(PODS, pod_body(name, node))


def pod_body(name: str, node: str = "", **container: Any) -> Body:
    spec = {"containers": [{"name": "worker", "image": "image", **container}]}
    labels = {"job": name, **({"first": "yes"} if name == "a" else {})}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec | ({"nodeName": node} if node else {})}


def write_status(api: Api, status: Body, **metadata: Any) -> Body:
    """As the operator does it: the job as it was read, with another status."""
    job = api.get(JOBS, "fm-band")
    return api.replace(JOBS, {**job, "metadata": job["metadata"] | metadata, "status": status}, subresource="status")


def delete(api: Api, name: str, **options: Any) -> Body:
    path = f"/api/v1/namespaces/{api.namespace}/pods/{name}"
    return api.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})


def refused(ask: Callable[[Api], object], api: Api) -> object:
    """Code, reason, and the kind and name that the answer is about; what was done, where it was done after all."""
    try:
        return ask(api)
    except ApiError as error:
        return (error.code, error.reason, error.details.get("kind"), error.details.get("name"))


def late_status(api: Api) -> object:
    before = api.get(JOBS, "fm-band")["metadata"]["resourceVersion"]
    write_status(api, {"phase": "Queued"})
    return write_status(api, {"phase": "Running"}, resourceVersion=before)


def status_of_nothing(api: Api) -> object:
    job = api.get(JOBS, "fm-band")
    return api.replace(JOBS, {**job, "metadata": job["metadata"] | {"name": "none"}}, subresource="status")


REFUSALS: dict[str, tuple[Callable[[Api], object], object]] = {
    "a job that is not there": (lambda api: api.get(JOBS, "none"), (404, "NotFound", JOBS, "none")),
    "a pod that is not there": (lambda api: api.get(PODS, "none"), (404, "NotFound", PODS, "none")),
    "a claim that is not there": (
        lambda api: api.get("persistentvolumeclaims", "none"),
        (404, "NotFound", "persistentvolumeclaims", "none"),
    ),
    "a second job of a name": (lambda api: api.create(JOBS, job_body()), (409, "AlreadyExists", JOBS, "fm-band")),
    "a second pod of a name": (lambda api: api.create(PODS, pod_body("a")), (409, "AlreadyExists", PODS, "a")),
    "a status after somebody else's": (late_status, (409, "Conflict", JOBS, "fm-band")),
    "a status of a job made anew": (
        lambda api: write_status(api, {"phase": "Queued"}, uid="00000000-0000-4000-8000-000000000000"),
        (409, "Conflict", JOBS, "fm-band"),
    ),
    "a status without a version": (
        lambda api: write_status(api, {"phase": "Queued"}, resourceVersion=None),
        (422, "Invalid", JOBS, "fm-band"),
    ),
    "a status of no job": (status_of_nothing, (404, "NotFound", JOBS, "none")),
    "a status that the schema lacks": (
        lambda api: write_status(api, {"phase": "Sleeping"}),
        (422, "Invalid", "SpectrogramJob", "fm-band"),
    ),
    "a spec that the schema lacks": (
        lambda api: api.create(JOBS, job_body("other", queue="fast")),
        (422, "Invalid", "SpectrogramJob", "other"),
    ),
    "a pod without containers": (
        lambda api: api.create(PODS, {"metadata": {"name": "empty"}, "spec": {}}),
        (422, "Invalid", "Pod", "empty"),
    ),
    "a pod without an image": (
        lambda api: api.create(PODS, pod_body("blank", image="")),
        (422, "Invalid", "Pod", "blank"),
    ),
    "a pod of no name": (lambda api: api.create(PODS, pod_body("A_b")), (422, "Invalid", "Pod", "A_b")),
    "a deletion of no pod": (lambda api: delete(api, "none"), (404, "NotFound", PODS, "none")),
    "a deletion of a pod made anew": (
        lambda api: delete(api, "a", preconditions={"uid": "00000000-0000-4000-8000-000000000000"}),
        (409, "Conflict", "Pod", "a"),
    ),
    "a deletion of a pod that was changed": (
        lambda api: delete(api, "a", preconditions={"resourceVersion": FIRST_VERSION}),
        (409, "Conflict", "Pod", "a"),
    ),
}


def pages(api: Api) -> object:
    """The names in each page of two."""
    found, token = [], ""
    while True:
        page = api.page(PODS, limit="2", **({"continue": token} if token else {}))
        found.append([pod["metadata"]["name"] for pod in page["items"]])
        token = page["metadata"].get("continue", "")
        if not token:
            return found


def selected(api: Api) -> object:
    selectors = ("first", "first=yes", "first=no", "job=b")
    return [[pod["metadata"]["name"] for pod in api.list(PODS, labelSelector=selector)] for selector in selectors]


def events_of_a_pod(api: Api) -> object:
    """Of events about two pods those about one, in the order of their names."""
    told = [("u1", "Warning"), ("u1", "Normal"), ("u2", "Warning"), ("u1", "Warning")]
    for number, (uid, kind) in enumerate(told):
        about = {"kind": "Pod", "name": "a", "namespace": api.namespace, "uid": uid}
        api.create("events", {"metadata": {"name": f"e{number}"}, "involvedObject": about, "type": kind})
    found = api.list("events", fieldSelector="involvedObject.uid=u1", limit="50")
    return [event["metadata"]["name"] for event in found]


def generations(api: Api) -> object:
    """Of a new job, after a status, and after the same status, which is no new version."""
    api.create(JOBS, job_body("numbered"))
    first = api.get(JOBS, "numbered")
    second = api.replace(JOBS, {**first, "status": {"phase": "Queued"}}, subresource="status")
    third = api.replace(JOBS, second, subresource="status")
    numbers = [job["metadata"]["generation"] for job in (first, second, third)]
    versions = [job["metadata"]["resourceVersion"] for job in (first, second, third)]
    return numbers, versions[0] != versions[1], versions[1] == versions[2]


def unplaced_deletion(api: Api) -> object:
    delete(api, "b")
    return api.find(PODS, "b")


def placed_deletion(api: Api) -> object:
    """The kubelet has its time; by force it has none."""
    delete(api, "placed")
    found = api.get(PODS, "placed")["metadata"]
    delete(api, "placed", gracePeriodSeconds=0)
    return found["deletionGracePeriodSeconds"], "deletionTimestamp" in found, api.find(PODS, "placed")


def watched(api: Api) -> object:
    """Nothing is lost between a list and a watch that begins at its version, and nothing is told twice."""
    version = api.page(JOBS)["metadata"]["resourceVersion"]
    watching = api.another()
    created = api.create(JOBS, job_body("watched"))
    api.replace(JOBS, {**created, "status": {"phase": "Queued"}}, subresource="status")
    api.delete(JOBS, "watched")
    events = watching.watch(JOBS, resourceVersion=version, timeoutSeconds="2")
    return [(kind, job["metadata"]["name"], job.get("status", {}).get("phase")) for kind, job in events]


def watched_too_late(api: Api) -> object:
    events = api.another().watch(JOBS, resourceVersion=FIRST_VERSION, timeoutSeconds="2")
    return [(kind, status.get("code"), status.get("reason")) for kind, status in events]


ANSWERS: dict[str, tuple[Callable[[Api], object], object]] = {
    "pages": (pages, [["a", "b"], ["c", "placed"]]),
    "selectors": (selected, [["a"], ["a"], [], ["b"]]),
    "fields": (events_of_a_pod, ["e0", "e1", "e3"]),
    "generations": (generations, ([1, 1, 1], True, True)),
    "a pod on no node is deleted": (unplaced_deletion, None),
    "a pod on a node is deleted": (placed_deletion, (30, True, None)),
    "a watch from a version": (
        watched,
        [("ADDED", "watched", None), ("MODIFIED", "watched", "Queued"), ("DELETED", "watched", "Queued")],
    ),
    "a watch from a version that is forgotten": (watched_too_late, [("ERROR", 410, "Expired")]),
}


EXPECTED = {what: answer for what, (_, answer) in (REFUSALS | ANSWERS).items()}


def ask_everything(api: Api) -> dict[str, object]:
    """The answers by question; in a namespace without jobs and pods."""
    prepare(api)
    refusals = {what: refused(ask, api) for what, (ask, _) in REFUSALS.items()}
    return refusals | {what: ask(api) for what, (ask, _) in ANSWERS.items()}
