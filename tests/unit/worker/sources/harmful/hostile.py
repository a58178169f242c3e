"""Files that claim much and hold little: each function writes one below `root` and returns the job's `input`.

Every one of them took hundreds of megabytes to open once, or is a neighbour of one that did.
"""

import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soundfile

from unit.worker.recordings import (
    FIRST_SAMPLE,
    integer_pairs,
    write_center_frequencies,
    write_digital_rf,
    write_sigmf,
)

MIB = 2**20
Fields = dict[str, Any]
LISTS = h5py.vlen_dtype(np.uint8)
DIGITAL_RF: Fields = {"path": "recording", "format": "DigitalRF"}


def _share_one_object(path: Path, elements: int) -> None:
    """Let every element of variable length, as `_lists` wrote them in an HDF5 file, refer to the first one's data."""
    content = bytearray(path.read_bytes())
    large, small = struct.pack("<I", MIB // 2), struct.pack("<I", 1)
    first = content.find(large)
    while content[first + 16 : first + 20] + content[first + 32 : first + 36] != small + small:
        first = content.find(large, first + 1)
        assert first >= 0
    content[first : first + 16 * elements] = content[first : first + 16] * elements
    path.write_bytes(bytes(content))


def _lists(elements: int) -> Any:
    values = np.empty(elements, object)
    values[:] = [np.ones(MIB // 2 if number == 0 else 1, np.uint8) for number in range(elements)]
    return values


def properties_of_lists(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    path = channel / "drf_properties.h5"
    with h5py.File(path, "r+") as file:
        file.attrs.create("notes", _lists(2000), (2000,), LISTS)
    _share_one_object(path, 2000)
    return DIGITAL_RF


def rate_of_lists(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    path = channel / "drf_properties.h5"
    with h5py.File(path, "r+") as file:
        del file.attrs["sample_rate_numerator"]
        file.attrs.create("sample_rate_numerator", _lists(2000), (2000,), LISTS)
    _share_one_object(path, 2000)
    return DIGITAL_RF


def frequencies_of_lists(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    (path,) = channel.glob("metadata/*/metadata@*.h5")
    with h5py.File(path, "r+") as file:
        del file[str(FIRST_SAMPLE)]["center_frequencies"]
        file[str(FIRST_SAMPLE)].create_dataset("center_frequencies", data=_lists(2000), dtype=LISTS)
    _share_one_object(path, 2000)
    return DIGITAL_RF


def index_of_lists(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(2000))])
    (path,) = channel.glob("2*/rf@*.h5")
    with h5py.File(path, "r+") as file:
        del file["rf_data_index"]
        file.create_dataset("rf_data_index", data=_lists(2000).reshape(1000, 2), dtype=LISTS)
    _share_one_object(path, 2000)
    return DIGITAL_RF


def index_of_large_values(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(1_000_000))])
    (path,) = channel.glob("2*/rf@*.h5")
    with h5py.File(path, "r+") as file:
        del file["rf_data_index"]
        file.create_dataset("rf_data_index", (500_000, 2), np.dtype("V1000"))
    return DIGITAL_RF


def frequencies_in_one_large_chunk(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 1e6})
    (path,) = channel.glob("metadata/*/metadata@*.h5")
    with h5py.File(path, "r+") as file:
        del file[str(FIRST_SAMPLE)]["center_frequencies"]
        group = file[str(FIRST_SAMPLE)]
        group.create_dataset("center_frequencies", (10,), "f8", maxshape=(None,), chunks=(2**26,), fillvalue=1e6)
    return DIGITAL_RF


def heap_in_a_hole(root: Path) -> Fields:
    """The names of a group lie in a heap that says it has half a gigabyte, in a file with a hole."""
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    (path,) = channel.glob("2*/rf@*.h5")
    content = bytearray(path.read_bytes())
    heap = content.find(b"HEAP\0")
    assert heap >= 0
    end = len(content)
    (address,) = struct.unpack_from("<Q", content, heap + 24)
    (size,) = struct.unpack_from("<Q", content, heap + 8)
    names = content[address : address + size]
    struct.pack_into("<QQQ", content, heap + 8, 512 * MIB, 1, end)
    content += names
    struct.pack_into("<Q", content, 8 + 8 + 8 + 16, end + 512 * MIB)
    path.write_bytes(bytes(content))
    with path.open("r+b") as file:
        file.truncate(end + 512 * MIB)
    return DIGITAL_RF


def many_chunks_never_written(root: Path) -> Fields:
    channel = write_digital_rf(root, [(0, integer_pairs(100))])
    (path,) = channel.glob("2*/rf@*.h5")
    with h5py.File(path, "r+") as file:
        dtype = file["rf_data"].dtype
        del file["rf_data"]
        file.create_dataset("rf_data", (1_000_000, 1), dtype, maxshape=(None, 1), chunks=(1, 1))
    return DIGITAL_RF


def metadata_of_small_objects(root: Path) -> Fields:
    return _sigmf(root, '"annotations": [' + ",".join(['{"":0}'] * (8 * MIB // 7)) + "]")


def metadata_of_nested_objects(root: Path) -> Fields:
    nested = '{"":' * 50 + "0" + "}" * 50
    return _sigmf(root, '"annotations": [' + ",".join([nested] * (4 * MIB // len(nested))) + "]")


def captures_of_small_objects(root: Path) -> Fields:
    entry = '{"core:sample_start":0,"":[' + ",".join(["{}"] * 2000) + "]}"
    return _sigmf(root, '"captures": [' + ",".join([entry] * (4 * MIB // len(entry))) + "]")


def global_of_small_objects(root: Path) -> Fields:
    fields = '"core:datatype": "ci16_le", "core:sample_rate": 1000, "": ['
    return _sigmf(root, '"global": {' + fields + ",".join(['{"":0}'] * (16 * MIB // 7 - 200)) + "]}")


def global_as_large_as_may_be(root: Path) -> Fields:
    nested = '{"":' * 100 + "{}" + "}" * 100
    fields = '"core:datatype": "ci16_le", "core:sample_rate": 1000, "": ['
    return _sigmf(root, '"global": {' + fields + ",".join([nested] * ((MIB // 4 - 200) // (len(nested) + 1))) + "]}")


def captures_without_anything_else(root: Path) -> Fields:
    start = '{"core:sample_start":1'
    entries = [
        f'{start},"core:frequency":{number}.5,"core:global_index":{2**40 + number}}}' for number in range(30_000)
    ]
    return _sigmf(root, '"captures": [{"core:sample_start":0},' + ",".join(entries) + "]")


def metadata_nested_without_end(root: Path) -> Fields:
    return _sigmf(root, '"annotations": ' + "[" * MIB + "]" * 100)


def _sigmf(root: Path, rest: str) -> Fields:
    write_sigmf(root, bytes(4000), datatype="ci16_le")
    text = '{"global": {"core:datatype": "ci16_le", "core:sample_rate": 1000}, "captures": [{"core:sample_start": 0}], '
    (root / "signal.sigmf-meta").write_text(text + rest + "}")
    return {"path": "signal.sigmf-meta", "format": "SigMF"}


def archive_of_long_headers(root: Path) -> Fields:
    with tarfile.open(root / "signal.sigmf", "w", format=tarfile.PAX_FORMAT) as packed:
        for number in range(300):
            member = tarfile.TarInfo(f"f{number}")
            member.pax_headers = {f"{key:x}": "" for key in range(6000)}
            packed.addfile(member)
    return {"path": "signal.sigmf", "format": "SigMF"}


def archive_of_much_metadata(root: Path) -> Fields:
    metadata_of_small_objects(root)
    content = (root / "signal.sigmf-meta").read_bytes()
    with tarfile.open(root / "signal.sigmf", "w") as packed:
        for name, held in (("signal.sigmf-meta", content), ("signal.sigmf-data", bytes(4000))):
            member = tarfile.TarInfo(name)
            member.size = len(held)
            packed.addfile(member, io.BytesIO(held))
    (root / "signal.sigmf-meta").unlink()
    return {"path": "signal.sigmf", "format": "SigMF"}


def flac_of_comments(root: Path) -> Fields:
    """A comment block of 16 MiB in which each comment is empty."""
    soundfile.write(root / "sound.flac", np.zeros(4000, np.int16), 48_000, subtype="PCM_16", format="FLAC")
    content = (root / "sound.flac").read_bytes()
    stream_info, rest = content[4:42], content[42:]
    while not rest[0] & 0x80:  # the blocks that libsndfile wrote
        rest = rest[4 + int.from_bytes(rest[1:4], "big") :]
    audio = rest[4 + int.from_bytes(rest[1:4], "big") :]
    count = (16 * MIB - 100) // 4
    comments = struct.pack("<I", 0) + struct.pack("<I", count) + bytes(4 * count)
    blocks = (
        bytes([stream_info[0] & 0x7F]) + stream_info[1:] + bytes([0x84]) + len(comments).to_bytes(3, "big") + comments
    )
    (root / "sound.flac").write_bytes(b"fLaC" + blocks + audio)
    return {"path": "sound.flac", "format": "Audio"}


def numpy_of_a_long_header(root: Path) -> Fields:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"(" * 8000 + b"),)}"
    (root / "a.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + header + bytes(4000))
    return {"path": "a.npy", "format": "NumPy", "raw": {"sampleRate": 1000}}


HOSTILE: dict[str, Callable[[Path], Fields]] = {
    write.__name__: write
    for write in (
        properties_of_lists,
        rate_of_lists,
        frequencies_of_lists,
        index_of_lists,
        index_of_large_values,
        frequencies_in_one_large_chunk,
        heap_in_a_hole,
        many_chunks_never_written,
        metadata_of_small_objects,
        metadata_of_nested_objects,
        captures_of_small_objects,
        global_of_small_objects,
        global_as_large_as_may_be,
        captures_without_anything_else,
        metadata_nested_without_end,
        archive_of_long_headers,
        archive_of_much_metadata,
        flac_of_comments,
        numpy_of_a_long_header,
    )
}
