"""NumPy files: what numpy.save writes is read with full scale 1; headers that lie are refused before allocating."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat, Raw
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import open_path, read, says

SAID = Raw(sample_rate=48_000.0, center_frequency=7e6)


def save(root: Path, array: NDArray[Any], name: str = "array.npy") -> Path:
    path = root / name
    np.save(path, array)
    return path


def crafted(root: Path, header: str, *, data: bytes = bytes(800), version: tuple[int, int] = (1, 0)) -> Path:
    """A .npy file with this header, whatever it says."""
    text = header.encode("latin1") + b"\n"
    size = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    path = root / "array.npy"
    path.write_bytes(b"\x93NUMPY" + bytes(version) + size + text + data)
    return path


def refused(root: Path, *words: str, code: ExitCode = ExitCode.INPUT_INVALID, raw: Raw | None = SAID) -> None:
    with pytest.raises(WorkerError) as caught:
        open_path(root, "array.npy", raw=raw)
    assert says(caught.value, code, "array.npy", *words), caught.value


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_real_samples_of_every_type_have_full_scale_one(tmp_path: Path, kind: str, order: str) -> None:
    values = np.array([-1, -0.5, 0, 0.25, 0.5])
    half = 2.0 ** (8 * int(kind[1]) - 1)
    stored = values if kind[0] == "f" else values * half if kind[0] == "i" else values * half + half
    save(tmp_path, stored.astype(order + kind))
    recording = open_path(tmp_path, "array.npy", raw=SAID)
    found = recording.description
    assert (found.format, float(found.sample_rate), found.center_frequency) == (InputFormat.NUMPY, 48_000, 7e6)
    assert (found.is_complex, found.length, found.bytes_per_sample) == (False, 5, int(kind[1]))
    np.testing.assert_array_equal(read(recording)[0], values + (0.5 / half if kind[0] == "u" else 0))


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("dtype", ["<c8", ">c8", "<c16", ">c16"])
def test_complex_samples_are_read_as_they_are(tmp_path: Path, dtype: str, double: bool) -> None:
    values = np.random.default_rng(1).normal(size=(100_000, 2)).astype("f4").view("c8")[:, 0].astype(dtype)
    save(tmp_path, values)
    samples, missing = read(open_path(tmp_path, "array.npy", raw=SAID), double=double)
    np.testing.assert_array_equal(samples, values)
    assert not missing.any()


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "|u1", "<f4"])
def test_two_columns_of_real_numbers_are_i_and_q(tmp_path: Path, dtype: str) -> None:
    pairs = np.random.default_rng(1).integers(0, 100, (1000, 2)).astype(dtype)
    save(tmp_path, pairs)
    samples, _ = read(open_path(tmp_path, "array.npy", raw=SAID))
    scale = {"i": 2**15, "u": 2**7, "f": 1}[np.dtype(dtype).kind]
    zero = 127.5 if np.dtype(dtype).kind == "u" else 0
    np.testing.assert_array_equal(samples * scale, (pairs[:, 0] - float(zero)) + 1j * (pairs[:, 1] - float(zero)))


@pytest.mark.parametrize(
    ("dtype", "columns", "fields", "expected"),
    [
        ("<i2", 2, {"iq_channels": (1, 0)}, lambda a: a[:, 1] + 1j * a[:, 0]),
        ("<i2", 2, {"channel": "1"}, lambda a: a[:, 1]),
        ("<f4", 4, {"iq_channels": (2, 3)}, lambda a: a[:, 2] + 1j * a[:, 3]),
        ("<f8", 3, {"channel": "2"}, lambda a: a[:, 2]),
        ("<c8", 2, {"channel": "1"}, lambda a: a[:, 1]),
        ("<f4", 1, {"channel": "0"}, lambda a: a[:, 0]),
    ],
)
def test_columns_are_channels_where_the_job_says_which(
    tmp_path: Path, dtype: str, columns: int, fields: dict[str, Any], expected: Any
) -> None:
    stored = np.random.default_rng(1).normal(0, 1000, (2000, columns)).astype(dtype)
    save(tmp_path, stored)
    scaled = stored / 2.0**15 if stored.dtype.kind == "i" else stored
    np.testing.assert_array_equal(read(open_path(tmp_path, "array.npy", raw=SAID, **fields))[0], expected(scaled))


@pytest.mark.parametrize(
    ("dtype", "columns", "fields", "words"),
    [
        ("<i2", 2, {"iq_channels": (2, 0)}, ("input.iqChannels", "no channel 2", "0 to 1")),
        ("<i2", 3, {"channel": "3"}, ("input.channel", "no channel 3", "0 to 2")),
        ("<c8", 2, {"iq_channels": (0, 1)}, ("input.iqChannels", "complex samples")),
    ],
)
def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, dtype: str, columns: int, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    save(tmp_path, np.zeros((10, columns), dtype))
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "array.npy", raw=SAID, **fields)
    assert says(caught.value, ExitCode.INVALID_SPEC, "array.npy", *words)


def test_row_4_what_is_said_of_the_halves_of_complex_samples_can_be_done(tmp_path: Path) -> None:
    samples = np.array([1 + 2j, 3 + 4j], "<c8")
    np.save(tmp_path / "noise.npy", samples)
    fields: dict[str, Any] = {"raw": Raw(sample_rate=1.0), "iq_channels": (1, 0)}
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "noise.npy", **fields)
    advice = "a.view('<f4').reshape(len(a), -1)"
    assert says(caught.value, ExitCode.INVALID_SPEC, "input.iqChannels", advice)
    np.save(tmp_path / "noise.npy", eval(advice, {"a": samples, "len": len}))
    np.testing.assert_array_equal(read(open_path(tmp_path, "noise.npy", **fields))[0], [2 + 1j, 4 + 3j])


def test_samples_that_are_not_finite_are_missing(tmp_path: Path) -> None:
    values = np.ones(100, "<c8")
    values[[3, 50]] = np.nan, complex(0, np.inf)
    save(tmp_path, values)
    assert np.flatnonzero(read(open_path(tmp_path, "array.npy", raw=SAID))[1]).tolist() == [3, 50]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_the_header_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "array.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(10, dtype="<f4"), version=version)
    assert read(open_path(tmp_path, "array.npy", raw=SAID))[0].tolist() == list(range(10))


def test_a_header_that_python_2_wrote_is_read(tmp_path: Path) -> None:
    crafted(tmp_path, "{'descr': '<f4', 'fortran_order': False, 'shape': (10L,), }")
    assert open_path(tmp_path, "array.npy", raw=SAID).description.length == 10


def test_nothing_is_mapped_and_no_array_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, np.zeros(100_000, "<c8"))
    for name in ("load", "memmap", "fromfile"):
        monkeypatch.setattr(np, name, None)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    reader = open_path(tmp_path, "array.npy", raw=SAID).reader()
    reader.read(0, np.empty(100_000, np.complex64))
    assert str(path) not in Path("/proc/self/maps").read_text()
    reader.close()


def test_python_objects_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "unpickled"),)

    np.save(tmp_path / "array.npy", np.array([Evil(), Evil()], object), allow_pickle=True)
    refused(tmp_path, "Python objects")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((10, 3)), "(10, 3)"),
        (np.zeros((2, 10)), "(2, 10)"),
        (np.zeros((10, 2), complex), "(10, 2)"),
        (np.zeros((10, 2, 1)), "(10, 2, 1)"),
        (np.zeros(()), "()"),
        (np.zeros(10, bool), "bool"),
        (np.zeros(10, "U3"), "<U3"),
        (np.zeros(10, "M8[s]"), "datetime64"),
        (np.zeros(10, [("i", "<i2"), ("q", "<i2")]), "'i'"),
        (np.zeros(10, np.longdouble), "float128"),
        (np.asfortranarray(np.zeros((10, 2))), "Fortran order"),
        (np.zeros(0), "empty"),
        (np.zeros((0, 2)), "empty"),
    ],
)
def test_an_array_that_is_no_recording_is_refused(tmp_path: Path, array: NDArray[Any], word: str) -> None:
    save(tmp_path, array)
    refused(tmp_path, word)


@pytest.mark.parametrize("shape", ["(10**99,)", f"({10**400},)", f"({2**62},)", f"({2**63}, 2)", "(201,)", "(101, 2)"])
def test_a_shape_larger_than_the_file_is_refused_before_allocating(tmp_path: Path, shape: str) -> None:
    crafted(tmp_path, f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")
    refused(tmp_path, "cut off" if "**" not in shape else "header")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "}{",
        "[1]",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (10,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 10}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-10,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-10, 2)}",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (10,)}",
        "{'descr': ('<f4', (2**40,)), 'fortran_order': False, 'shape': (10,)}",
        "{'descr': ('<f4', (9,)), 'fortran_order': False, 'shape': (10,)}",
        "{'descr': '|V999999999', 'fortran_order': False, 'shape': (10,)}",
        "__import__('os').mkdir('evil')",
        "(" * 5000,
        "-" * 9000,
        " " * 15_000,
    ],
)
def test_a_header_that_cannot_be_is_one_clear_error(tmp_path: Path, header: str) -> None:
    crafted(tmp_path, header)
    refused(tmp_path)


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    path.write_bytes(b"\x93NUMPY\x02\0\xff\xff\xff\xff{'descr'")
    os.truncate(path, 2**33)
    refused(tmp_path, "header")


@pytest.mark.parametrize("size", [0, 3, 6, 9, 40, 127, 500])
def test_a_file_that_was_cut_off_is_invalid(tmp_path: Path, size: int) -> None:
    os.truncate(save(tmp_path, np.zeros(100)), size)
    refused(tmp_path)


def test_the_rate_is_the_jobs_or_the_names(tmp_path: Path) -> None:
    save(tmp_path, np.zeros(10, "<c8"))
    refused(tmp_path, "input.raw.sampleRate", code=ExitCode.INVALID_SPEC, raw=None)
    refused(tmp_path, "input.raw.sampleRate", code=ExitCode.INVALID_SPEC, raw=Raw(center_frequency=1.0))
    name = "gqrx_20230806_151838_428000000_200000_fc.npy"
    save(tmp_path, np.zeros(10, "<c8"), name)
    found = open_path(tmp_path, name).description
    assert (float(found.sample_rate), found.center_frequency) == (200e3, 428e6)
    assert found.start_time == datetime(2023, 8, 6, 15, 18, 38, tzinfo=UTC)
    assert float(open_path(tmp_path, name, raw=SAID).description.sample_rate) == 48_000


def test_a_datatype_that_is_not_the_headers_is_refused(tmp_path: Path) -> None:
    save(tmp_path, np.zeros(10, "<c8"))
    same, other = Raw(datatype="cf32_le", sample_rate=1.0), Raw(datatype="ci16_le", sample_rate=1.0)
    assert open_path(tmp_path, "array.npy", raw=same).description.length == 10
    refused(tmp_path, "cf32_le", "ci16_le", "remove it", code=ExitCode.INVALID_SPEC, raw=other)
