"""What the compiled kernel looks up, once for all threads: window, twiddles, and how a transform is cut into steps."""

import ctypes
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spectrogram_worker.contract.kernels import column_stride, compiled_points, matrix, radices
from spectrogram_worker.spectrum.compiled.structures import Line, Plan
from spectrogram_worker.spectrum.power import PowerPlan


class Tables:
    """What the kernel looks up, for all threads: window, twiddles, radices."""

    def __init__(self, plan: PowerPlan) -> None:
        self._real = plan.power_dtype
        self._kept: list[NDArray[Any]] = []
        points = compiled_points(plan.shape)
        rows, columns = matrix(points)
        window = np.zeros(plan.fft_size, self._real)
        window[: len(plan.window)] = plan.window
        windows = [window, window] if plan.is_complex else [window[0::2], window[1::2]]
        self.c_plan = Plan(
            window=(2 * ctypes.c_void_p)(*(self._keep(part) for part in windows)),
            column=self._line(rows),
            row=self._line(columns),
            covered=len(plan.window) * (2 if plan.is_complex else 1),
            stride=column_stride(rows),
            is_real=not plan.is_complex,
            detrend=plan.detrend,
            is_double=plan.double,
        )
        if rows > 1:
            self.c_plan.twiddles = self._planes(rows, columns, points)
        if not plan.is_complex:
            self.c_plan.halves = self._planes(2, points, 2 * points, first=1)

    def _keep(self, table: NDArray[Any], dtype: DTypeLike | None = None) -> int:
        """The address of a table, which lives as long as these."""
        self._kept.append(np.ascontiguousarray(table, dtype or self._real))
        return int(self._kept[-1].ctypes.data)

    def _planes(self, rows: int, columns: int, whole: int, *, first: int = 0) -> int:
        """exp(−2πi · row · column / whole) for rows from `first` on, real parts and then imaginary ones."""
        planes = np.empty((2, rows - first, columns), self._real)
        for row in range(first, rows):
            twiddles = _twiddles(row * np.arange(columns), whole)
            planes[:, row - first] = twiddles.real, twiddles.imag
        return self._keep(planes)

    def _line(self, points: int) -> Line:
        steps = radices(points)
        left, twiddles = points, []
        for radix in steps[:-1]:
            pairs = np.outer(np.arange(left // radix), np.arange(1, radix))
            twiddles.append(_twiddles(pairs, left).ravel().view(np.float64))
            left //= radix
        return Line(
            points=points,
            steps=len(steps),
            radices=self._keep(np.array(steps), np.int32),
            twiddles=self._keep(np.concatenate(twiddles) if twiddles else np.empty(0)),
        )


def _twiddles(exponents: NDArray[np.int64], whole: int) -> NDArray[np.complex128]:
    """exp(−2πi / whole) to these powers."""
    found: NDArray[np.complex128] = np.exp(exponents % whole * (-2j * np.pi / whole))
    return found


_shared: WeakValueDictionary[PowerPlan, Tables] = WeakValueDictionary()


def tables_for(plan: PowerPlan) -> Tables:
    """Those of all kernels of a plan, which live as long as one of them does."""
    if (tables := _shared.get(plan)) is None:
        tables = _shared[plan] = Tables(plan)
    return tables
