"""Recordings in a bucket, on a real S3 server: every format reads as from a folder, and every way to fail is told."""

import http.server
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from harness.object_store import ObjectStore
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.memory import CACHED_BLOCK_BYTES
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage import bucket
from unit.worker.recordings import (
    FIRST_SAMPLE,
    RATE,
    integer_pairs,
    open_path,
    read,
    says,
    write_center_frequencies,
    write_digital_rf,
    write_sigmf,
)
from unit.worker.stores import CREDENTIALS, in_bucket, in_scratch, job_of, opened
from unit.worker.worker_process import run

COUNT = 3_000_000
"""Samples of ci16: three blocks and a part of one."""
RAW = {"datatype": "ci16_le", "sampleRate": 1e6}
Fields = dict[str, Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_TRIES", 1)


def audio(kind: str, subtype: str) -> Callable[[Path], Fields]:
    def write(root: Path) -> Fields:
        noise = np.random.default_rng(1).uniform(-1, 0.99, (COUNT, 2))
        soundfile.write(root / "sound", noise, 48_000, subtype=subtype, format=kind)
        return {"path": "sound", "audio": {"iq": True}}

    return write


def raw(root: Path) -> Fields:
    (root / "noise.raw").write_bytes(integer_pairs(COUNT).tobytes())
    return {"path": "noise.raw", "raw": RAW}


def sigmf(root: Path) -> Fields:
    captures = [{"core:sample_start": 0, "core:frequency": 1e8, "core:datetime": "2026-11-01T12:00:00Z"}]
    write_sigmf(root, integer_pairs(COUNT).tobytes(), captures=captures, datatype="ci16_le")
    return {"path": "signal"}


def archive(root: Path) -> Fields:
    sigmf(root)
    with tarfile.open(root / "packed.sigmf", "w") as packed:
        for end in ("meta", "data"):
            packed.add(root / f"signal.sigmf-{end}", f"packed/signal.sigmf-{end}")
            (root / f"signal.sigmf-{end}").unlink()
    return {"path": "packed.sigmf"}


def numpy_file(root: Path) -> Fields:
    np.save(root / "array.npy", integer_pairs(COUNT))
    return {"path": "array.npy", "raw": {"sampleRate": 1000.0}}


def digital_rf(continuous: bool, compression: int = 0) -> Callable[[Path], Fields]:
    def write(root: Path) -> Fields:
        blocks = [(1000, integer_pairs(2 * RATE)), (4 * RATE, integer_pairs(RATE + 77))]
        for channel in ("ch0", "ch1"):
            folder = write_digital_rf(root, blocks, channel=channel, continuous=continuous, compression=compression)
            write_center_frequencies(folder, {FIRST_SAMPLE: 98.5e6})
        return {"path": "recording", "channel": "ch1"}

    return write


STREAMED: dict[str, Callable[[Path], Fields]] = {
    "raw": raw,
    "sigmf": sigmf,
    "archive": archive,
    "numpy": numpy_file,
    "wav": audio("WAV", "PCM_16"),
    "wav_float": audio("WAV", "FLOAT"),
    "rf64": audio("RF64", "PCM_24"),
    "w64": audio("W64", "PCM_32"),
}
COPIED: dict[str, Callable[[Path], Fields]] = {
    "flac": audio("FLAC", "PCM_16"),
    "digital_rf": digital_rf(continuous=False),
    "digital_rf_padded": digital_rf(continuous=True),
    "digital_rf_compressed": digital_rf(continuous=False, compression=1),
}
PLACES = (0, CACHED_BLOCK_BYTES // 4 - 500, 1_234_567, COUNT // 3)


@pytest.mark.parametrize("name", [*STREAMED, *COPIED])
def test_a_recording_in_a_bucket_reads_as_one_in_a_folder(tmp_path: Path, store: ObjectStore, name: str) -> None:
    folder = store.root / "teams/one" / name
    folder.mkdir(parents=True)
    fields = (STREAMED | COPIED)[name](folder)
    path = fields.pop("path")
    local = open_path(folder, path, **fields)
    job = job_of(tmp_path, f"{name}/{path}", fields=fields, places=in_bucket(store, prefix="teams/one"))
    with opened(job) as (place, remote):
        assert remote.description.name == f"{name}/{local.description.name}"
        for field in ("length", "sample_rate", "center_frequency", "start_time", "sample_type", "gaps"):
            assert getattr(remote.description, field) == getattr(local.description, field)
        for start in PLACES:
            for one, other in zip(read(remote, start, 100_000), read(local, start, 100_000), strict=True):
                assert one.tobytes() == other.tobytes()
        assert not place.is_remote or (in_scratch(tmp_path) == []) is (name in STREAMED)
        assert (place.read_ahead_bytes > 0) is (name in STREAMED)
        if name.startswith("digital_rf"):
            assert not any("ch0" in file for file in in_scratch(tmp_path))
            assert any("rf@" in file for file in in_scratch(tmp_path))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("name", [*STREAMED, "digital_rf"])
def test_the_whole_program_gives_the_same_arrays_as_from_a_folder(
    tmp_path: Path, store: ObjectStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "local/input"
    folder.mkdir(parents=True)
    fields = (STREAMED | COPIED)[name](folder)
    (store.root / "programs").mkdir(exist_ok=True)
    (folder).rename(store.root / "programs" / name)
    os.symlink(store.root / "programs" / name, folder)
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    made = []
    limits = {"softSeconds": 600, "memoryBytes": 2**30, "threads": 2}
    for place in ("local", "remote"):
        (tmp_path / place).mkdir(exist_ok=True)
        selection = fields | ({"path": f"{name}/{fields['path']}"} if place == "remote" else {})
        places = in_bucket(store, prefix="programs") if place == "remote" else {}
        output = {"formats": ["npz"]}
        ended = run(tmp_path / place, input=selection, places=places, output=output, limits=limits)
        ended.assert_orderly(ExitCode.DONE)
        with np.load(tmp_path / place / "output/fm-band/spectrogram.npz", allow_pickle=False) as arrays:
            made.append({key: arrays[key] for key in ("max", "mean", "time", "frequency")})
    for key in made[0]:
        assert made[0][key].tobytes() == made[1][key].tobytes()
    manifest = json.loads((tmp_path / "remote/output/fm-band/manifest.json").read_text())
    assert (manifest["input"]["store"], manifest["input"]["path"]) == ("archive-1", f"{name}/{fields['path']}")
    assert ("downloading" in manifest["stageSeconds"]) is (name not in STREAMED)
    assert store.endpoint not in json.dumps([manifest, ended.lines])


def test_only_what_a_range_needs_is_copied(tmp_path: Path, store: ObjectStore) -> None:
    root = store.root / "range"
    root.mkdir()
    samples = integer_pairs(RATE // 100)
    pieces = [(second * RATE + 100, samples) for second in range(60)]
    for continuous in (False, True):
        write_digital_rf(root, pieces, continuous=continuous, channel=f"c{int(continuous)}")
    for selected in (
        {"start": "30s", "duration": "2s"},
        {"startTime": "2023-11-14T22:13:50.5Z", "duration": "1500ms"},
        {"startSample": 30_000_000, "samples": 1_500_000},
    ):
        for channel in ("c0", "c1"):
            fields = {"channel": channel, "range": selected}
            local = open_path(root, "recording", **fields)
            job = job_of(tmp_path, "range/recording", fields=fields, places=in_bucket(store))
            with opened(job) as (_, remote):
                copied = [file for file in in_scratch(tmp_path) if "rf@" in file]
                assert 4 <= len(copied) <= 6  # the first, the last, and those of the range
                assert (remote.description.length, remote.description.start_time, remote.description.gaps) == (
                    local.description.length,
                    local.description.start_time,
                    local.description.gaps,
                )
                start = 30 * RATE - 1000
                for one, other in zip(read(remote, start, 3 * RATE), read(local, start, 3 * RATE), strict=True):
                    assert one.tobytes() == other.tobytes()


def refused(job: Any, environment: dict[str, str] | None = None) -> WorkerError:
    with pytest.raises(WorkerError) as caught, opened(job, environment) as (_, recording):
        read(recording)
    return caught.value


def test_what_the_store_refuses(tmp_path: Path, store: ObjectStore) -> None:
    raw(store.root)
    wrong = {**CREDENTIALS, next(reversed(CREDENTIALS)): "a-wrong-secret"}
    missing = job_of(tmp_path, "absent.raw", fields={"raw": RAW}, places=in_bucket(store))
    good = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store))
    nowhere = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store, bucket="nowhere"))
    errors = [
        (refused(good, wrong), ("store archive-1", "noise.", "credentials")),
        (refused(missing), ("input.path", "absent.raw", "store archive-1")),
        (refused(nowhere), ("store archive-1", "bucket does not exist")),
    ]
    for error, words in errors:
        assert says(error, ExitCode.INPUT_NOT_FOUND, *words), error
        for secret in (store.endpoint, store.endpoint[7:], "recordings-reader", "secret", "nowhere"):
            assert secret not in str(error)


