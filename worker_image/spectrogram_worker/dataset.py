"""What of a recording is selected, as reports and the manifest say it."""

from spectrogram_worker.contract.report import Dataset
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.selection import Selection, sample_time


def dataset_of(description: Description, selection: Selection, *, gaps: int, missing_samples: int) -> Dataset:
    """The selected range."""
    return Dataset(
        bytes=selection.count * description.bytes_per_sample,
        samples=selection.count,
        sample_rate=float(description.sample_rate),
        center_frequency=description.center_frequency,
        start_time=sample_time(description, selection.start),
        gaps=gaps,
        missing_samples=missing_samples,
    )


def known_dataset(description: Description, selection: Selection) -> Dataset:
    """The selected range with the gaps that are known before any sample is read."""
    stop = selection.start + selection.count
    known = [(max(first, selection.start), min(last, stop)) for first, last in description.gaps]
    missing = [last - first for first, last in known if last > first]
    return dataset_of(description, selection, gaps=len(missing), missing_samples=sum(missing))
