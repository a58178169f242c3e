"""`cancel` and `retry`."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spectrogram_operator.api.job import LONGEST_VALUE, read_job
from spectrogram_operator.api.names import API_VERSION, KIND
from spectrogram_operator.api.quantity import is_quantity
from spectrogram_operator.api.spec import AUTO
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Body
from spectrogram_operator.cli.cluster.words import CANNOT_CREATE, no_such_jobs, refusals_in_words
from spectrogram_operator.cli.commands.listing import title
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.status import is_over
from spectrogram_worker.contract.report import clean_text

_AGAIN = re.compile(r"-r([1-9][0-9]*)$")
_TRIES = 5


def cancel(target: Target, names: Sequence[str]) -> None:
    """End the jobs for good. Raises CommandError once all that exist are asked to end, where some do not exist."""
    connection = connect(target)
    missing = []
    with refusals_in_words(connection.jobs.server, connection.namespace):
        for name in names:
            body = connection.jobs.read(connection.namespace, name)
            job = read_job(body) if body is not None else None
            if job is not None and is_over(job.status):
                print(f"{name} is over already: {job.status.phase}")
            elif job is None or connection.jobs.change(connection.namespace, name, {"cancelled": True}) is None:
                missing.append(name)
            else:
                print(f"{name} is being cancelled: what is complete is kept")
        if missing:
            raise no_such_jobs(connection.jobs, connection.namespace, missing)


def retry(target: Target, name: str, memory: str | None, *, name_only: bool = False) -> None:
    """Submit the job again under a new name, with `memory` where that is said."""
    if memory is not None and memory != AUTO and not is_quantity(memory):
        written = clean_text(memory, LONGEST_VALUE)
        message = f"--memory {written}: write a number with an optional unit, as in 512Mi or 2Gi, or auto"
        raise CommandError(message, exit_code=WRONG_USAGE)
    connection = connect(target)
    with refusals_in_words(connection.jobs.server, connection.namespace):
        for _ in range(_TRIES):
            bodies = {body["metadata"]["name"]: body for body in connection.jobs.list(connection.namespace)}
            if name not in bodies:
                raise no_such_jobs(connection.jobs, connection.namespace, [name])
            if not is_over(read_job(bodies[name]).status):
                message = f"{name} is not over yet: `spectrogram cancel {name}` ends it, or wait for its end"
                raise CommandError(message, exit_code=WRONG_USAGE)
            try:
                created = connection.jobs.create(connection.namespace, another(bodies[name], bodies, memory))
            except ClusterError as error:
                if error.reason != "AlreadyExists":
                    raise
            else:
                print(title(created) if name_only else f"{title(created)} created in {connection.namespace}")
                return
    raise CommandError(f"somebody else retries {name} just now: try again", exit_code=CANNOT_CREATE)


def another(body: Mapping[str, Any], taken: Collection[str], memory: str | None = None) -> Body:
    """The job anew, as NAME-rN, with results beside those of the old one. `taken` are the names that there are."""
    name, labels = str(body["metadata"]["name"]), body["metadata"].get("labels")
    base = _AGAIN.sub("", name)
    suffixes = (_AGAIN.match(one, len(base)) for one in taken if one.startswith(base))
    suffix = f"-r{1 + max((int(found[1]) for found in suffixes if found), default=0)}"
    spec = {key: value for key, value in body["spec"].items() if key not in ("suspend", "cancelled")}
    path = str(spec["output"].get("path") or "").rstrip("/")
    if path:
        old = _AGAIN.search(name)
        path = path.removesuffix(old[0]) if old else path
        spec["output"] = {**spec["output"], "path": path + suffix}
    if memory is not None:
        spec["resources"] = {**spec.get("resources", {}), "memory": memory}
    metadata = {"name": base + suffix, **({"labels": labels} if labels else {})}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
