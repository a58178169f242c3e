"""The stream: scaling, reductions, axes, frames, and what it refuses."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import (
    Calibration,
    FrequencyRange,
    Reduce,
    Reduction,
    Transform,
    Window,
    WindowName,
)
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.spectrum.axes import choose_bins, transform_warnings
from unit.worker.recordings import says
from unit.worker.spectrum.signals import ALL, RATE, MemoryRecording, frame_powers, hann, reduced, stream, taken

BOXCAR = Window(name=WindowName.BOXCAR)
EVERY_FRAME = Reduce(time=(Reduction.NONE,))


def sine(count: int, bin_number: float, fft_size: int, *, is_complex: bool) -> NDArray[Any]:
    phase = 2 * np.pi * bin_number / fft_size * np.arange(count)
    found: NDArray[Any] = np.exp(1j * phase) if is_complex else np.cos(phase)
    return found


# Scaling


@pytest.mark.parametrize("window", [BOXCAR, hann(), Window(), Window(name=WindowName.FLATTOP, length=100)])
@pytest.mark.parametrize("is_complex", [True, False])
def test_a_full_scale_sine_reads_0_dbfs(is_complex: bool, window: Window) -> None:
    samples = sine(4096, 64, 256, is_complex=is_complex)
    transform = Transform(fft_size=256, hop_size=100, window=window, scaling="spectrum")
    found = stream(MemoryRecording(samples), transform)
    values = taken(found)
    np.testing.assert_allclose(values.max(axis=1), 0, atol=1e-3)
    assert found.layout.unit == "dBFS"


@pytest.mark.parametrize("is_complex", [True, False])
def test_density_sums_to_the_power_of_the_signal(is_complex: bool) -> None:
    """Parseval: white noise of power 0.01 has a density of 0.01 / fs, or twice that one-sided."""
    random = np.random.default_rng(1)
    samples = random.normal(size=500_000) * 0.1
    if is_complex:
        samples = (samples + 1j * random.normal(size=500_000) * 0.1) / np.sqrt(2)
    found = stream(MemoryRecording(samples), Transform(fft_size=256, hop_size=128, window=hann()), Reduce(columns=1))
    density = 10 ** (taken(found)[1].astype(float) / 10)
    power = density.sum() * float(RATE) / 256
    assert power == pytest.approx(0.01, rel=0.01)
    assert found.layout.unit == "dB(FS²/Hz)"


@pytest.mark.parametrize(("scaling", "factor"), [("density", 2.0), ("spectrum", 4.0)])
def test_dc_and_nyquist_of_real_samples_have_no_twin(scaling: Any, factor: float) -> None:
    """An impulse has the same |X|² in every bin: what differs is the factor of the one-sided axis."""
    samples = np.zeros(64)
    samples[0] = 1
    values = taken(stream(MemoryRecording(samples), Transform(fft_size=64, window=BOXCAR, scaling=scaling)))[0, :, 0]
    np.testing.assert_allclose(values[1:-1] - values[0], 10 * np.log10(factor), atol=1e-4)
    assert values[-1] == pytest.approx(values[0])
    odd = taken(stream(MemoryRecording(samples), Transform(fft_size=63, window=BOXCAR, scaling=scaling)))[0, :, 0]
    np.testing.assert_allclose(odd[1:] - odd[0], 10 * np.log10(factor), atol=1e-4)


CALIBRATED: list[dict[str, Any]] = [
    {"calibration_offset_db": -33.5},
    {"calibration": Calibration(offset_db=-33.5, unit="dBm")},
]


@pytest.mark.parametrize("calibrated", CALIBRATED)
def test_the_calibration_offset_is_added(calibrated: dict[str, Any]) -> None:
    samples = np.random.default_rng(1).normal(size=5000)
    plain = taken(stream(MemoryRecording(samples), Transform(fft_size=64)))
    shifted = taken(stream(MemoryRecording(samples), Transform(fft_size=64, **calibrated)))
    np.testing.assert_allclose(shifted - plain, -33.5, atol=1e-4)


@pytest.mark.parametrize(
    ("calibrated", "spectrum", "density"),
    [
        ({}, "dBFS", "dB(FS²/Hz)"),
        ({"calibrationOffsetDb": 0}, "dBFS", "dB(FS²/Hz)"),
        ({"calibrationOffsetDb": -30}, "dB, calibrated", "dB/Hz, calibrated"),
        ({"calibration": {"offsetDb": -30, "unit": "dBm"}}, "dBm", "dBm/Hz"),
        ({"calibration": {"offsetDb": 0, "unit": "dB(µV²)"}}, "dB(µV²)", "dB(µV²)/Hz"),
    ],
)
def test_what_is_calibrated_has_its_own_unit(calibrated: dict[str, Any], spectrum: str, density: str) -> None:
    """And a full-scale sine the level that the job says."""
    samples = sine(4096, 64, 256, is_complex=True)
    for scaling, unit in (("spectrum", spectrum), ("density", density)):
        transform = Transform.model_validate({"fftSize": 256, "scaling": scaling} | calibrated)
        found = stream(MemoryRecording(samples), transform)
        assert found.layout.unit == unit
        if scaling == "spectrum":
            np.testing.assert_allclose(taken(found).max(axis=1), transform.offset_db, atol=1e-3)


@pytest.mark.parametrize("unit", ["", "dBm/Hz", "mW", "Hz", "dB\n", "dB" + 31 * "m"])
def test_a_unit_that_would_not_be_true_is_refused(unit: str) -> None:
    """Of a density the results say the Hz by themselves."""
    with pytest.raises(ValidationError):
        Calibration(offset_db=1, unit=unit)


def test_two_calibrations_are_refused() -> None:
    with pytest.raises(ValidationError, match="remove calibrationOffsetDb"):
        Transform.model_validate({"calibration": {"offsetDb": 1, "unit": "dBm"}, "calibrationOffsetDb": 0})


def test_zero_power_is_minus_infinity() -> None:
    values = taken(stream(MemoryRecording(np.zeros(5000, np.complex64)), Transform(fft_size=64), Reduce(columns=7)))
    assert np.isneginf(values).all()


def test_a_weak_signal_is_not_lost_below_a_floor() -> None:
    """A fixed floor of 1e-4, as the system before had it, blanked everything here."""
    samples = 1e-9 * sine(4096, 64, 256, is_complex=True)
    values = taken(stream(MemoryRecording(samples), Transform(fft_size=256, window=hann(), scaling="spectrum")))
    assert values.max() == pytest.approx(-180, abs=1e-3)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_samples_too_large_for_the_precision_are_refused(precision: Any) -> None:
    samples = np.full(1000, 1e25 if precision == "single" else 1e200)
    with pytest.raises(WorkerError) as caught:
        taken(stream(MemoryRecording(samples), Transform(fft_size=64, precision=precision)))
    assert says(caught.value, ExitCode.INPUT_INVALID, "too large", "transform.precision")
    if precision == "single":
        taken(stream(MemoryRecording(samples), Transform(fft_size=64, precision="double")))


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("time", ALL)
@pytest.mark.parametrize(("fft_size", "detrend"), [(64, "none"), (60, "none"), (64, "constant")])
def test_samples_too_small_for_the_precision_are_refused(
    time: Reduction, fft_size: int, detrend: Any, is_complex: bool
) -> None:
    """Both kernels; double precision has a level for them, and a stretch of zeros has none to lose."""
    samples = 1e-26 * np.random.default_rng(1).normal(size=(1000, 2 if is_complex else 1))
    samples[:300] = 0
    recording = MemoryRecording(samples.view(complex)[:, 0] if is_complex else samples[:, 0])
    single = Transform(fft_size=fft_size, hop_size=16, detrend=detrend)
    with pytest.raises(WorkerError) as caught:
        taken(stream(recording, single, Reduce(time=(time,), columns=4)))
    assert says(caught.value, ExitCode.INPUT_INVALID, "too small", "transform.precision")
    double = single.model_copy(update={"precision": "double"})
    values = taken(stream(recording, double, Reduce(time=(time,), columns=4)))
    assert (np.median(values[0, :, 2:], axis=0) > -600).all()


@pytest.mark.parametrize("detrend", ["none", "constant"])
def test_bins_and_frames_of_zeros_are_not_too_small(detrend: Any) -> None:
    """A constant has nothing in all bins but one; without its mean, in none; samples before it are zero."""
    samples = np.r_[np.zeros(300), np.full(700, 0.5)]
    transform = Transform(fft_size=64, hop_size=16, window=BOXCAR, detrend=detrend, scaling="spectrum")
    values = taken(stream(MemoryRecording(samples), transform, Reduce(time=(Reduction.NONE,))))
    assert np.isneginf(values[0, :, 0]).all()
    assert (values[0, 1:, -1] < -300).all()
    assert values[0, 0, -1] == pytest.approx(-6.02, abs=0.01) if detrend == "none" else np.isneginf(values[0, 0, -1])


# Reductions


def test_max_hold_keeps_a_short_burst_that_the_mean_hides() -> None:
    """One frame of 200 is 30 dB stronger: max shows 30.0, mean 7.8."""
    amplitude = np.full(200 * 64, 0.01)
    amplitude[64 * 77 : 64 * 78] *= 10**1.5
    samples = amplitude * sine(200 * 64, 16, 64, is_complex=True)
    transform = Transform(fft_size=64, hop_size=64, window=BOXCAR, scaling="spectrum")
    values = taken(stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=1)))[:, 48, 0] + 40
    assert values[0] == pytest.approx(30.0, abs=0.001)
    assert values[1] == pytest.approx(10 * np.log10((199 + 1000) / 200), abs=0.001)
    assert values[2] == pytest.approx(0.0, abs=0.001)


def test_reductions_come_in_the_order_of_the_job() -> None:
    recording = MemoryRecording(np.random.default_rng(1).normal(size=5000))
    one = taken(stream(recording, Transform(fft_size=64), Reduce(time=ALL, columns=3)))
    other = taken(stream(recording, Transform(fft_size=64), Reduce(time=ALL[::-1], columns=3)))
    np.testing.assert_array_equal(one, other[::-1])
    assert (one[0] > one[1]).all()
    assert (one[1] > one[2]).all()


def test_a_mean_over_very_many_frames_stays_exact() -> None:
    """Sums across blocks are in float64: a million equal frames have the mean of one."""
    samples = np.tile(np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32) * 0.3, 1_000_000 // 8)
    transform = Transform(fft_size=8, hop_size=8, window=BOXCAR)
    values = taken(stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=1), threads=2))
    np.testing.assert_allclose(values[1], values[0], atol=2e-5)


# Axes


@pytest.mark.parametrize(("fft_size", "first"), [(64, -32), (65, -32), (100, -50)])
def test_complex_samples_have_a_two_sided_axis_around_the_center(fft_size: int, first: int) -> None:
    samples = np.random.default_rng(1).normal(size=(1000, 2)).view(complex)[:, 0]
    layout = stream(MemoryRecording(samples, center_frequency=100e6), Transform(fft_size=fft_size)).layout
    step = 1e6 / fft_size
    np.testing.assert_allclose(layout.frequencies, 100e6 + step * (np.arange(fft_size) + first))


def test_real_samples_have_a_one_sided_axis() -> None:
    layout = stream(MemoryRecording(np.zeros(1000)), Transform(fft_size=64)).layout
    np.testing.assert_allclose(layout.frequencies, np.arange(33) * 1e6 / 64)


@pytest.mark.parametrize("frequency", [-437_500.0, -15_625.0, 0.0, 15_625.0, 468_750.0])
def test_a_tone_stands_where_its_frequency_is(frequency: float) -> None:
    samples = np.exp(2j * np.pi * frequency / 1e6 * np.arange(1000))
    found = stream(MemoryRecording(samples, center_frequency=100e6), Transform(fft_size=64))
    values = taken(found)
    assert found.layout.frequencies[values[0, :, 0].argmax()] == 100e6 + frequency


def test_time_is_the_middle_of_a_columns_frames() -> None:
    layout = stream(MemoryRecording(np.zeros(1000)), Transform(fft_size=64, hop_size=10), Reduce(columns=4)).layout
    assert (layout.frames, layout.frames_per_column) == (94, 24)
    middles = (np.arange(94) * 10 + 32) / 1e6
    expected = [middles[first : first + 24].mean() for first in (0, 24, 48, 72)]
    np.testing.assert_allclose(layout.times, expected, rtol=1e-14)


def test_frequency_range_keeps_both_ends() -> None:
    samples = np.random.default_rng(1).normal(size=(1000, 2)).view(complex)[:, 0]
    recording = MemoryRecording(samples, center_frequency=100e6)
    whole = stream(recording, Transform(fft_size=64))
    lower, upper = whole.layout.frequencies[[20, 45]]
    part = stream(recording, Transform(fft_size=64), band=FrequencyRange(lower=lower, upper=upper))
    np.testing.assert_array_equal(part.layout.frequencies, whole.layout.frequencies[20:46])
    np.testing.assert_array_equal(taken(part), taken(whole)[:, 20:46])


@given(
    rate=st.one_of(st.integers(1, 2_000_000), st.fractions(1, 10**6, max_denominator=1001)),
    fft_size=st.integers(8, 5000),
    center=st.sampled_from([0, 250, 1_420_405_751, 10**11]),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    is_complex=st.booleans(),
)
@example(rate=8000, fft_size=480, center=0, ends=(0.0, 15 / 240), is_complex=False)
def test_a_frequency_range_has_the_bins_at_its_ends_however_they_round(
    rate: Fraction | int, fft_size: int, center: int, ends: tuple[float, float], is_complex: bool
) -> None:
    steps = range(-(fft_size // 2), (fft_size + 1) // 2) if is_complex else range(fft_size // 2 + 1)
    first, last = sorted(round(share * (len(steps) - 1)) for share in ends)
    lower, upper = (float(center + steps[place] * Fraction(rate) / fft_size) for place in (first, last))
    if lower == upper:
        return
    recording = MemoryRecording(
        np.zeros(1, np.complex64 if is_complex else np.float32), center_frequency=center, rate=Fraction(rate)
    )
    bins = choose_bins(recording.description, Transform(fft_size=fft_size), FrequencyRange(lower=lower, upper=upper))
    assert len(bins.order) == last - first + 1
    assert bins.frequencies[[0, -1]] == pytest.approx([lower, upper], rel=1e-15)


def test_a_frequency_range_without_bins_is_invalid() -> None:
    recording = MemoryRecording(np.zeros(1000, np.complex64), center_frequency=100e6)
    with pytest.raises(WorkerError) as caught:
        stream(recording, Transform(fft_size=64), band=FrequencyRange(lower=1e6, upper=2e6))
    assert says(caught.value, ExitCode.INPUT_INVALID, "frequencyRange", "99500000 to 100484375 Hz")


# Frames and the range


def test_only_the_selected_range_is_transformed() -> None:
    samples = np.random.default_rng(1).normal(size=10_000)
    transform = Transform(fft_size=64, hop_size=30)
    part = stream(MemoryRecording(samples), transform, Reduce(columns=5), start=1234, count=5000)
    alone = stream(MemoryRecording(samples[1234:6234]), transform, Reduce(columns=5))
    np.testing.assert_array_equal(taken(part), taken(alone))
    np.testing.assert_array_equal(part.layout.times, alone.layout.times)


@pytest.mark.parametrize(("count", "frames"), [(64, 1), (73, 1), (74, 2), (1000, 94), (1003, 94), (1004, 95)])
def test_only_whole_windows_count(count: int, frames: int) -> None:
    assert stream(MemoryRecording(np.zeros(count)), Transform(fft_size=64, hop_size=10)).layout.frames == frames


def test_a_range_shorter_than_the_window_is_invalid() -> None:
    with pytest.raises(WorkerError) as caught:
        stream(MemoryRecording(np.zeros(63)), Transform(fft_size=64))
    assert says(caught.value, ExitCode.INPUT_INVALID, "63 samples", "64")
    assert stream(MemoryRecording(np.zeros(63)), Transform(fft_size=64, window=Window(length=60))).layout.frames == 1


def test_more_columns_than_fit_are_refused_before_they_are_planned() -> None:
    recording = MemoryRecording(np.zeros(64))
    with pytest.raises(WorkerError) as caught:
        stream(recording, Transform(fft_size=64, hop_size=1), EVERY_FRAME, count=2**40)
    assert says(caught.value, ExitCode.INVALID_SPEC, "reduce.time", "transform.hopSize")


def test_a_hop_larger_than_the_window_is_allowed_with_a_warning() -> None:
    assert transform_warnings(Transform(fft_size=64, hop_size=64)) == ()
    (warning,) = transform_warnings(Transform(fft_size=64, window=Window(length=50), hop_size=64))
    assert "hopSize 64" in warning
    assert "14 samples" in warning


@pytest.mark.parametrize("hop", [65, 1000, 300_000])
def test_frames_that_lie_apart_agree_with_scipy(hop: int) -> None:
    """Also where they are so far apart that what lies between them is not read."""
    samples = np.random.default_rng(1).normal(size=hop * 9 + 64)
    samples[5 * hop + 3] = np.nan
    recording = MemoryRecording(samples)
    transform = Transform(fft_size=64, hop_size=hop, window=hann())
    found = stream(recording, transform, Reduce(time=ALL, columns=5))
    powers = frame_powers(np.nan_to_num(samples), transform, np.hanning(65)[:64])
    powers[:, 5] = np.nan
    np.testing.assert_allclose(taken(found), reduced(powers, 2), atol=0.01)
    assert (found.gaps.count, found.gaps.missing_samples, found.frames_without_data) == (1, 1, 1)
