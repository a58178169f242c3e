"""What `python -m spectrogram_worker.measure` prints of a recording, without having read a sample."""

from spectrogram_worker.contract.parameters import InputFormat
from spectrogram_worker.contract.report import Dataset, ReportModel, Warnings


class Measured(ReportModel):
    """A job's recording, and what of its selected range decides how much memory the job takes."""

    format: InputFormat
    is_complex: bool
    is_compressed: bool
    kept_bins: int
    """Bins of a column."""
    dataset: Dataset
    warnings: Warnings = ()