def test_without_credentials_boto_looks_where_it_always_does(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw(store.root)
    job = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store))
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key.removeprefix("SPECTROGRAM_INPUT_"), value)
    with opened(job, {}) as (_, recording):
        assert recording.description.length == COUNT


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A node that has keys for the store: in ~/.aws, and from its metadata service. What that was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    keys = {name.removeprefix("SPECTROGRAM_INPUT_").lower(): value for name, value in CREDENTIALS.items()}
    lines = "".join(f"{name} = {value}\n" for name, value in keys.items())
    (home / ".aws/credentials").write_text(f"[default]\n{lines}")
    (home / ".aws/config").write_text("[default]\ndefaults_mode = auto\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("AWS_REGION", raising=False)
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("empty", "value"), [*((key, value) for key in CREDENTIALS for value in ("", " \n", None)), (None, "")]
)
def test_a_store_with_a_secret_is_never_opened_with_the_nodes_keys(
    tmp_path: Path, store: ObjectStore, node: list[str], empty: str | None, value: str | None
) -> None:
    raw(store.root)
    job = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store))
    changed = {key: value if empty in (key, None) else good for key, good in CREDENTIALS.items()}
    environment = {key: text for key, text in changed.items() if text is not None}
    error = refused(job, environment)
    assert says(error, ExitCode.WORKER_CONFIG_ERROR, "Secret", "AWS_", "fill it in"), error
    assert node == []


