"""The library that kernel/kernel.c becomes when the package is installed (build_kernel.py), where it was built."""

import ctypes
from functools import cache
from pathlib import Path

from spectrogram_worker.spectrum.compiled.sources import source_hash

LIBRARY = Path(__file__).parents[1] / "kernel/kernel.so"
VECTORS = (16, 32, 64)
"""Bytes of the vectors that it is compiled for."""


@cache
def load_library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built, or is stale."""
    if is_stale():
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.work_bytes.argtypes, library.work_bytes.restype = [pointer, ctypes.c_int], ctypes.c_int64
    plan = (pointer, ctypes.c_int)
    number = ctypes.c_int64
    library.reduce.argtypes = [*plan, *3 * [pointer], number, pointer, pointer]
    library.reduce_files.argtypes = [*plan, pointer, number, pointer, number, *3 * [pointer], number]
    library.levels.argtypes = [pointer, ctypes.c_int, ctypes.c_int, *3 * [pointer]]
    library.levels.restype = None
    library.reduce_files.restype = ctypes.c_int64
    return library


@cache
def is_stale() -> bool:
    """Whether the library was built from other sources than those beside it, whose calls it does not understand."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        library.source_hash.restype = ctypes.c_char_p
        return bool(library.source_hash() != source_hash(LIBRARY.parent).encode())
    except OSError:
        return False
    except AttributeError:
        return True


def widest_vector() -> int:
    """Bytes of this processor's widest vectors; 0 where the library was not built."""
    library = load_library()
    return 0 if library is None else int(library.widest())
