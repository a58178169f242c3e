"""The table at the end of a run."""

import io

from rich.console import Console

from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.cli.printing.summary import print_summary
from spectrogram_worker.contract.report import Dataset


def test_the_summary_says_what_is_missing_and_what_was_overdriven() -> None:
    text = io.StringIO()
    dataset = Dataset(samples=1000, gaps=2, missing_samples=30, samples_at_full_scale=1)
    print_summary(Console(file=text), SpectrogramJobStatus(phase=Phase.SUCCEEDED, dataset=dataset), "fm", str)
    assert "1000 samples, 2 gaps (30 samples missing), 1 sample at full scale\n" in text.getvalue()
