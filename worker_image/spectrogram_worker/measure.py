"""`python -m spectrogram_worker.measure`: what a job's recording is, by its headers. Nothing is computed or written."""

import os
import sys
from contextlib import closing

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.measured import Measured
from spectrogram_worker.dataset import known_dataset
from spectrogram_worker.environment import read_document
from spectrogram_worker.errors import ending_of
from spectrogram_worker.guards.memory import MemoryGauge, find_cgroup
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources import open_recording
from spectrogram_worker.sources.selection import select
from spectrogram_worker.spectrum.axes import choose_bins, transform_warnings
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.storage.input import open_input


def main() -> int:
    """Print the recording as JSON, or one line that says what is wrong; returns the exit code of the contract."""
    try:
        print(measure(read_document(os.environ)).model_dump_json(by_alias=True, exclude_none=True))
    except Exception as error:
        ending = ending_of(error)
        print(ending.message, file=sys.stderr)
        return ending.code
    return ExitCode.DONE


def measure(document: WorkerDocument) -> Measured:
    """The recording of this job. Raises as an attempt does that cannot use it."""
    limits = document.limits
    state = ProgressState(document.job, MemoryGauge(limits.memory_bytes, find_cgroup(), limits.safeguard_percent))
    with (
        closing(open_input(document, os.environ, state, lambda: None)) as store,
        closing(open_recording(store, document.input, document.transform.fft_size)) as recording,
    ):
        description = recording.description
        selection = select(description, document.input.range)
        frame(selection.count, document.transform, document.reduce)
        bins = choose_bins(description, document.transform, document.frequency_range)
        return Measured(
            format=description.format,
            is_complex=description.is_complex,
            is_compressed=description.is_compressed,
            kept_bins=len(bins.order),
            dataset=known_dataset(description, selection),
            warnings=(*description.warnings, *selection.warnings, *transform_warnings(document.transform)),
        )


if __name__ == "__main__":
    sys.exit(main())
