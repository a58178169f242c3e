"""The stream against SciPy in double precision: single within 0.02 dB down to 80 dB below the peak, double 1e-4 dB."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Reduce, Reduction, Transform, Window, WindowName
from unit.worker.recordings import open_raw, read, write_raw
from unit.worker.spectrum.signals import (
    ALL,
    RATE,
    MemoryRecording,
    frame_powers,
    hann,
    reduced,
    stream,
    taken,
    tone_in_noise,
)

SIZES = [(256, 64), (256, 100), (1000, 250), (1000, 333), (1024, 512), (1024, 500), (4096, 1024), (4096, 6000)]


def assert_close(values: NDArray[Any], expected: NDArray[Any], *, double: bool = False) -> None:
    """The bounds of the design, for each array by itself."""
    assert values.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    for found, right in zip(values, expected, strict=True):
        peak = np.nanmax(right)
        error = np.abs(found - right)
        if double:
            assert np.nanmax(error) <= 1e-4
        else:
            assert error[right >= peak - 80].max() <= 0.02
            assert error[right >= peak - 100].max() <= 0.2


def stored(datatype: str, count: int) -> NDArray[Any]:
    signal = tone_in_noise(count, is_complex=datatype[0] == "c")
    if "f32" in datatype:
        return signal.astype(np.complex64 if datatype[0] == "c" else np.float32)
    pairs = np.stack((signal.real, signal.imag), 1) if datatype[0] == "c" else signal
    return np.round(pairs * 32768).astype("<i2")


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize(("fft_size", "hop"), SIZES)
@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le", "rf32_le", "ri16_le"])
def test_density_agrees_with_scipy(tmp_path: Path, datatype: str, fft_size: int, hop: int, precision: str) -> None:
    """Through real files, with columns of many blocks, of one block, and a last one that is shorter."""
    write_raw(tmp_path, stored(datatype, 150_000))
    recording = open_raw(tmp_path, datatype)
    transform = Transform.model_validate(
        {"fft_size": fft_size, "hop_size": hop, "window": hann(), "precision": precision}
    )
    samples, _ = read(recording)
    powers = frame_powers(samples, transform, scipy.signal.get_window("hann", fft_size))
    for columns in (3, 17, 4096):
        found = stream(recording, transform, Reduce(time=ALL, columns=columns), threads=2)
        values = taken(found)
        assert found.layout.frames == powers.shape[1]
        assert_close(values, reduced(powers, found.layout.frames_per_column), double=precision == "double")


@pytest.mark.parametrize("is_complex", [True, False])
def test_spectrum_is_scipy_times_two_for_real_samples(is_complex: bool) -> None:
    """Except DC and Nyquist, which scipy does not double either."""
    samples = tone_in_noise(20_000, is_complex=is_complex)
    window = scipy.signal.get_window("hann", 256)
    powers = frame_powers(samples, Transform(fft_size=256, hop_size=100), window)
    powers *= float(RATE) * np.sum(window**2) / np.sum(window) ** 2
    if not is_complex:
        powers[1:-1] *= 2
    transform = Transform(fft_size=256, hop_size=100, window=hann(), scaling="spectrum")
    values = taken(stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=5)))
    assert_close(values, reduced(powers, 40))


@pytest.mark.parametrize("fft_size", [64, 100, 101])
def test_an_odd_or_padded_transform_agrees_with_scipy(fft_size: int) -> None:
    for is_complex in (True, False):
        samples = tone_in_noise(5000, is_complex=is_complex)
        transform = Transform(fft_size=fft_size, hop_size=30, window=hann(60), precision="double")
        powers = frame_powers(samples, transform, scipy.signal.get_window("hann", 60))
        found = stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=10))
        assert_close(taken(found), reduced(powers, found.layout.frames_per_column), double=True)


@pytest.mark.parametrize("is_complex", [True, False])
def test_detrend_agrees_with_scipy(is_complex: bool) -> None:
    samples = tone_in_noise(20_000, is_complex=is_complex) + 0.5
    transform = Transform(fft_size=256, hop_size=100, window=hann(), detrend="constant")
    powers = frame_powers(samples, transform, scipy.signal.get_window("hann", 256))
    assert_close(taken(stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=5))), reduced(powers, 40))


def test_every_frame_is_a_column_where_nothing_is_reduced() -> None:
    samples = tone_in_noise(20_000, is_complex=True)
    transform = Transform(fft_size=256, hop_size=100, window=hann())
    powers = frame_powers(samples, transform, scipy.signal.get_window("hann", 256))
    found = stream(MemoryRecording(samples), transform, Reduce(time=(Reduction.NONE,), columns=3))
    values = taken(found)
    assert values.shape == (1, 256, 198)
    assert_close(values, 10 * np.log10(powers)[np.newaxis])


@pytest.mark.parametrize("is_complex", [True, False])
def test_columns_of_short_time_fft_are_centred_elsewhere(is_complex: bool) -> None:
    """Its column p is centred on p · hop, so with hop = m / 2 our frame k is its column k + 1; its ends are padded."""
    samples = tone_in_noise(20_000, is_complex=is_complex)
    window = scipy.signal.get_window("hann", 512)
    reference = scipy.signal.ShortTimeFFT(
        window, 256, float(RATE), fft_mode="centered" if is_complex else "onesided", scale_to="psd"
    )
    transform = Transform(fft_size=512, hop_size=256, window=hann())
    found = stream(MemoryRecording(samples), transform, Reduce(time=(Reduction.NONE,)))
    values = taken(found)
    frames = found.layout.frames
    powers = reference.spectrogram(samples, p0=1, p1=frames + 1)
    if not is_complex:
        powers[1:-1] *= 2
    assert_close(values, 10 * np.log10(powers)[np.newaxis])
    np.testing.assert_allclose(found.layout.times, reference.t(20_000, 1, frames + 1))


@pytest.mark.parametrize("name", list(WindowName))
def test_every_window_is_scaled_to_the_same_density(name: WindowName) -> None:
    samples = tone_in_noise(20_000, is_complex=True)
    specification: Any = {WindowName.GAUSSIAN: ("gaussian", 50.0), WindowName.KAISER: ("kaiser", 8.6)}.get(
        name, str(name)
    )
    window = Window(name=name, std_dev=50.0)
    transform = Transform(fft_size=256, hop_size=100, window=window, precision="double")
    powers = frame_powers(samples, transform, scipy.signal.get_window(specification, 256))
    values = taken(stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=5)))
    assert_close(values, reduced(powers, 40), double=True)
