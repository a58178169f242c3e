"""Windows, one formula each, in the periodic form that `scipy.signal.get_window` gives.

Written out because importing `scipy.signal` costs 1.3 s and 100 MB. Formulas and constants are SciPy's, after
Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66 (1978); flattop
after D'Antona and Ferrero, "Digital signal processing for measurement systems" (2006).
"""

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Window, WindowName

Values = NDArray[np.float64]

_COSINE_TERMS = {
    WindowName.BOXCAR: (1.0,),
    WindowName.HANN: (0.5, 0.5),
    WindowName.HAMMING: (0.54, 0.46),
    WindowName.BLACKMAN: (0.42, 0.50, 0.08),
    WindowName.BLACKMANHARRIS: (0.35875, 0.48829, 0.14128, 0.01168),
    WindowName.FLATTOP: (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}


def window_values(window: Window, length: int) -> Values:
    """The window's values, shape (length,), length ≥ 2: the symmetric window of length + 1 points without its last."""
    points = length + 1
    if window.name is WindowName.GAUSSIAN:
        symmetric = _gaussian(points, window.std_dev)
    elif window.name is WindowName.KAISER:
        symmetric = _kaiser(points, window.beta)
    elif window.name is WindowName.TUKEY:
        symmetric = _tukey(points, window.alpha)
    else:
        symmetric = _cosine_sum(points, _COSINE_TERMS[window.name])
    return symmetric[:-1]


def _cosine_sum(points: int, terms: tuple[float, ...]) -> Values:
    angle = np.linspace(-np.pi, np.pi, points)
    values = np.zeros(points)
    for order, term in enumerate(terms):
        values += term * np.cos(order * angle)
    return values


def _gaussian(points: int, deviation: float) -> Values:
    offset = np.arange(points) - (points - 1) / 2
    values: Values = np.exp(-0.5 * (offset / deviation) ** 2)
    return values


def _kaiser(points: int, beta: float) -> Values:
    position = 2 * np.arange(points) / (points - 1) - 1
    values: Values = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - position**2))) / np.i0(np.float64(beta))
    return values


def _tukey(points: int, alpha: float) -> Values:
    """A flat top between two halves of a cosine that take the share `alpha` of the window together."""
    if alpha == 0:
        return np.ones(points)
    distance = np.minimum(np.arange(points), np.arange(points)[::-1]) / (points - 1)
    return 0.5 * (1 - np.cos(np.pi * np.minimum(1.0, 2 * distance / alpha)))
