"""How much memory a job asks for that leaves it to the operator: by the plan that worker and operator share.

Nobody has looked at the recording yet, so the plan is of the most that it can be.
"""

from functools import lru_cache

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.core.building.stores import is_in_bucket
from spectrogram_operator.core.policy import MEBIBYTE, Policy
from spectrogram_worker.contract.memory import CHUNKED_READ_BYTES, HIGH_SHARE, READ_BYTES, Known, plan_memory
from spectrogram_worker.contract.parameters import OutputSelection, Reduce, Transform

STEP = 16 * MEBIBYTE


def planned_peak(spec: SpectrogramJobSpec, threads: int, policy: Policy) -> int:
    """The peak of the job's worker, in bytes, where its recording is the worst of its format, or of all formats.

    Where every frame is a column there are the most that a worker takes.
    """
    return _planned_peak(
        spec.transform,
        spec.reduce,
        OutputSelection(formats=spec.output.formats, image=spec.output.image),
        unseen(spec, policy),
        threads=threads,
        read_bytes=CHUNKED_READ_BYTES if spec.chunking.applies_to(0) else READ_BYTES,
    )


def unseen(spec: SpectrogramJobSpec, policy: Policy) -> Known:
    """What is known of the job's recording while nobody has looked at it."""
    is_remote, to_bucket = is_in_bucket(spec.input, policy), is_in_bucket(spec.output, policy)
    return Known(format=spec.input.format, is_remote=is_remote, to_bucket=to_bucket)


def enough_for(peak: int) -> int:
    """The memory limit, in bytes, of which such a peak is no high share: a fifth stays free. In steps of 16 MiB."""
    return -(-int(peak / HIGH_SHARE) // STEP) * STEP


@lru_cache(maxsize=1024)
def _planned_peak(
    transform: Transform, reduce: Reduce, output: OutputSelection, known: Known, *, threads: int, read_bytes: int
) -> int:
    """Asked at each look at a job that waits, and most jobs of a queue are alike."""
    return plan_memory(transform, reduce, output, known, threads=threads, read_bytes=read_bytes).total
