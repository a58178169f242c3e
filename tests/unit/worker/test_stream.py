"""The stream: scaling, axes, gaps, reductions, refusals; and how it stops, fails and stays small."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import FrequencyRange, Reduce, Reduction, Transform, Window, WindowName
from spectrogram_worker.errors import WorkerError, input_invalid
from spectrogram_worker.spectrum.axes import transform_warnings
from spectrogram_worker.spectrum.power import PowerKernel
from unit.worker.recordings import says
from unit.worker.signals import ALL, RATE, MemoryRecording, frame_powers, hann, reduced, stream, taken

BOXCAR = Window(name=WindowName.BOXCAR)
EVERY_FRAME = Reduce(time=(Reduction.NONE,))


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("transform")]


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


def test_the_calibration_offset_is_added() -> None:
    samples = np.random.default_rng(1).normal(size=5000)
    plain = taken(stream(MemoryRecording(samples), Transform(fft_size=64)))
    shifted = taken(stream(MemoryRecording(samples), Transform(fft_size=64, calibration_offset_db=-33.5)))
    np.testing.assert_allclose(shifted - plain, -33.5, atol=1e-4)


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


# Gaps


def gapped() -> tuple[NDArray[Any], Transform]:
    """20,000 samples: one missing alone, a few columns' worth, one missing, and the last ones."""
    samples = np.random.default_rng(1).normal(size=20_000)
    samples[[100, 15_000]] = np.nan
    samples[5_000:9_000] = np.nan
    samples[19_990:] = np.nan
    return samples, Transform(fft_size=256, hop_size=100, window=hann())


@pytest.mark.parametrize("columns", [1, 3, 20, 4096])
def test_frames_that_touch_a_gap_are_left_out(columns: int) -> None:
    """One NaN would poison every frame over it; painted as floor it would look like silence."""
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, Reduce(time=ALL, columns=columns), threads=2)
    powers = frame_powers(np.nan_to_num(samples), transform, np.hanning(257)[:256])
    touched = np.array([np.isnan(samples[k * 100 : k * 100 + 256]).any() for k in range(powers.shape[1])])
    powers[:, touched] = np.nan
    values = taken(found)
    np.testing.assert_allclose(values, reduced(powers, found.layout.frames_per_column), atol=0.02)
    assert found.frames_without_data == touched.sum()
    assert np.isnan(values).any() == (columns > 3)


def test_gaps_are_counted_once_and_listed() -> None:
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, threads=3, read_bytes=1)
    taken(found)
    assert found.gaps.listed == [(100, 101), (5000, 9000), (15_000, 15_001), (19_990, 20_000)]
    assert (found.gaps.count, found.gaps.missing_samples) == (4, 4012)


def test_gaps_where_two_reads_overlap_are_counted_once() -> None:
    samples = np.random.default_rng(1).normal(size=50_000)
    samples[::777] = np.nan
    samples[20_000:30_000] = np.nan
    found = stream(MemoryRecording(samples), Transform(fft_size=64, hop_size=3), threads=2, read_bytes=1)
    taken(found)
    assert (found.gaps.count, found.gaps.missing_samples) == (53, 10_052)


def test_gaps_count_from_the_recordings_first_sample() -> None:
    samples, transform = gapped()
    found = stream(MemoryRecording(samples), transform, start=8_000, count=7_001)
    taken(found)
    assert found.gaps.listed == [(8000, 9000), (15_000, 15_001)]


def test_the_list_of_gaps_does_not_grow_without_end() -> None:
    samples = np.ones(200_000)
    samples[::100] = np.nan
    found = stream(MemoryRecording(samples), Transform(fft_size=64, hop_size=10), Reduce(columns=10))
    taken(found)
    assert (found.gaps.count, found.gaps.missing_samples, len(found.gaps.listed)) == (2000, 2000, 1000)
    assert found.gaps.listed[-1] == (99_900, 99_901)


def test_no_frame_with_data_is_invalid() -> None:
    samples = np.ones(5000)
    samples[::50] = np.nan
    with pytest.raises(WorkerError) as caught:
        taken(stream(MemoryRecording(samples), Transform(fft_size=64)))
    assert says(caught.value, ExitCode.INPUT_INVALID, "no frame has data", "100 of 5000 samples")


# Stopping, failing, staying small


