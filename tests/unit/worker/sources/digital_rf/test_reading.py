"""Digital RF: what the library writes is read as the library reads it; gaps, channels, rates, centre frequencies."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import digital_rf
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.digital_rf import reader as digital_rf_reader
from unit.worker.recordings import (
    FIRST_SAMPLE,
    RATE,
    integer_pairs,
    open_path,
    read,
    says,
    scaled,
    write_digital_rf,
)

STORED = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8", ">i2", ">f4"]


def library_blocks(root: Path, name: str = "recording", channel: str = "ch0") -> list[tuple[int, int]]:
    """What get_continuous_blocks says: (start, stop) from the first sample on."""
    with closing(digital_rf.DigitalRFReader(str(root / name))) as reader:
        first, last = reader.get_bounds(channel)
        blocks = reader.get_continuous_blocks(first, last, channel)
    return [(start - first, start - first + count) for start, count in blocks.items()]


def library_samples(root: Path, start: int, count: int, subchannel: int = 0, name: str = "recording") -> NDArray[Any]:
    """What read_vector says, unscaled."""
    with closing(digital_rf.DigitalRFReader(str(root / name))) as reader:
        first, _ = reader.get_bounds("ch0")
        vector: NDArray[Any] = reader.read_vector(first + start, count, "ch0", subchannel)
    return vector


def noise(count: int, dtype: str, *, is_complex: bool, subchannels: int = 1) -> NDArray[Any]:
    """Random samples of a stored type without its minimum: (count, subchannels), or twice that, I and Q in turn."""
    random = np.random.default_rng(1)
    columns = subchannels * (2 if is_complex else 1)
    if np.dtype(dtype).kind == "f":
        return random.normal(size=(count, columns)).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min + 1, limits.max, (count, columns), np.dtype(dtype).newbyteorder("=")).astype(
        dtype
    )


@pytest.mark.parametrize("storage", ["contiguous", "compressed", "checksummed", "gapped"])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("dtype", STORED)
def test_every_stored_type_reads_as_the_library_reads_it(
    tmp_path: Path, dtype: str, is_complex: bool, storage: str
) -> None:
    samples = noise(2500, dtype, is_complex=is_complex)
    write_digital_rf(
        tmp_path,
        [(0, samples)],
        dtype=dtype,
        is_complex=is_complex,
        continuous=storage != "gapped",
        compression=1 if storage == "compressed" else 0,
        checksum=storage == "checksummed",
        file_milliseconds=1,
    )
    recording = open_path(tmp_path, "recording")
    found, missing = read(recording)

    expected = library_samples(tmp_path, 0, 2500).astype(np.complex128 if is_complex else np.float64)
    kind = np.dtype(dtype).kind
    if kind != "f":
        half = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        shift = half - 0.5 if kind == "u" else 0  # between the two codes in the middle
        expected = (expected - (shift + 1j * shift if is_complex else shift)) / half
    assert recording.description.is_complex is is_complex
    assert recording.description.length == 2500
    assert not missing.any()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2**-24 if np.dtype(dtype).itemsize > 2 else 0)


@pytest.mark.parametrize("continuous", [True, False])
def test_files_in_one_piece_are_read_without_the_library(
    tmp_path: Path, continuous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As recorders write them: the fast path is taken, and any piece of it equals read_vector."""
    pairs = integer_pairs(25_000)
    write_digital_rf(tmp_path, [(0, pairs)], file_milliseconds=10, continuous=continuous)
    recording = open_path(tmp_path, "recording")
    monkeypatch.setattr(digital_rf_reader, "open_hdf5", None)
    for start, count in ((0, 25_000), (9_999, 2), (12_345, 10_000), (24_998, 2)):
        expected = library_samples(tmp_path, start, count) / 32768
        np.testing.assert_array_equal(read(recording, start, count, double=False)[0], expected)


def test_gaps_are_known_without_reading_samples(tmp_path: Path) -> None:
    """The trap of read_vector, which raises on any gap."""
    pairs = integer_pairs(1000)
    stored = [(0, pairs[:400]), (1500, pairs[400:700]), (2500, pairs[700:800]), (2700, pairs[800:])]
    write_digital_rf(tmp_path, stored, file_milliseconds=1)
    recording = open_path(tmp_path, "recording")

    blocks = library_blocks(tmp_path)
    assert blocks == [(0, 400), (1500, 1800), (2500, 2600), (2700, 2900)]
    assert recording.description.gaps == ((400, 1500), (1800, 2500), (2600, 2700))
    assert recording.description.length == 2900
    samples, missing = read(recording)
    present = np.zeros(2900, np.bool_)
    for start, stop in blocks:
        present[start:stop] = True
    np.testing.assert_array_equal(missing, ~present)
    np.testing.assert_array_equal(samples[present], scaled(pairs))
    assert not samples[missing].any()


def test_bounds_are_inclusive(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, integer_pairs(2500))])
    with closing(digital_rf.DigitalRFReader(str(tmp_path / "recording"))) as reader:
        first, last = reader.get_bounds("ch0")
    assert open_path(tmp_path, "recording").description.length == last - first + 1 == 2500


def test_a_year_between_two_campaigns_costs_nothing(tmp_path: Path) -> None:
    """The library builds a path for every file that could lie in between: 31 million."""
    year = 365 * 86_400 * RATE
    pairs = integer_pairs(200)
    write_digital_rf(tmp_path, [(0, pairs[:100]), (year, pairs[100:])])
    recording = open_path(tmp_path, "recording")
    assert recording.description.gaps == ((100, year),)
    samples, missing = read(recording, year - 50, 150)
    assert missing.sum() == 50
    np.testing.assert_array_equal(samples[50:], scaled(pairs[100:]))


