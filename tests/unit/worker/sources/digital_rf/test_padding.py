"""Digital RF, continuous mode: what was not recorded is padded, with NaN or the type's minimum, and called data."""

from pathlib import Path

import digital_rf
import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import FIRST_SAMPLE, integer_pairs, open_path, read, says, scaled, write_digital_rf

MINIMUM = -32768


def test_head_and_tail_padding_is_trimmed_before_samples_are_counted(tmp_path: Path) -> None:
    """2,500 samples become 1,000,000 in get_bounds."""
    pairs = integer_pairs(2500)
    write_digital_rf(tmp_path, [(0, pairs)], continuous=True, first=FIRST_SAMPLE + 123)
    reader = digital_rf.DigitalRFReader(str(tmp_path / "recording"))
    first, last = reader.get_bounds("ch0")
    reader.close()
    assert (first, last - first + 1) == (FIRST_SAMPLE, 1_000_000)

    recording = open_path(tmp_path, "recording")
    assert recording.description.length == 2500
    assert recording.description.start_time is not None
    assert recording.description.start_time.microsecond == 123
    samples, missing = read(recording)
    assert not missing.any()
    np.testing.assert_array_equal(samples, scaled(pairs))


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", ">i2"])
def test_minimum_integers_between_blocks_are_missing(tmp_path: Path, dtype: str, compression: int) -> None:
    pairs = integer_pairs(400, dtype=dtype)
    blocks = [(0, pairs[:200]), (1000, pairs[200:])]
    write_digital_rf(tmp_path, blocks, dtype=dtype, continuous=True, compression=compression)
    recording = open_path(tmp_path, "recording")
    samples, missing = read(recording)
    assert recording.description.length == 1200
    assert np.flatnonzero(missing).tolist() == list(range(200, 1000))
    assert not samples[missing].any()


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8"])
def test_nan_between_blocks_is_missing(tmp_path: Path, dtype: str, is_complex: bool) -> None:
    values = np.random.default_rng(1).normal(size=(400, 2 if is_complex else 1)).astype(dtype)
    write_digital_rf(
        tmp_path, [(0, values[:200]), (1000, values[200:])], dtype=dtype, continuous=True, is_complex=is_complex
    )
    recording = open_path(tmp_path, "recording")
    _, missing = read(recording)
    assert recording.description.length == 1200
    assert np.flatnonzero(missing).tolist() == list(range(200, 1000))


@pytest.mark.parametrize("is_complex", [True, False])
def test_samples_at_the_minimum_are_missing_in_runs_of_32_and_else_clipped(tmp_path: Path, is_complex: bool) -> None:
    values = np.ones((1000, 2 if is_complex else 1), np.int16)
    values[100:131] = MINIMUM
    values[200:232] = MINIMUM
    values[300] = MINIMUM
    values[400:500, 0] = MINIMUM if is_complex else 5  # padding has both components there
    write_digital_rf(tmp_path, [(0, values)], continuous=True, is_complex=is_complex)
    samples, missing = read(open_path(tmp_path, "recording"))
    assert np.flatnonzero(missing).tolist() == list(range(200, 232))
    assert (samples[100:131] == (-1 - 1j if is_complex else -1)).all()


@pytest.mark.parametrize("compression", [0, 1])
def test_noise_that_clips_has_no_gap(tmp_path: Path, compression: int) -> None:
    """Of a deviation of 70, in 8 bits: both components are at the minimum in one of 850 samples."""
    noise = np.random.default_rng(5).normal(0, 70, (200_000, 2)).round().clip(-128, 127).astype(np.int8)
    clipped = (noise == -128).all(axis=1)
    assert clipped.sum() > 150
    noise[[0, -1]] = 1
    write_digital_rf(tmp_path, [(0, noise)], dtype="i1", continuous=True, compression=compression)
    recording = open_path(tmp_path, "recording")
    assert recording.description.length == len(noise)
    for size in (len(noise), 1777):
        reader, samples = recording.reader(), np.empty(size, np.complex64)
        for start in range(0, len(noise) - size + 1, size):
            assert reader.read(start, samples) is None
            np.testing.assert_array_equal(samples, scaled(noise[start : start + size]))
        reader.close()


@pytest.mark.parametrize("length", [1, 2, 31])
def test_a_fill_may_be_short_where_a_file_begins_or_ends(tmp_path: Path, length: int) -> None:
    """Files of 1000 samples; what is as short inside of one is data."""
    pairs = integer_pairs(10_000)
    short = slice(500, 500 + length)
    pairs[short] = pairs[3000 : 3000 + length] = pairs[5000 - length : 5000] = MINIMUM
    pairs[7000 - length : 7000 + length] = MINIMUM
    pairs[:length] = pairs[10_000 - length :] = MINIMUM
    write_digital_rf(tmp_path, [(0, pairs)], continuous=True, file_milliseconds=1)
    recording = open_path(tmp_path, "recording")
    assert recording.description.length == 10_000 - 2 * length
    _, whole = read(recording)
    found = np.flatnonzero(whole) + length
    filled = (range(3000, 3000 + length), range(5000 - length, 5000), range(7000 - length, 7000 + length))
    assert found.tolist() == [sample for fill in filled for sample in fill]
    for size in (1, 7, 40, 250):
        pieces = range(0, recording.description.length, size)
        cut = [read(recording, start, min(size, recording.description.length - start))[1] for start in pieces]
        np.testing.assert_array_equal(np.concatenate(cut), whole)


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("size", [1, 5, 31, 32, 33, 250])
def test_a_run_is_padding_wherever_reads_cut_it(tmp_path: Path, size: int, is_complex: bool) -> None:
    values = np.ones((1000, 2 if is_complex else 1), np.int16)
    values[100:131] = MINIMUM
    values[400:440] = MINIMUM
    values[500:532] = MINIMUM
    write_digital_rf(tmp_path, [(0, values)], continuous=True, is_complex=is_complex)
    recording = open_path(tmp_path, "recording")
    _, whole = read(recording)
    pieces = [read(recording, start, min(size, 1000 - start))[1] for start in range(0, 1000, size)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert whole.sum() == 72


def test_minimum_integers_are_samples_where_nothing_is_padded(tmp_path: Path) -> None:
    pairs = np.full((100, 2), MINIMUM, np.int16)
    write_digital_rf(tmp_path, [(0, pairs)], continuous=False)
    samples, missing = read(open_path(tmp_path, "recording"))
    assert not missing.any()
    assert (samples == -1 - 1j).all()


def test_nan_is_missing_in_every_mode(tmp_path: Path) -> None:
    values = np.ones((100, 2), np.float32)
    values[7, 1] = np.nan
    write_digital_rf(tmp_path, [(0, values)], dtype="f4", continuous=False)
    _, missing = read(open_path(tmp_path, "recording"))
    assert np.flatnonzero(missing).tolist() == [7]


def test_padding_over_whole_files_is_trimmed(tmp_path: Path) -> None:
    """Head and tail can be longer than one search step of 65536 samples, and than a file."""
    pairs = integer_pairs(10)
    padding = np.full((500_000, 2), MINIMUM, np.int16)
    blocks = [(0, padding), (500_000, pairs), (500_010, padding)]
    write_digital_rf(tmp_path, blocks, continuous=True, file_milliseconds=100)
    recording = open_path(tmp_path, "recording")
    assert recording.description.length == 10
    np.testing.assert_array_equal(read(recording)[0], scaled(pairs))


def test_a_recording_of_nothing_but_padding_is_invalid(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, np.full((100, 2), MINIMUM, np.int16))], continuous=True)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "all of it is padding")