@pytest.mark.parametrize("threads", [1, 3])
def test_should_stop_ends_the_stream(threads: int) -> None:
    asked = threading.Event()
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    found = stream(
        recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads, should_stop=asked.is_set
    )
    columns = found.columns()
    next(columns)
    asked.set()
    rest = sum(1 for _ in columns)
    assert found.stopped
    assert rest < 99_000
    assert recording.open_readers == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_closing_the_columns_ends_the_threads(threads: int) -> None:
    recording = MemoryRecording(np.zeros(1_000_000, np.float32))
    columns: Any = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads).columns()
    next(columns)
    columns.close()
    assert recording.open_readers == 0


def test_work_under_way_is_given_up_when_the_columns_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is reading when the consumer leaves transforms nothing any more."""
    closed = threading.Event()
    transformed: list[bool] = []
    original = PowerKernel.reduce

    def count(*arguments: Any) -> list[int]:
        transformed.append(closed.is_set())
        return original(*arguments)

    def linger(start: int) -> None:
        if start:
            closed.wait(60)

    monkeypatch.setattr(PowerKernel, "reduce", count)
    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=linger)
    found = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=2)
    columns: Any = found.columns()
    next(columns)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", _announcing(closed))
    columns.close()
    assert transformed
    assert not any(transformed)


def _announcing(closed: threading.Event) -> Any:
    original = ThreadPoolExecutor.shutdown

    def shutdown(pool: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        closed.set()
        original(pool, *arguments, **options)

    return shutdown


@pytest.mark.parametrize("error", [input_invalid("noise.raw was cut off"), MemoryError("no room"), OSError(5, "disk")])
@pytest.mark.parametrize("threads", [1, 3])
def test_errors_in_threads_reach_the_consumer(threads: int, error: Exception) -> None:
    def fail(start: int) -> None:
        if start > 500_000:
            raise error

    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=fail)
    found = stream(recording, Transform(fft_size=64, hop_size=10), EVERY_FRAME, threads=threads)
    seen: list[int] = []
    with pytest.raises(type(error)) as caught:
        seen.extend(column.index for column in found.columns())
    assert caught.value is error
    assert len(seen) > 40_000
    assert recording.open_readers == 0


@pytest.mark.parametrize("columns", [None, 1])
def test_threads_run_only_a_little_ahead(columns: int | None) -> None:
    """However slow the consumer: at most two items per thread, so memory does not grow with the recording."""
    reads: list[int] = []
    recording = MemoryRecording(np.zeros(2_000_000, np.float32), before_read=reads.append)
    reduce = EVERY_FRAME if columns is None else Reduce(columns=columns)
    found = stream(recording, Transform(fft_size=64, hop_size=32), reduce, threads=2, read_bytes=40_000)
    ahead = 0
    for column in found.columns():
        if columns is None:
            ahead = max(ahead, max(reads) - column.index * 32)
    item = found.chunk_samples
    assert len(reads) >= 2_000_000 // item
    assert ahead <= 5 * item


def test_a_huge_column_is_shared_by_all_threads() -> None:
    """Two threads must be at work in the one column before either may go on."""
    together = threading.Barrier(2, timeout=60)
    first: list[int] = []

    def meet(start: int) -> None:
        if len(first) < 2:
            first.append(start)
            together.wait()

    recording = MemoryRecording(np.zeros(1_000_000, np.float32), before_read=meet)
    taken(stream(recording, Transform(fft_size=64, hop_size=10), Reduce(columns=1), threads=2))
    assert len(set(first)) == 2


def test_memory_has_no_term_in_the_length() -> None:
    def planned(length: int) -> int:
        recording = MemoryRecording(np.zeros(1))
        found = stream(recording, Transform(fft_size=1024, hop_size=512), threads=2, count=length)
        return found.memory_bytes

    assert planned(10**9) == planned(10**14)


@pytest.mark.parametrize("read_bytes", [1, 512 * 1024, 8 * 2**20, 2**40])
def test_reads_stay_below_8_mib(read_bytes: int) -> None:
    recording = MemoryRecording(np.zeros(1, np.complex64))
    for fft_size, hop in ((8, 1), (1024, 500), (65_536, 100), (1_048_576, 1_000_000), (64, 2**30)):
        transform = Transform(fft_size=fft_size, hop_size=hop)
        found = stream(recording, transform, count=2**40, read_bytes=read_bytes)
        assert found.chunk_samples * 8 <= max(8 * 2**20, (fft_size + hop) * 8 if hop <= fft_size else 0)
