"""Recordings that somebody damaged, or made to do harm: documented errors only, and nothing outside is ever opened.

Each reader runs in a process of its own with little memory. Python's own opening of files is seen there by an audit
hook; what C libraries open of the folder outside is seen here, by inotify.
"""

import ctypes
import io
import json
import os
import select
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spectrogram_worker.contract import ExitCode
from unit.worker.recordings import FIRST_SAMPLE, integer_pairs, write_center_frequencies, write_digital_rf, write_sigmf

ALLOWED = {0, ExitCode.INVALID_SPEC, ExitCode.INPUT_INVALID, ExitCode.INPUT_NOT_FOUND, ExitCode.IO_ERROR}
PATIENCE_SECONDS = 60
EXAMPLES = 60
RAW = {"datatype": "ci16_le", "sampleRate": 1000.0}
IN_OPEN = 0x20
Fields = dict[str, Any]


class Victim:
    """The reading process; `ask` sends it a selection and checks what is true of every answer."""

    def __init__(self) -> None:
        self.root = Path()
        self.peak = 0
        """Bytes that reading the last recording added at most."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unit.worker.sources.harmful.fuzz_reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
        )

    def begin(self, root: Path, fields: Fields) -> None:
        """Read a good recording below `root`; from then on, limits hold and what is opened outside is noted."""
        self.root = root
        assert self.ask(fields, good=True) == 0

    def ask(self, fields: Fields, *, good: bool = False) -> int:
        """The code that the recording ends with; 0: it could be read."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(
            json.dumps({"root": str(self.root), "good": good, "selection": fields}).encode() + b"\n"
        )
        self.process.stdin.flush()
        ready = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)[0]
        assert ready, f"no end after {PATIENCE_SECONDS} s"
        line = self.process.stdout.readline()
        assert line, f"the reader died: {self.process.wait()}"
        answer = json.loads(line)
        assert "unexpected" not in answer, answer
        assert answer["outside"] == [], answer
        assert answer["code"] in ALLOWED, answer
        assert answer["message"].isprintable(), answer
        self.peak = answer["peak"]
        return int(answer["code"])

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


@contextmanager
def nothing_opened(folder: Path) -> Iterator[None]:
    """Fails where anything below `folder` (one level) is opened, by whatever process or library."""
    library = ctypes.CDLL(None, use_errno=True)
    watch = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watch >= 0, os.strerror(ctypes.get_errno())
    try:
        assert library.inotify_add_watch(watch, os.fsencode(folder), IN_OPEN) >= 0
        yield
        with pytest.raises(BlockingIOError):
            os.read(watch, 4096)
    finally:
        os.close(watch)


def noise(count: int = 3000, channels: int = 2) -> Any:
    return np.clip(np.random.default_rng(1).normal(0, 0.2, (count, channels)), -1, 0.99)


def raw(root: Path) -> Fields:
    (root / "noise.raw").write_bytes(integer_pairs(3000).tobytes())
    return {"path": "noise.raw", "format": "Raw", "raw": RAW}


def sigmf(root: Path) -> Fields:
    captures: list[dict[str, Any]] = [
        {"core:sample_start": 0, "core:header_bytes": 8, "core:frequency": 1e6},
        {"core:sample_start": 1500},
    ]
    write_sigmf(root, integer_pairs(3002).tobytes(), captures=captures, datatype="ci16_le", num_channels=1)
    return {"path": "signal.sigmf-meta", "format": "SigMF"}


def archive(root: Path, kind: int = tarfile.PAX_FORMAT) -> Fields:
    sigmf(root)
    with tarfile.open(root / "signal.sigmf", "w", format=kind) as packed:
        for end in ("meta", "data"):
            packed.add(root / f"signal.sigmf-{end}", "folder/" * 30 + f"signal.sigmf-{end}")
            (root / f"signal.sigmf-{end}").unlink()
    return {"path": "signal.sigmf", "format": "SigMF"}


def gnu_archive(root: Path) -> Fields:
    return archive(root, tarfile.GNU_FORMAT)


