"""`spectrogram estimate`: what a job needs and what it may use, before it is submitted. No cluster is asked."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.api.quantity import format_bytes, parse_bytes
from spectrogram_operator.api.spec import QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, AttemptState
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.printing.formats import ProgramFormat
from spectrogram_operator.cli.printing.summary import dataset_facts
from spectrogram_operator.cli.printing.texts import document, titled
from spectrogram_operator.cli.printing.units import duration
from spectrogram_operator.cli.reading.job_file import JobFile, read_submissions
from spectrogram_operator.cli.reading.settings_file import settings_of, with_settings_file
from spectrogram_operator.cli.without_cluster.places import find_places
from spectrogram_operator.core.building.estimate import enough_for, unseen
from spectrogram_operator.core.building.podspec import time_limits, worker_document
from spectrogram_operator.core.building.sizing import (
    attempt_cpu,
    attempt_memory,
    estimated_memory,
    first_queue,
    refused_memory,
    transform_threads,
)
from spectrogram_operator.core.policy import Policy
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import ENVIRONMENT_VARIABLE, Folders
from spectrogram_worker.contract.measured import Measured
from spectrogram_worker.contract.memory import (
    CHUNKED_READ_BYTES,
    READ_BYTES,
    Known,
    Level,
    MemoryPlan,
    level_of,
    plan_memory,
)
from spectrogram_worker.contract.report import clean_text

_MEASURE = (sys.executable, "-P", "-m", "spectrogram_worker.measure")
_LONGEST_LINE = 1024


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job needs and what it gets: sizes in bytes, times in seconds.

    `plan` is its memory, `limit` what its pod may use; `auto` where that follows from what the job says. `measured` is
    its recording; None where nothing here stands for that, and then `unmeasured` says why.
    """

    job: str
    queue: QueueName
    cpu: str
    limit: int
    auto: bool
    plan: MemoryPlan
    soft_seconds: int
    hard_seconds: int
    measured: Measured | None
    unmeasured: str

    @property
    def level(self) -> Level:
        """The need against the limit."""
        return level_of(self.plan.total, self.limit)

    @property
    def enough(self) -> int:
        """A limit with which the need is not high."""
        return enough_for(self.plan.total)


