"""Where results come from: a claim, by a pod and its log or an exec; a bucket, by the person's own keys."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spectrogram_operator.api.job import ValidJob
from spectrogram_operator.api.names import PLACE_OF_ALL
from spectrogram_operator.cli.cluster.jobs import Body, Pods
from spectrogram_operator.cli.cluster.words import NOT_ALLOWED, UNAVAILABLE
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.view.reader import (
    HAND_OUT,
    PUBLISHED,
    PUBLISHED_OF_ALL,
    WorkerPods,
    obstacle,
    read_published,
    reader_pod,
)
from spectrogram_operator.cli.view.received import receive
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.building.stores import store_of
from spectrogram_operator.core.policy import Policy
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.handing_out import WANTED_VARIABLE, WantedResults
from spectrogram_worker.contract.report import OutputFile, clean_text

MOST_LOG_BYTES = 6_000_000
"""Of results: in base64 they are a log that a node keeps as one file, of 10 MiB."""
_LOOKS, _LOOK_SECONDS = 240, 0.5
_FROM_BUCKET = (sys.executable, "-P", "-m", "spectrogram_worker.hand_out")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What results are fetched with: the cluster, the stores that the person has described, a worker's image."""

    pods: Pods
    policy: Policy
    image: str | None
    sleep: Callable[[float], None]


def fetch(job: ValidJob, outputs: Sequence[OutputFile], folder: Path, source: Source) -> None:
    """Write these results of the job into the folder. Raises CommandError where they cannot be had."""
    target = job.spec.output
    store = store_of(target, source.policy)
    if store is None:
        message = f"the results are in the store {target.store}: describe it in a file, as in the chart's values, and"
        advice = "name the file with --settings FILE; for a bucket have your own keys where AWS's programs look"
        raise CommandError(f"{message} {advice}", exit_code=WRONG_USAGE)
    size = sum(output.bytes for output in outputs)
    paths = tuple(output.path for output in outputs)
    wanted = WantedResults(paths=paths, most_bytes=size, bucket=store.bucket)
    if store.bucket is not None:
        receive(_from_bucket(wanted), outputs, folder)
        return
    through_log = _goes_through_log(source.pods, job.namespace, size)
    body = reader_pod(job.name, store.claim_name, wanted, worker_pods(source, job.namespace), waits=not through_log)
    with _running(source, job.namespace, body) as pod:
        if through_log:
            lines = source.pods.log(job.namespace, pod, follow=True)
        else:
            lines = source.pods.execute(job.namespace, pod, HAND_OUT)
        receive(lines, outputs, folder)


def _goes_through_log(pods: Pods, namespace: str, size: int) -> bool:
    """Whether the results go through the pod's log, and not an exec. Raises CommandError where one may do neither."""
    may_log = pods.may(namespace, "get", "pods", "log")
    if may_log and size <= MOST_LOG_BYTES:
        return True
    if pods.may(namespace, "create", "pods", "exec"):
        return False
    what = f"{size / 1e6:.0f} MB are more than a log carries: " if may_log else ""
    message = f"{what}you may not run commands in pods of the namespace {namespace}: ask for the role edit"
    raise CommandError(message, exit_code=NOT_ALLOWED)


def worker_pods(source: Source, namespace: str) -> WorkerPods:
    """How the workers' pods are: what the chart has published, with the person's own image where one is given."""
    found = None
    for place, selector in ((namespace, PUBLISHED), (PLACE_OF_ALL, PUBLISHED_OF_ALL)):
        try:
            published = source.pods.config_maps(place, selector)
        except ClusterError as error:
            if error.code != 403:
                raise
            continue
        if published:
            found = _published(published[0])
            break
    if source.image is not None:
        return WorkerPods(image=source.image) if found is None else replace(found, image=source.image)
    if found is None:
        message = f"nothing that you may see in the namespace {namespace} says which image the workers have"
        raise CommandError(f"{message}: write --image IMAGE", exit_code=UNAVAILABLE)
    return found


def _published(body: Body) -> WorkerPods:
    try:
        return read_published(body.get("data") or {})
    except (KeyError, ValueError):
        name = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        message = f"the ConfigMap {name} is not of this version: write --image IMAGE"
        raise CommandError(message, exit_code=UNAVAILABLE) from None


@contextmanager
def _running(source: Source, namespace: str, body: Body) -> Iterator[str]:
    """The name of the pod, once it runs or has run; it is deleted afterwards."""
    pod = source.pods.create_pod(namespace, body)["metadata"]
    try:
        _wait_for(source, namespace, pod["name"])
        yield pod["name"]
    finally:
        source.pods.delete_pod(namespace, pod["name"], pod["uid"])


def _wait_for(source: Source, namespace: str, name: str) -> None:
    body: Body | None = None
    for _ in range(_LOOKS):
        body = source.pods.read_pod(namespace, name)
        if body is None:
            raise CommandError(f"somebody has deleted the pod {name}", exit_code=ExitCode.TRANSIENT_ERROR)
        if (body.get("status") or {}).get("phase") in ("Running", "Succeeded", "Failed"):
            return
        source.sleep(_LOOK_SECONDS)
    message = f"the pod {name}, which would have read the results, does not start: {obstacle(body or {})}"
    raise CommandError(clean_text(message), exit_code=ExitCode.TRANSIENT_ERROR)


def _from_bucket(wanted: WantedResults) -> Iterator[bytes]:
    """What a worker on this machine prints, with the person's own keys."""
    environment = {**os.environ, WANTED_VARIABLE: wanted.model_dump_json(by_alias=True, exclude_none=True)}
    with subprocess.Popen(
        _FROM_BUCKET, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            yield from process.stdout
        finally:
            process.kill()