def numpy_file(root: Path) -> Fields:
    np.save(root / "array.npy", integer_pairs(3000))
    return {"path": "array.npy", "format": "NumPy", "raw": {"sampleRate": 1000.0}}


def audio(kind: str, subtype: str) -> Callable[[Path], Fields]:
    def write(root: Path) -> Fields:
        soundfile.write(root / "sound", noise(), 48_000, subtype=subtype, format=kind)
        return {"path": "sound", "format": "Audio", "audio": {"iq": True}}

    return write


def digital_rf(compression: int) -> Callable[[Path], Fields]:
    def write(root: Path) -> Fields:
        blocks = [(0, integer_pairs(1000)), (1500, integer_pairs(1500))]
        channel = write_digital_rf(root, blocks, continuous=not compression, compression=compression)
        write_center_frequencies(channel, {FIRST_SAMPLE: 98.5e6})
        return {"path": "recording", "format": "DigitalRF"}

    return write


SEEDS: dict[str, Callable[[Path], Fields]] = {
    "raw": raw,
    "sigmf": sigmf,
    "archive": archive,
    "gnu_archive": gnu_archive,
    "numpy": numpy_file,
    "wav": audio("WAV", "PCM_16"),
    "wav_float": audio("WAV", "FLOAT"),
    "wav_ulaw": audio("WAV", "ULAW"),
    "rf64": audio("RF64", "PCM_24"),
    "w64": audio("W64", "PCM_32"),
    "flac": audio("FLAC", "PCM_24"),
    "digital_rf": digital_rf(0),
    "digital_rf_compressed": digital_rf(1),
}
VALUES = [b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]
VALUES += [b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"9" * 11, b"-1", b"1e999", b"NaN", b"[" * 40, b'"\\ud800"', b"../"]
NEVER_READ = {"dmd_properties.h5"}
SHARE = st.floats(0, 1, exclude_max=True).map(lambda share: share**3)  # headers lie at the beginning
CHANGE = st.one_of(
    st.tuples(st.just("cut"), SHARE),
    st.tuples(st.just("flip"), SHARE, st.integers(0, 7)),
    st.tuples(st.just("write"), SHARE, st.sampled_from(VALUES)),
    st.tuples(st.just("remove"), SHARE, st.integers(1, 600)),
    st.tuples(st.just("repeat"), SHARE, st.integers(1, 600)),
    st.tuples(st.just("grow"), st.sampled_from([1, 511, 2**20, 2**32, 2**36])),
)


def change(path: Path, how: tuple[Any, ...]) -> None:
    """Damage one file."""
    content = path.read_bytes()
    if how[0] == "grow":
        os.truncate(path, len(content) + how[1])  # a hole: it takes no space
        return
    place = int(how[1] * len(content))
    before, after = content[:place], content[place:]
    match how[0]:
        case "cut":
            content = before
        case "flip":
            content = before + bytes([after[0] ^ (1 << how[2])]) + after[1:] if after else before
        case "write":
            content = before + how[2] + after[len(how[2]) :]
        case "remove":
            content = before + after[how[2] :]
        case "repeat":
            content = before + after[: how[2]] + after
    path.write_bytes(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    found = Victim()
    yield found
    found.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_damage_ends_in_a_documented_error(root: Path, victim: Victim, seed: str) -> None:
    fields = SEEDS[seed](root)
    victim.begin(root, fields)
    good = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    codes = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(sorted(good)), st.lists(CHANGE, min_size=1, max_size=3), st.booleans())
    def damage(path: Path, changes: list[tuple[Any, ...]], auto: bool) -> None:
        for how in changes:
            if path.stat().st_size <= 2**20:
                change(path, how)
        try:
            codes.append(victim.ask(fields | ({"format": "Auto"} if auto else {})))
        finally:
            path.write_bytes(good[path])

    damage()
    assert len(codes) >= EXAMPLES
    assert seed == "raw" or set(codes) - {0}


