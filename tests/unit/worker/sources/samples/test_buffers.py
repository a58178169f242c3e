"""Where in memory samples are read to: reading takes several times as long to some places as to others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spectrogram_worker.contract.parameters import Transform
from spectrogram_worker.sources.plain.file_recording import FileReader
from spectrogram_worker.sources.samples.buffers import page_aligned
from unit.worker.recordings import open_raw
from unit.worker.spectrum.signals import stream

PAGE = 4096


@pytest.mark.parametrize("count", [1, 100, 65_536, 2_000_000])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.complex128])
def test_buffers_begin_where_a_page_does(count: int, dtype: Any) -> None:
    buffers = [page_aligned(count, dtype) for _ in range(3)]
    for number, buffer in enumerate(buffers):
        buffer[...] = number
    for number, buffer in enumerate(buffers):
        assert buffer.ctypes.data % PAGE == 0
        assert (buffer.shape, buffer.dtype) == ((count,), np.dtype(dtype))
        assert (buffer == number).all()


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le"])
def test_files_are_read_to_where_a_page_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, datatype: str) -> None:
    """Directly where samples are stored as they are computed with, else through a buffer."""
    places: list[int] = []
    fetch = FileReader._fetch

    def watch(reader: FileReader, segment: int, first: int, content: NDArray[np.uint8]) -> None:
        places.append(content.ctypes.data % PAGE)
        fetch(reader, segment, first, content)

    monkeypatch.setattr(FileReader, "_fetch", watch)
    (tmp_path / "take.raw").write_bytes(bytes(2**22))
    columns = stream(open_raw(tmp_path, datatype, "take.raw"), Transform(fft_size=1024, hop_size=512), threads=2)
    assert sum(1 for _ in columns.columns()) > 0
    assert places
    assert set(places) == {0}