@pytest.mark.parametrize("rate", [Fraction(100_000_000, 3), Fraction(1_000_000, 7), Fraction(48_000)])
def test_rational_rates_and_indices_of_sixteen_digits_stay_exact(tmp_path: Path, rate: Fraction) -> None:
    first = int(1_700_000_000 * rate) + 7
    write_digital_rf(tmp_path, [(0, integer_pairs(100)), (5000, integer_pairs(100))], rate=rate, first=first)
    found = open_path(tmp_path, "recording").description
    assert found.sample_rate == rate
    assert found.length == 5100
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(first * 1_000_000 / rate))
    assert found.start_time == expected


def test_start_time_reaches_the_microsecond(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, integer_pairs(10))], first=FIRST_SAMPLE + 123_456)
    found = open_path(tmp_path, "recording").description
    assert found.start_time == datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)


def test_several_channels_must_be_chosen_from(tmp_path: Path) -> None:
    for number, channel in enumerate(("north", "south", "west")):
        write_digital_rf(tmp_path, [(0, integer_pairs(100, seed=number))], channel=channel)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.channel", "north, south, west")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording", channel="east")
    assert says(caught.value, ExitCode.INVALID_SPEC, "no channel east", "north, south, west")
    for path, named in (("recording", "south"), ("recording/south", None), ("recording/south", "south")):
        samples, _ = read(open_path(tmp_path, path, channel=named))
        np.testing.assert_array_equal(samples, scaled(integer_pairs(100, seed=1)))


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("subchannel", [0, 1, 2])
def test_subchannels_are_told_apart(tmp_path: Path, subchannel: int, continuous: bool) -> None:
    samples = noise(60_000, "i2", is_complex=True, subchannels=3)
    write_digital_rf(tmp_path, [(0, samples)], subchannels=3, continuous=continuous)
    found, _ = read(open_path(tmp_path, "recording", subchannel=subchannel), double=False)
    np.testing.assert_array_equal(found, library_samples(tmp_path, 0, 60_000, subchannel) / 32768)


def test_a_subchannel_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording", subchannel=1)
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.subchannel", "1 subchannels")


def test_files_that_are_still_being_written_are_left_out(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(2000))], file_milliseconds=1)
    first, second = sorted(channel.glob("*/rf@*.h5"))
    second.rename(second.with_name("tmp." + second.name))
    assert first.exists()
    assert open_path(tmp_path, "recording").description.length == 1000


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, size: int) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(2000))], continuous=True, file_milliseconds=1)
    file = sorted(channel.glob("*/rf@*.h5"))[1]
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, file.name, "damaged or cut off")


def test_a_file_that_disappears_is_not_found(tmp_path: Path) -> None:
    """As a ring buffer does while it is read."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(2000))], continuous=True, file_milliseconds=1)
    recording = open_path(tmp_path, "recording")
    file = sorted(channel.glob("*/rf@*.h5"))[1]
    file.unlink()
    with pytest.raises(WorkerError) as caught:
        read(recording)
    assert says(caught.value, ExitCode.INPUT_NOT_FOUND, file.name)


def test_a_channel_without_samples_is_empty(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(10))])
    for file in channel.glob("*/rf@*.h5"):
        file.unlink()
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "ch0", "empty")


def test_lost_properties_are_named_with_the_cure(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(10))])
    (channel / "drf_properties.h5").unlink()
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording", format=InputFormat.DIGITAL_RF)
    assert says(caught.value, ExitCode.INPUT_INVALID, "recreate_properties_file")


def test_two_recordings_in_one_channel_are_refused(tmp_path: Path) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(1500))], file_milliseconds=1)
    other = write_digital_rf(
        tmp_path, [(0, integer_pairs(1500))], file_milliseconds=1, name="other", first=FIRST_SAMPLE + 800
    )
    (folder,) = channel.glob("20*")
    shutil.copy(sorted(other.glob("*/rf@*.h5"))[0], folder / "rf@1700000000.001.h5")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "repeats samples", "separate them")


@pytest.mark.parametrize("compression", [0, 1])
def test_readers_in_several_threads_do_not_disturb_each_other(tmp_path: Path, compression: int) -> None:
    pairs = integer_pairs(200_000)
    write_digital_rf(tmp_path, [(0, pairs)], continuous=True, file_milliseconds=10, compression=compression)
    recording = open_path(tmp_path, "recording")

    def read_all(seed: int) -> bool:
        starts = np.random.default_rng(seed).integers(0, 190_000, 50)
        with closing(recording.reader()) as reader:
            samples = np.empty(10_000, np.complex64)
            for start in starts:
                assert reader.read(int(start), samples) is None
                np.testing.assert_array_equal(samples, scaled(pairs[start : start + 10_000]).astype(np.complex64))
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read_all, range(4)))


def test_a_rate_that_no_recording_since_1970_can_have_had_is_refused(tmp_path: Path) -> None:
    """Its sample indices would not fit into 63 bits."""
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    with h5py.File(channel / "drf_properties.h5", "r+") as file:
        file.attrs["sample_rate_numerator"] = np.uint64(10**15)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert says(caught.value, ExitCode.INPUT_INVALID, "recording/ch0", "1e+15 samples per second")


@pytest.mark.parametrize("cadence", [0, -5, 2**63, 2**64 - 1])
def test_a_length_of_files_that_cannot_be_says_nothing(tmp_path: Path, cadence: int) -> None:
    channel = write_digital_rf(tmp_path, [(0, integer_pairs(100))])
    with h5py.File(channel / "drf_properties.h5", "r+") as file:
        file.attrs["file_cadence_millisecs"] = np.int64(cadence) if cadence < 0 else np.uint64(cadence)
    np.testing.assert_array_equal(read(open_path(tmp_path, "recording"))[0], scaled(integer_pairs(100)))