@pytest.mark.parametrize("seed", SEEDS)
def test_links_out_of_the_root_are_never_followed(root: Path, victim: Victim, seed: str) -> None:
    fields = SEEDS[seed](root)
    victim.begin(root, fields)
    outside = root.parent / "outside"
    outside.mkdir()
    for number, path in enumerate(path for path in sorted(root.rglob("*")) if path.is_file()):
        secret = outside / f"{number}"
        shutil.copy(path, secret)
        kept = path.read_bytes()
        path.unlink()
        path.symlink_to(secret)
        with nothing_opened(outside):
            found = {victim.ask(fields), victim.ask(fields | {"format": "Auto"})}
        assert found == ({0} if path.name in NEVER_READ else {ExitCode.INPUT_INVALID}), path
        path.unlink()
        path.write_bytes(kept)
    assert victim.ask(fields) == 0


WAYS: dict[str, Callable[[Any, str, Path], None]] = {
    "external link": lambda file, name, secret: file.__setitem__(name, h5py.ExternalLink(str(secret), name)),
    "external storage": lambda file, name, secret: file.create_dataset(
        name, (100, 2), np.uint64, external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
    ),
}


@pytest.mark.parametrize("name", ["rf_data", "rf_data_index"])
@pytest.mark.parametrize("way", WAYS)
def test_hdf5_files_never_lead_to_others(root: Path, victim: Victim, way: str, name: str) -> None:
    fields = digital_rf(0)(root)
    victim.begin(root, fields)
    outside = root.parent / "outside"
    outside.mkdir()
    shutil.copy(next(root.glob("recording/ch0/2*/rf@*.h5")), outside / "secret.h5")
    path = next(root.glob("recording/ch0/2*/rf@*.h5"))
    with h5py.File(path, "r+") as file:
        del file[name]
        WAYS[way](file, name, outside / "secret.h5")
    with nothing_opened(outside):
        assert victim.ask(fields) == ExitCode.INPUT_INVALID


def test_samples_that_inflate_without_end_take_no_memory(root: Path, victim: Victim) -> None:
    fields = digital_rf(1)(root)
    victim.begin(root, fields)
    path = next(root.glob("recording/ch0/2*/rf@*.h5"))
    packer = zlib.compressobj()
    stored = b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()
    with h5py.File(path, "r+") as file:
        file["rf_data"].id.write_direct_chunk((0, 0), stored)
    assert victim.ask(fields) == ExitCode.INPUT_INVALID


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_archives_never_lead_out_of_themselves(root: Path, victim: Victim, kind: bytes) -> None:
    fields = archive(root)
    victim.begin(root, fields)
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(bytes(800))
    with tarfile.open(root / "signal.sigmf") as packed:
        (meta,) = [packed.extractfile(member).read() for member in packed if "meta" in member.name]  # type: ignore[union-attr]
    with tarfile.open(root / "signal.sigmf", "w") as packed:
        described = tarfile.TarInfo("signal.sigmf-meta")
        described.size = len(meta)
        packed.addfile(described, io.BytesIO(meta))
        link = tarfile.TarInfo("signal.sigmf-data")
        link.type, link.linkname = kind, str(outside / "secret")
        packed.addfile(link)
    with nothing_opened(outside):
        assert victim.ask(fields) == ExitCode.INPUT_INVALID


def test_the_watch_sees_what_a_library_opens(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    (tmp_path / "secret.h5").write_bytes(b"")
    with pytest.raises(pytest.fail.Exception), nothing_opened(tmp_path), pytest.raises(OSError, match="signature"):
        h5py.File(tmp_path / "secret.h5")


def test_the_reader_notes_what_python_opens_outside(root: Path, tmp_path: Path, victim: Victim) -> None:
    victim.begin(root, raw(root))
    (tmp_path / "noise.raw").write_bytes(bytes(800))
    victim.root = tmp_path  # which the reader was not told to allow
    with pytest.raises(AssertionError, match=f"open {tmp_path}"):
        victim.ask({"path": "noise.raw", "format": "Auto", "raw": RAW})
