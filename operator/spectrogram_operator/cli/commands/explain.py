"""A job explained: what it waits for, how far it is, what went wrong and what to do, where the results are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from spectrogram_operator.api.job import Job, UnreadableJob, ValidJob
from spectrogram_operator.api.quantity import format_bytes
from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.api.spec import AUTO, Input, Output
from spectrogram_operator.api.status import Attempt, ConditionType, Phase, RetryClass, SpectrogramJobStatus
from spectrogram_operator.cli.printing.display import details
from spectrogram_operator.cli.printing.endings import advice, plain
from spectrogram_operator.cli.printing.summary import dataset_facts
from spectrogram_operator.cli.printing.texts import table, titled
from spectrogram_operator.cli.printing.units import age, with_prefix
from spectrogram_operator.core.status import find_condition, holds, is_over
from spectrogram_worker.contract.addresses import without_query
from spectrogram_worker.contract.report import clean_text

_MEMORY_FIELD = "spec.resources.memory"
_PATIENCE_SECONDS = 30.0
"""An operator looks at a new job at once: after this time none does."""
_SILENCE_SECONDS = 180.0
"""A status is written once a minute at least while a worker answers."""
_BY_CLASS = {
    RetryClass.ZOMBIE: "`spectrogram retry {name}` runs it again; with spec.retry.zombies: Retry it does so by itself",
    RetryClass.MEMORY: "`spectrogram retry {name}` runs it again",
    RetryClass.USER: "`spectrogram retry {name}` runs it again",
    RetryClass.INFRASTRUCTURE: "nothing is wrong with the job: `spectrogram retry {name}` runs it again",
    RetryClass.FATAL: "change what that names, and submit the job anew",
    RetryClass.HOLD: "`spectrogram retry {name}` runs it again",
}
"""What to do where the table of reasons leaves it to the message."""


def explanation(job: Job, now: datetime, *, gate: str = "") -> Iterator[str]:
    """The lines of `status`. `gate`: what Kueue says of the pod that it holds."""
    return titled(_rows(job, now, gate))


def why_it_waits(workloads: Sequence[Mapping[str, Any]]) -> str:
    """Why Kueue has no quota for a pod, of what it keeps of it; empty where it does not say."""
    conditions = [one for workload in workloads for one in (workload.get("status") or {}).get("conditions") or ()]
    waits = [one for one in conditions if (one.get("type"), one.get("status")) == ("QuotaReserved", "False")]
    return _clean(str(waits[0].get("message") or "")) if waits else ""


def _rows(job: Job, now: datetime, gate: str) -> Iterator[tuple[str, str]]:
    status = job.status
    yield "Job", job.key
    if isinstance(job, UnreadableJob):
        yield "Status", f"it cannot be read, it may be of a newer version: {job.why}"
        return
    yield "Phase", _phase(job, now)
    if status.reason or status.message:
        yield "Why", _why(status)
    if gate:
        yield "Kueue", gate
    if what_to_do := next_step(job, now):
        yield "To do", what_to_do
    stalled = find_condition(status.conditions, ConditionType.STALLED)
    if stalled is not None and stalled.status == "True" and stalled.message != status.message:
        yield "Stalled", _clean(stalled.message)
    if status.queue:
        yield "Queue", status.queue
    if status.progress is not None and status.phase is Phase.RUNNING:
        yield "Progress", _progress(status, now)
    if status.attempts:
        yield "Attempts", _attempts(status, now)
    yield from _memory(job)
    if status.progress is not None and status.progress.kernel is not None:
        yield "Kernel", status.progress.kernel
    if isinstance(job, ValidJob):
        yield "Recording", place(job.spec.input, job.spec.input.path or "")
    if status.dataset is not None and status.dataset.samples:
        yield "Dataset", ", ".join(dataset_facts(status.dataset))
    if status.warnings:
        yield "Warnings", "\n".join(map(_clean, status.warnings))
    if status.outputs and isinstance(job, ValidJob):
        yield "Results", _outputs(job.spec.output, status)


def place(where: Input | Output, path: str) -> str:
    """Where a path of the job is, in the words of the job: its claim, its store, or the address."""
    if isinstance(where, Input) and where.url is not None:
        return _clean(without_query(where.url))
    return _clean(
        f"{path} in the claim {where.claim_name}" if where.claim_name else f"{path} in the store {where.store}"
    )


def next_step(job: Job, now: datetime) -> str:
    """What the person who reads it can do; empty where there is nothing to say."""
    status = job.status
    match status.phase:
        case None if (now - job.created).total_seconds() < _PATIENCE_SECONDS:
            return "nothing: an operator will look at it in a moment"
        case None:
            return f"ask the platform team: no operator watches the namespace {job.namespace}, or none runs"
        case Phase.PENDING:
            return "make what is missing there: then the job goes on by itself"
        case Phase.QUEUED if holds(status, ConditionType.STALLED):
            return "show the platform team what stands there"
        case Phase.QUEUED:
            return "nothing: it starts by itself"
        case Phase.RETRYING:
            return f"nothing: attempt {status.attempt + 1} starts {_in(status.next_attempt_at, now)}"
        case Phase.SUSPENDED:
            patch = '\'{"spec":{"suspend":false}}\''
            return f"resume it: kubectl patch sgj {job.name} --namespace {job.namespace} --type=merge --patch={patch}"
        case Phase.FAILED | Phase.CANCELLED:
            known = REASONS.get(status.reason or "")
            by_class = _BY_CLASS.get(known.retry_class, "") if known is not None else ""
            return _advice(job) or by_class.format(name=job.name)
    return ""


def _advice(job: Job) -> str:
    """What the table of reasons says; for more memory also how to get it, as far as the last attempt tells."""
    text = advice(job.status, log=f"`spectrogram logs {job.name}`")
    if _MEMORY_FIELD in text and job.status.attempts:
        more = format_bytes(2 * job.status.attempts[-1].memory_bytes)
        return f"{text}, as in `spectrogram retry {job.name} --memory {more}`"
    return text


def _phase(job: Job, now: datetime) -> str:
    status = job.status
    if status.phase is None:
        return f"none yet, submitted {_ago(job.created, now)}"
    if status.completion_time is not None:
        return f"{status.phase}, {_ago(status.completion_time, now)}"
    return f"{status.phase}, submitted {_ago(job.created, now)}"


def _why(status: SpectrogramJobStatus) -> str:
    """The reason, what it means for an attempt that ended, and what exactly happened."""
    known = REASONS.get(status.reason or "") if status.phase is not Phase.PENDING else None
    message = plain(_clean(status.message or ""))
    meaning = known.meaning if known is not None and known.meaning not in message else ""
    sentence = ": ".join(part for part in (status.reason or "", meaning or message) if part)
    return f"{sentence}\n{message}" if meaning and message else sentence


def _progress(status: SpectrogramJobStatus, now: datetime) -> str:
    assert status.progress is not None
    parts = [f"{status.progress.percent:.0f} %", status.progress.stage, *details(status)]
    heard = status.heartbeat_time
    if heard is not None and (now - heard).total_seconds() > _SILENCE_SECONDS:
        parts.append(f"last heard of {_ago(heard, now)}: the worker does not answer, or no operator runs")
    return ", ".join(parts)


def _attempts(status: SpectrogramJobStatus, now: datetime) -> str:
    names = ["#", "POOL", "NODE", "MEMORY", "PEAK", "TIME", "ENDED", "MESSAGE"]
    return table(names, [_attempt(attempt, now) for attempt in status.attempts])


def _attempt(attempt: Attempt, now: datetime) -> list[str]:
    begin, end = attempt.start_time or attempt.reserved_time, attempt.finish_time or now
    return [
        str(attempt.number),
        attempt.pool,
        attempt.node_name or "",
        format_bytes(attempt.memory_bytes),
        format_bytes(attempt.peak_memory_bytes) if attempt.peak_memory_bytes else "",
        age((end - begin).total_seconds()) if begin is not None else "",
        attempt.reason or "",
        plain(_clean(attempt.message or "")),
    ]


def _memory(job: Job) -> Iterator[tuple[str, str]]:
    status, memory = job.status, job.status.memory
    limit = (memory.limit_bytes if memory else None) or (status.attempts[-1].memory_bytes if status.attempts else None)
    if memory is not None and limit:
        asked = job.spec.resources.memory if isinstance(job, ValidJob) and job.spec.resources else None
        parts = [f"limit {format_bytes(limit)}{' (auto)' if asked == AUTO else ''}"]
        if memory.estimate_bytes:
            parts.append(f"{format_bytes(memory.estimate_bytes)} expected")
        if memory.peak_bytes:
            parts.append(f"peak {format_bytes(memory.peak_bytes)} ({100 * memory.peak_bytes / limit:.0f} %)")
        if memory.current_bytes and not is_over(status):
            parts.append(f"{format_bytes(memory.current_bytes)} now")
        yield "Memory", ", ".join(parts)
    warning = memory_warning(status)
    if warning:
        yield "", f"warning: {warning}"


def memory_warning(status: SpectrogramJobStatus) -> str:
    """What the condition MemoryWarning says while it holds."""
    condition = find_condition(status.conditions, ConditionType.MEMORY_WARNING)
    return _clean(condition.message or condition.reason) if condition and condition.status == "True" else ""


def _outputs(output: Output, status: SpectrogramJobStatus) -> str:
    names = [place(output, one.path) for one in status.outputs]
    width = max(map(len, names))
    lines = zip(names, status.outputs, strict=True)
    return "\n".join(f"{name:<{width}}  {with_prefix(one.bytes, 'B'):>8}  {one.media_type}" for name, one in lines)


def _ago(time: datetime, now: datetime) -> str:
    return f"{age((now - time).total_seconds())} ago"


def _in(time: datetime | None, now: datetime) -> str:
    seconds = (time - now).total_seconds() if time is not None else 0.0
    return f"in {age(seconds)}" if seconds >= 1 else "now"


def _clean(text: str) -> str:
    return clean_text(text, 2048)
