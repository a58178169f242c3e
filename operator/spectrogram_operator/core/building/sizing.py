"""How much memory an attempt gets, and in which pool it runs."""

from spectrogram_operator.api.quantity import format_bytes, parse_bytes, parse_quantity
from spectrogram_operator.api.reasons import OUT_OF_MEMORY
from spectrogram_operator.api.spec import AUTO, QueueName, SpectrogramJobSpec
from spectrogram_operator.api.status import Attempt, SpectrogramJobStatus
from spectrogram_operator.core.building.correction import class_of
from spectrogram_operator.core.building.estimate import enough_for, planned_peak
from spectrogram_operator.core.policy import MEBIBYTE, Policy

MAXIMUM_THREADS = 256
_STEP = 256 * MEBIBYTE


def first_queue(spec: SpectrogramJobSpec, policy: Policy) -> QueueName:
    """The queue that a job starts in: the one it names, else by the hint of its size and by its memory."""
    if spec.queue != "auto":
        return QueueName(spec.queue)
    if spec.input.size is not None and parse_bytes(spec.input.size) > policy.large_dataset_bytes:
        return QueueName.LARGE_JOBS
    wanted = requested_memory(spec) or estimated_memory(spec, QueueName.DEFAULT, policy)
    if wanted is not None and wanted > policy.pools[QueueName.DEFAULT].max_memory_bytes:
        return QueueName.LARGE_JOBS
    return QueueName.DEFAULT


def named_queue(name: str) -> QueueName:
    """The queue of this name, as a status or an attempt holds it; a name that nobody knows is the default queue."""
    return QueueName.LARGE_JOBS if name == QueueName.LARGE_JOBS else QueueName.DEFAULT


def current_queue(spec: SpectrogramJobSpec, status: SpectrogramJobStatus, policy: Policy) -> QueueName:
    """The queue that the job stands in now: the one in its status, else the one it starts in."""
    return named_queue(status.queue) if status.queue else first_queue(spec, policy)


def requested_memory(spec: SpectrogramJobSpec) -> int | None:
    """Memory that the job asks for, in bytes; None leaves it to its estimate or to the pool."""
    memory = spec.resources.memory if spec.resources else None
    return None if memory is None or memory == AUTO else parse_bytes(memory)


def estimated_memory(spec: SpectrogramJobSpec, queue: QueueName, policy: Policy) -> int | None:
    """Memory in this queue by the job's estimate, in bytes, where the job or its pool wants that: estimate ÷ 0.8,
    corrected by what was learnt. None where neither does.
    """
    memory = spec.resources.memory if spec.resources else None
    if memory != AUTO and not (memory is None and policy.pools[queue].auto_memory):
        return None
    peak = planned_peak_in(spec, queue, policy)
    return enough_for(int(peak * policy.memory_corrections.get(class_of(spec), 1.0)))


def planned_peak_in(spec: SpectrogramJobSpec, queue: str, policy: Policy) -> int:
    """The peak that is planned for the job's worker in this queue, in bytes."""
    return planned_peak(spec, transform_threads(attempt_cpu(spec, named_queue(queue), policy)), policy)


def refused_memory(spec: SpectrogramJobSpec, queue: QueueName, policy: Policy) -> str:
    """Why the job's memory cannot be had in `queue`, or an empty string."""
    wanted, most = requested_memory(spec), policy.pools[queue].max_memory_bytes
    if wanted is None or wanted <= most:
        return ""
    return (
        f"spec.resources.memory: {format_bytes(wanted)} is more than the {format_bytes(most)} that pods of the queue"
        f" {queue} may have: ask for less"
    )


def attempt_memory(spec: SpectrogramJobSpec, queue: QueueName, previous: Attempt | None, policy: Policy) -> int:
    """Memory limit of the next attempt, in bytes.

    What the job asks for, its estimate, or the pool's default; not less than what the previous attempt had, and more
    than that after it ran out of memory, up to the pool's maximum.
    """
    pool = policy.pools[queue]
    wanted = requested_memory(spec) or estimated_memory(spec, queue, policy) or pool.memory_bytes
    if previous is not None:
        wanted = max(wanted, previous.memory_bytes)
        if previous.reason in OUT_OF_MEMORY:
            wanted = max(wanted, grown_memory(previous))
    return min(wanted, pool.max_memory_bytes)


def granted_memory(attempt: Attempt, policy: Policy) -> int:
    """Memory limit that the attempt's pod really gets, in bytes: what status says, never more than the pool allows."""
    pool = policy.pools[named_queue(attempt.pool)]
    return min(attempt.memory_bytes or pool.memory_bytes, pool.max_memory_bytes)


def grown_memory(previous: Attempt) -> int:
    """More memory than an attempt had that ran out of it, in bytes, before the pool's maximum is applied.

    1.5 times its limit, or a fifth and 100 MiB above its peak, in steps of 256 MiB (rule 24).
    """
    peak = previous.peak_memory_bytes or 0
    more = max(previous.memory_bytes * 3 // 2, peak * 6 // 5 + 100 * MEBIBYTE)
    return -(-more // _STEP) * _STEP


def queue_after(queue: QueueName, last: Attempt, policy: Policy) -> QueueName | None:
    """The queue in which an attempt that ran out of memory can have more; None where no pool gives more."""
    if grown_memory(last) <= policy.pools[queue].max_memory_bytes:
        return queue
    most = policy.pools[QueueName.LARGE_JOBS].max_memory_bytes
    if queue is QueueName.DEFAULT and most > last.memory_bytes:
        return QueueName.LARGE_JOBS
    return queue if policy.pools[queue].max_memory_bytes > last.memory_bytes else None


def attempt_cpu(spec: SpectrogramJobSpec, queue: QueueName, policy: Policy) -> str:
    """CPU of a pod, as a quantity."""
    cpu = spec.resources.cpu if spec.resources else None
    return policy.pools[queue].cpu if cpu is None else str(cpu)


def transform_threads(cpu: str) -> int:
    """Threads that transform: whole cores, from one to the most that a worker's document may name."""
    return min(max(1, int(parse_quantity(cpu))), MAXIMUM_THREADS)
