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


def test_one_component_at_the_minimum_is_a_sample(tmp_path: Path) -> None:
    """A clipped sample has one component there; padding has both."""
    pairs = integer_pairs(100)
    pairs[10] = (MINIMUM, 5)
    pairs[11] = (5, MINIMUM)
    pairs[12] = (MINIMUM, MINIMUM)
    write_digital_rf(tmp_path, [(0, pairs)], continuous=True)
    samples, missing = read(open_path(tmp_path, "recording"))
    assert np.flatnonzero(missing).tolist() == [12]
    np.testing.assert_array_equal(samples[[10, 11]], scaled(pairs[[10, 11]]))


def test_real_samples_at_the_minimum_are_missing_in_runs_of_32(tmp_path: Path) -> None:
    values = np.ones((1000, 1), np.int16)
    values[100:131] = MINIMUM
    values[200:232] = MINIMUM
    values[300] = MINIMUM
    write_digital_rf(tmp_path, [(0, values)], continuous=True, is_complex=False)
    samples, missing = read(open_path(tmp_path, "recording"))
    assert np.flatnonzero(missing).tolist() == list(range(200, 232))
    assert (samples[100:131] == -1).all()


@pytest.mark.parametrize("size", [1, 5, 31, 32, 33, 250])
def test_a_run_is_padding_wherever_reads_cut_it(tmp_path: Path, size: int) -> None:
    values = np.ones((1000, 1), np.int16)
    values[100:131] = MINIMUM
    values[400:440] = MINIMUM
    values[500:532] = MINIMUM
    write_digital_rf(tmp_path, [(0, values)], continuous=True, is_complex=False)
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
