"""Buffers that files are read into."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_PAGE_BYTES = 4096


def page_aligned(count: int, dtype: DTypeLike) -> NDArray[Any]:
    """An array (count,), not initialised, that begins where a page does.

    NumPy's own large arrays begin 16 bytes later. A processor that copies from the page cache to there takes its loads
    for those of bytes that it is just storing ("4K aliasing"), and waits: on a Zen 3 reading took four times as long,
    the whole transform 1.3 times.
    """
    bytes_wanted = count * np.dtype(dtype).itemsize
    room = np.empty(bytes_wanted + _PAGE_BYTES, np.uint8)
    first = -room.ctypes.data % _PAGE_BYTES
    return room[first : first + bytes_wanted].view(dtype)