def test_with_a_secret_nothing_of_the_node_is_read(tmp_path: Path, store: ObjectStore, node: list[str]) -> None:
    (tmp_path / "home/.aws/config").write_text("this is no configuration")
    (tmp_path / "home/.aws/credentials").write_text("nor is this")
    raw(store.root)
    job = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store))
    with opened(job) as (_, recording):
        assert recording.description.length == COUNT
    wrong = {**CREDENTIALS, next(reversed(CREDENTIALS)): "a-wrong-secret"}
    assert says(refused(job, wrong), ExitCode.INPUT_NOT_FOUND, "credentials")
    assert node == []


def test_an_object_that_is_replaced_is_invalid(tmp_path: Path, store: ObjectStore) -> None:
    raw(store.root)
    job = job_of(tmp_path, "noise.raw", fields={"raw": RAW}, places=in_bucket(store))
    with opened(job) as (_, recording):
        read(recording, 0, 1000)
        (store.root / "noise.raw").write_bytes(integer_pairs(COUNT, seed=2).tobytes())
        os.utime(store.root / "noise.raw", (0, 0))
        with pytest.raises(WorkerError) as caught:
            read(recording)
    assert says(caught.value, ExitCode.INPUT_INVALID, "noise.raw", "was changed while it was read")


@pytest.mark.usefixtures("few_tries")
@pytest.mark.parametrize("name", ["raw", "wav"])
def test_a_store_that_goes_away_is_transient(tmp_path: Path, name: str) -> None:
    (tmp_path / "s").mkdir()
    with ObjectStore(tmp_path / "s") as store:
        fields = STREAMED[name](store.root)
        job = job_of(tmp_path, fields.pop("path"), fields=fields, places=in_bucket(store))
        with opened(job) as (_, recording):
            read(recording, 0, 1000)
            store._program.kill()
            with pytest.raises(WorkerError) as caught:
                read(recording)
    assert says(caught.value, ExitCode.TRANSIENT_ERROR, "store archive-1", "cannot be reached"), caught.value


