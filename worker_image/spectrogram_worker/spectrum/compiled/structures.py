"""What Python tells C: the structures of kernel/plan.h, field by field, and its numbers."""

import ctypes

from spectrogram_worker.contract.parameters import Reduction

OPERATIONS = {Reduction.MEAN: 0, Reduction.NONE: 0, Reduction.MAX: 1, Reduction.MIN: 2}
"""`enum operation`."""
NUMBERS = {"i1": 0, "u1": 1, "i2": 2, "f4": 3, "f8": 4}
"""`enum number`."""
MOST_SLICES = 2


class Line(ctypes.Structure):
    """`struct line`."""

    _fields_ = (
        ("points", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("radices", ctypes.c_void_p),
        ("twiddles", ctypes.c_void_p),
    )


class Plan(ctypes.Structure):
    """`struct plan`."""

    _fields_ = (
        ("window", 2 * ctypes.c_void_p),
        ("twiddles", ctypes.c_void_p),
        ("halves", ctypes.c_void_p),
        ("operations", ctypes.c_void_p),
        ("column", Line),
        ("row", Line),
        ("covered", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("reductions", ctypes.c_int64),
        ("is_real", ctypes.c_int32),
        ("detrend", ctypes.c_int32),
        ("is_double", ctypes.c_int32),
    )


class FileRange(ctypes.Structure):
    """`struct file_range`."""

    _fields_ = (("file", ctypes.c_int64), ("offset", ctypes.c_int64), ("samples", ctypes.c_int64))


class FileSamples(ctypes.Structure):
    """`struct file_samples`."""

    _fields_ = (
        ("ranges", ctypes.POINTER(FileRange)),
        ("count", ctypes.c_int64),
        ("counted", ctypes.c_int64),
        ("piece", ctypes.c_int64),
        ("shift", ctypes.c_double),
        ("number", ctypes.c_int32),
        ("padded", ctypes.c_int32),
    )


class Columns(ctypes.Structure):
    """`struct columns`."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("row_stride", ctypes.c_int64),
        ("reductions", ctypes.c_int64),
        ("reduction_stride", ctypes.c_int64),
        ("operations", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("slices", ctypes.c_int64),
        ("slice", (ctypes.c_int64 * 2) * MOST_SLICES),
    )
