"""Each window equals SciPy's, and the worker does without importing scipy.signal."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.signal

from spectrogram_worker.contract.parameters import Window, WindowName
from spectrogram_worker.spectrum.windows import window_values

LENGTHS = [8, 9, 10, 15, 16, 17, 100, 101, 1000, 1023, 1024, 4095, 4096, 65_536]
WINDOWS = [
    *(Window(name=name) for name in WindowName),
    Window(name=WindowName.GAUSSIAN, std_dev=0.1),
    Window(name=WindowName.GAUSSIAN, std_dev=7.3),
    *(Window(name=WindowName.KAISER, beta=beta) for beta in (0.0, 0.5, 14.0, 100.0)),
    *(Window(name=WindowName.TUKEY, alpha=alpha) for alpha in (0.0, 0.01, 0.25, 0.9, 1.0)),
]


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window.name}")
@pytest.mark.parametrize("length", LENGTHS)
def test_every_window_equals_scipy(window: Window, length: int) -> None:
    parameters = {
        WindowName.GAUSSIAN: ("gaussian", window.std_dev),
        WindowName.KAISER: ("kaiser", window.beta),
        WindowName.TUKEY: ("tukey", window.alpha),
    }
    expected = scipy.signal.get_window(parameters.get(window.name, str(window.name)), length)
    values = window_values(window, length)
    assert values.shape == (length,)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)


def test_the_worker_does_not_import_scipy_signal() -> None:
    """It would cost 1.3 s and 100 MB."""
    program = (
        "import sys, spectrogram_worker.sources, spectrogram_worker.spectrum.stream;"
        "print([name for name in sys.modules if name.startswith(('scipy.signal', 'digital_rf', 'sigmf.'))])"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
