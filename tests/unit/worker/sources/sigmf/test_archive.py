"""SigMF archives: what the library writes is read where it lies; tar files with tricks are refused."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import InputFormat
from spectrogram_worker.errors import WorkerError
from unit.worker.recordings import open_path, read, says, write_sigmf

VALUES = np.arange(1, 101).astype("<c8")


def write_archive(root: Path, name: str = "signal.sigmf", **fields: Any) -> Path:
    """An archive as the sigmf library writes it, without the files that went into it."""
    data = root / "samples.sigmf-data"
    data.write_bytes(VALUES.tobytes())
    written = sigmf.SigMFFile(data_file=data, global_info={"core:datatype": "cf32_le", "core:sample_rate": 48000})
    written.add_capture(0, metadata={"core:frequency": 433.92e6, "core:datetime": "2024-05-06T07:08:09Z", **fields})
    written.archive(str(root / name))
    data.unlink()
    return root / name


def rewrite(root: Path, change: Any, format_: int = tarfile.PAX_FORMAT) -> Path:
    """The library's archive, packed anew; `change` may replace a member and its content: (member, bytes or None)."""
    source = write_archive(root, "source.sigmf")
    path = root / "signal.sigmf"
    with tarfile.open(source) as old, tarfile.open(path, "w", format=format_) as new:
        for member in old:
            file = old.extractfile(member)
            for changed, content in change(member, file.read() if file else None):
                new.addfile(changed, io.BytesIO(content) if content is not None else None)
    return path


def refused(root: Path, *words: str, **fields: Any) -> None:
    with pytest.raises(WorkerError) as caught:
        read(open_path(root, "signal.sigmf", **fields))
    assert says(caught.value, ExitCode.INPUT_INVALID, "signal.sigmf", *words), caught.value


@pytest.mark.parametrize("name", ["signal.sigmf", "signal.tar", "signal"])
def test_an_archive_of_the_library_is_read_as_the_library_reads_it(tmp_path: Path, name: str) -> None:
    path = write_archive(tmp_path)
    expected = sigmf.fromfile(path, skip_checksum=True).read_samples()
    path.rename(tmp_path / name)
    recording = open_path(tmp_path, name)
    found = recording.description
    np.testing.assert_array_equal(read(recording)[0], expected)
    assert (found.format, found.name, found.length) == (InputFormat.SIGMF, name, 100)
    assert (float(found.sample_rate), found.center_frequency) == (48_000, 433.92e6)
    assert os.listdir(tmp_path) == [name]  # nothing was extracted


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_header_is_read(tmp_path: Path, format_: int) -> None:
    """Also with names longer than a header holds."""
    folder = "long/" * (20 if format_ == tarfile.USTAR_FORMAT else 60)

    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        member.name = "./" + folder + member.name
        member.pax_headers = {}
        yield member, content

    rewrite(tmp_path, change, format_)
    np.testing.assert_array_equal(read(open_path(tmp_path, "signal.sigmf"))[0], VALUES)


def test_header_bytes_and_captures_count_from_the_member(tmp_path: Path) -> None:
    content = b"7 bytes" + np.arange(10, dtype="<i2").tobytes() + b"tail!"
    captures = [{"core:sample_start": 0, "core:header_bytes": 7}]
    write_sigmf(tmp_path, content, captures=captures, datatype="ri16_le", trailing_bytes=5, dataset="other.bin")
    with tarfile.open(tmp_path / "signal.sigmf", "w") as archive:
        archive.add(tmp_path / "signal.sigmf-data", "signal/other.bin")
        archive.add(tmp_path / "signal.sigmf-meta", "signal/signal.sigmf-meta")
    (tmp_path / "signal.sigmf-meta").unlink()
    np.testing.assert_array_equal(read(open_path(tmp_path, "signal.sigmf"))[0] * 32768, np.arange(10))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_members_that_are_no_plain_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        if member.name.endswith("-data"):
            member.type, member.linkname, member.size, content = kind, "/etc/passwd", 0, None
        yield member, content

    rewrite(tmp_path, change)
    refused(tmp_path, "no plain file")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.sigmf-data", "signal/../../secret", ".."])
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        yield member, content
        if member.name.endswith("-meta"):
            evil = tarfile.TarInfo(name)
            evil.size = 3
            yield evil, b"abc"

    rewrite(tmp_path, change)
    refused(tmp_path, "leads out of it")


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**40)},
        {"GNU.sparse.size": str(2**40), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,800"},
        {"GNU.sparse.size": "800", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,800"},
        {"size": str(2**62)},
        {"size": "-512"},
        {"size": "many"},
    ],
)
def test_sparse_members_and_sizes_that_cannot_be_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        member.pax_headers = headers if member.name.endswith("-data") else {}
        yield member, content

    rewrite(tmp_path, change)
    refused(tmp_path)


def test_a_member_that_stands_twice_is_refused(tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        yield member, content
        if not member.isdir():
            yield member, content

    rewrite(tmp_path, change)
    refused(tmp_path, "twice")


def test_several_recordings_are_counted(tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        yield member, content
        if content is not None:
            again = tarfile.TarInfo(member.name.replace("signal", "other").replace("source", "other"))
            again.name, again.size = f"other/{again.name}", len(content)
            yield again, content

    rewrite(tmp_path, change)
    refused(tmp_path, "2 recordings", "extract it")


@pytest.mark.parametrize("missing", ["-meta", "-data"])
def test_an_archive_without_one_of_its_files_is_refused(tmp_path: Path, missing: str) -> None:
    def change(member: tarfile.TarInfo, content: bytes | None) -> Any:
        if not member.name.endswith(missing):
            yield member, content

    rewrite(tmp_path, change)
    refused(tmp_path, "holds no")


@pytest.mark.parametrize("size", [0, 100, 700, 1536, 2100, 3000, 3500, 5700])
def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    os.truncate(write_archive(tmp_path), size)
    refused(tmp_path)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_compressed_archive_is_refused(tmp_path: Path, compression: str) -> None:
    content = write_archive(tmp_path).read_bytes()
    with tarfile.open(tmp_path / "signal.sigmf", f"w:{compression}") as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("signal")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    refused(tmp_path, "archive")
    refused(tmp_path, "not a tar archive", format=InputFormat.SIGMF)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("signal")
    member.type, member.size = kind, 2**33 - 512
    (tmp_path / "signal.sigmf").write_bytes(member.tobuf(tarfile.GNU_FORMAT))
    os.truncate(tmp_path / "signal.sigmf", 2**33 + 1024)
    refused(tmp_path, "too long")


def test_headers_without_end_are_not_followed(tmp_path: Path) -> None:
    """Also those that nest: each says that the next one tells its name."""
    for kind in (b"0", b"g"):
        member = tarfile.TarInfo("signal")
        member.type = kind
        header = member.tobuf(tarfile.USTAR_FORMAT)
        (tmp_path / "signal.sigmf").write_bytes(header * 30_000)
        refused(tmp_path)


def test_a_symbolic_link_to_an_archive_outside_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "signal.sigmf").symlink_to(write_archive(tmp_path))
    refused(root, "out of the claim")
    refused(root, "out of the claim", format=InputFormat.SIGMF)


def test_an_archive_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    for format_ in (InputFormat.AUTO, InputFormat.SIGMF):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, "signal.sigmf", format=format_)
        assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "signal.sigmf")