def test_what_is_too_large_for_scratch_is_refused_before_it_is_copied(tmp_path: Path, store: ObjectStore) -> None:
    digital_rf(continuous=False)(store.root)
    size = sum(file.stat().st_size for file in (store.root / "recording/ch1").rglob("rf@*"))
    for most, code in ((size - 1, ExitCode.INPUT_INVALID), (size + 100_000, None)):
        limits = {"softSeconds": 600, "memoryBytes": 2**30, "scratchBytes": most}
        fields = {"channel": "ch1"}
        job = job_of(tmp_path, "recording", fields=fields, places=in_bucket(store), limits=limits)
        if code is None:
            with opened(job) as (_, recording):
                assert recording.description.length > 0
        else:
            assert says(refused(job), code, "recording/ch1", "scratch has room for", "worker.scratchSize")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_large_recording_is_sent_on_before_it_is_copied(tmp_path: Path, store: ObjectStore) -> None:
    (store.root / "large").mkdir()
    digital_rf(continuous=False)(store.root / "large")
    limits = {"softSeconds": 600, "memoryBytes": 2**30, "largeDatasetBytes": 10_000_000}
    for selected, code in ((None, ExitCode.REROUTE_LARGE), ({"samples": 1000}, None)):
        fields = {"channel": "ch1"} | ({"range": selected} if selected else {})
        job = job_of(tmp_path, "large/recording", fields=fields, places=in_bucket(store), limits=limits)
        if code is None:
            with opened(job):
                pass
        else:
            assert says(refused(job), code, "large queue")


def test_a_stop_ends_a_download(tmp_path: Path, store: ObjectStore) -> None:
    (store.root / "stopped").mkdir()
    digital_rf(continuous=False)(store.root / "stopped")

    def stop_later() -> None:
        if any("rf@" in name for name in in_scratch(tmp_path)):
            raise WorkerError(ExitCode.INTERRUPTED, "interrupted")

    job = job_of(tmp_path, "stopped/recording", fields={"channel": "ch1"}, places=in_bucket(store))
    with pytest.raises(WorkerError, match="interrupted"), opened(job, raise_if_stopped=stop_later):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []


def test_memory_stays_flat(tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    peaks = []
    for megabytes in (48, 160):
        with (store.root / "zeros.raw").open("wb") as file:
            file.truncate(megabytes * 10**6)
        folder = tmp_path / str(megabytes)
        folder.mkdir()
        limits = {"softSeconds": 600, "memoryBytes": 2**30, "threads": 1}
        selection = {"path": "zeros.raw", "raw": RAW}
        output = {"formats": ["npz"]}
        transform = {"fftSize": 1024, "hopSize": 1024}
        ended = run(folder, input=selection, places=in_bucket(store), limits=limits, output=output, transform=transform)
        memory = ended.assert_orderly(ExitCode.DONE).memory
        assert memory.peak_bytes is not None
        assert memory.estimate_bytes is not None
        assert memory.peak_bytes < memory.estimate_bytes
        peaks.append(memory.peak_bytes)
    assert peaks[1] < peaks[0] + 8_000_000, peaks


def test_the_libraries_behind_a_place_are_loaded_for_it_alone(tmp_path: Path) -> None:
    raw_file = tmp_path / "input"
    raw_file.mkdir()
    raw(raw_file)
    patch = """
import sys
from spectrogram_worker.attempt import Attempt
close = Attempt.close
def look(self):
    close(self)
    assert not {"boto3", "botocore", "urllib3", "spectrogram_worker.storage.web"} & sys.modules.keys()
Attempt.close = look
"""
    run(tmp_path, patch=patch, input={"path": "noise.raw", "raw": RAW}).assert_orderly(ExitCode.DONE)


def test_a_folder_is_no_file(tmp_path: Path, store: ObjectStore) -> None:
    (store.root / "folder").mkdir(exist_ok=True)
    raw(store.root / "folder")
    for format_name, words in (("Raw", "is a folder"), ("Auto", "without a Digital RF channel")):
        job = job_of(tmp_path, "folder", fields={"raw": RAW, "format": format_name}, places=in_bucket(store))
        assert says(refused(job), ExitCode.INPUT_INVALID, words)
