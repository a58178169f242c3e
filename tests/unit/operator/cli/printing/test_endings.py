"""How a job ended: its exit code, and its line."""

import pytest

from spectrogram_operator.api.status import Phase, SpectrogramJobStatus
from spectrogram_operator.cli.printing.endings import ending, exit_code
from spectrogram_worker.contract import ExitCode


@pytest.mark.parametrize("code", list(ExitCode))
def test_each_reason_of_the_worker_has_its_code(code: ExitCode) -> None:
    assert exit_code(SpectrogramJobStatus(phase=Phase.FAILED, reason=code.reason)) == code


def test_other_ends_have_a_code_too() -> None:
    assert exit_code(SpectrogramJobStatus(phase=Phase.FAILED, reason="OOMKilled")) == 1
    assert exit_code(SpectrogramJobStatus(phase=Phase.CANCELLED, reason="Cancelled")) == 85
    failed = SpectrogramJobStatus(phase=Phase.FAILED, reason="InvalidSpec", message="say it otherwise")
    assert ending("fm-band", failed, "") == "fm-band failed, InvalidSpec: say it otherwise"