def print_estimates(
    file: Path,
    mounts: Sequence[str],
    *,
    settings_file: Path | None,
    output: ProgramFormat | None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Print the estimate of each job in the file. Raises CommandError for what cannot be used."""
    policy = settings_of(environ).policy
    policy = policy if settings_file is None else with_settings_file(policy, settings_file)
    jobs = [submission.job for submission in read_submissions(file)]
    estimates = [_estimate_job(job, file, mounts, policy, environ) for job in jobs]
    if output is not None:
        print(document([as_document(one) for one in estimates], output))
    else:
        print("\n\n".join("\n".join(titled(_rows(one))) for one in estimates))


def estimate(job: JobFile, policy: Policy, measured: Measured | None, unmeasured: str = "") -> Estimate:
    """The estimate under this policy. Where the recording was not measured the plan is the most that can be.

    Raises CommandError (64) for memory that no pod of the job's queue may have.
    """
    spec = job.spec
    dataset_bytes = _dataset_bytes(spec, measured)
    queue = first_queue(spec, policy)
    if spec.queue == "auto" and dataset_bytes is not None and dataset_bytes > policy.large_dataset_bytes:
        queue = QueueName.LARGE_JOBS
    if refusal := refused_memory(spec, queue, policy):
        raise CommandError(f"{job.metadata.name}: {refusal}", exit_code=ExitCode.INVALID_SPEC)
    cpu = attempt_cpu(spec, queue, policy)
    chunked = spec.chunking.applies_to(dataset_bytes or 0)
    plan = plan_memory(
        spec.transform,
        spec.reduce,
        spec.output,
        _known(spec, measured, policy),
        threads=transform_threads(cpu),
        read_bytes=CHUNKED_READ_BYTES if chunked else READ_BYTES,
    )
    soft, hard = time_limits(spec, policy)
    return Estimate(
        job=job.metadata.name,
        queue=queue,
        cpu=cpu,
        limit=attempt_memory(spec, queue, None, policy),
        auto=estimated_memory(spec, queue, policy) is not None,
        plan=plan,
        soft_seconds=soft,
        hard_seconds=hard,
        measured=measured,
        unmeasured=unmeasured,
    )


def _dataset_bytes(spec: SpectrogramJobSpec, measured: Measured | None) -> int | None:
    """Size of what is read, or of the whole recording where the job says it; None where nobody knows."""
    if measured is not None:
        return measured.dataset.bytes
    return None if spec.input.size is None else parse_bytes(spec.input.size)


def _known(spec: SpectrogramJobSpec, measured: Measured | None, policy: Policy) -> Known:
    known = unseen(spec, policy)
    if measured is None:
        return known
    return replace(
        known,
        format=measured.format,
        samples=measured.dataset.samples,
        is_complex=measured.is_complex,
        is_compressed=measured.is_compressed,
        kept_bins=measured.kept_bins,
    )


def _estimate_job(
    job: JobFile, file: Path, mounts: Sequence[str], policy: Policy, environ: Mapping[str, str]
) -> Estimate:
    if job.spec.input.url is not None:
        return estimate(job, policy, None, "a web address is not asked how large its file is")
    try:
        places = find_places(file, job.spec, mounts, policy, needs_output=False)
    except CommandError as error:
        if error.exit_code != ExitCode.INPUT_NOT_FOUND:
            raise
        return estimate(job, policy, None, str(error))
    here = replace(policy, stores=places.stores)
    return estimate(job, policy, measure(job, places.folders, here, environ))


def measure(job: JobFile, folders: Mapping[str, Path], policy: Policy, environ: Mapping[str, str]) -> Measured:
    """The job's recording as the worker finds it. Raises CommandError with the worker's own code and words."""
    spec, metadata = job.spec, job.metadata
    identity = {"name": metadata.name, "namespace": metadata.namespace, "uid": "", "creationTimestamp": 0}
    stored = read_job({"metadata": identity, "spec": spec.to_document()})
    assert isinstance(stored, ValidJob)
    attempt = Attempt(
        number=1, state=AttemptState.CREATING, pod_name="", pool=QueueName.DEFAULT, memory_bytes=parse_bytes("1Gi")
    )
    told = worker_document(stored, attempt, policy)
    source = spec.input.claim_name or policy.stores[spec.input.store or ""].claim_name
    with tempfile.TemporaryDirectory(prefix="spectrogram-") as scratch:
        places = Folders(input=str(folders[source]) if source else "", scratch=scratch)
        told = told.model_copy(update={"folders": places})
        text = told.model_dump_json(by_alias=True, exclude_none=True)
        done = subprocess.run(
            _MEASURE, env={**environ, ENVIRONMENT_VARIABLE: text}, capture_output=True, text=True, check=False
        )
    try:
        return Measured.model_validate_json(done.stdout)
    except ValidationError:
        lines = done.stderr.strip().splitlines() or [f"the worker ended with the code {done.returncode}"]
        message = clean_text(f"{metadata.name}: {lines[-1]}", _LONGEST_LINE)
        raise CommandError(message, exit_code=done.returncode or ExitCode.INTERNAL_ERROR) from None


def as_document(one: Estimate) -> dict[str, Any]:
    """The estimate for programs: sizes in bytes, times in seconds."""
    measured = one.measured
    memory = {
        "estimateBytes": one.plan.total,
        "limitBytes": one.limit,
        "auto": one.auto,
        "level": one.level,
        "parts": {to_camel(part.name): getattr(one.plan, part.name) for part in fields(one.plan)},
    }
    known: dict[str, Any] = {"unmeasured": one.unmeasured}
    if measured is not None:
        known = {"dataset": measured.dataset.to_document(), "warnings": list(measured.warnings)}
    return {
        "job": one.job,
        "queue": str(one.queue),
        "cpu": one.cpu,
        "memory": memory,
        "timeLimits": {"softSeconds": one.soft_seconds, "hardSeconds": one.hard_seconds},
        **known,
    }


def _rows(one: Estimate) -> Iterator[tuple[str, str]]:
    yield "Job", one.job
    if one.measured is None:
        yield "Recording", f"not measured, so this is the most that can be: {one.unmeasured}"
    else:
        yield "Recording", ", ".join([one.measured.format, *dataset_facts(one.measured.dataset)])
        yield "Warnings", "\n".join(one.measured.warnings)
    yield "Queue", one.queue
    share = f"{one.plan.total / one.limit:.0%}, {one.level}"
    yield "Memory", f"about {format_bytes(one.plan.total)} of {format_bytes(one.limit)} ({share})"
    yield "", str(one.plan)
    if one.auto:
        yield "", "auto: the limit is for the most that can be of what the job says, whatever its recording is"
    if one.level == "high":
        yield "To do", f"ask for more, as in spec.resources.memory: {format_bytes(one.enough)}"
    yield "CPU", one.cpu
    soft, hard = duration(one.soft_seconds), duration(one.hard_seconds)
    yield "Time", f"it stops in order after {soft}, its pod is killed after {hard}"
