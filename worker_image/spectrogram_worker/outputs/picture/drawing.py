"""spectrogram.png: matplotlib draws axes, ticks and text; the cells go through a colour table into the pixels.

Never `imshow`: it makes several float copies of the picture (1600 × 900 pixels peaked at 210 MB, 8192² at 6 GB).
matplotlib is imported when a picture is drawn and not before.
"""

import gc
import os
import shutil
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.outputs.picture.cells import color_limits
from spectrogram_worker.outputs.picture.geometry import Box, Geometry
from spectrogram_worker.outputs.picture.scales import frequency_scale, time_scale, utc_ticks

_COMPRESSION = zlib.Z_RLE
"""How the PNG is compressed: a third of the usual time. Noise takes as much room, smooth pictures up to twice."""
_DPI = 128  # a power of two: pixels to inches and back is exact
_NO_DATA = ((176, 176, 176, 255), (128, 128, 128, 255))
_ZERO_POWER = (210, 210, 210, 255)
_STRIPE = 4
_ROWS_AT_ONCE = 64
_PREPARED_CACHES = Path(sys.prefix) / "share/matplotlib"
"""Where an image keeps matplotlib's font cache. Without it every job makes its own, which takes a tenth of a second."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows beside its cells.

    `times` and `frequencies` are the outer edges of the axes, in seconds after `start_time` and in Hz; `gaps` are the
    starts and stops of missing samples in the same seconds.
    """

    title: str
    subtitle: str
    value_label: str
    times: tuple[float, float]
    frequencies: tuple[float, float]
    start_time: datetime | None
    colormap: str
    limits: tuple[float, float] | None
    gaps: tuple[tuple[float, float], ...] = ()
    missing_label: str = "no data"


def use_scratch_for_caches(scratch: Path) -> None:
    """Let matplotlib keep its font cache in `scratch`: a container's root file system is read-only.

    Without `scratch` matplotlib uses a temporary folder. Raises WorkerError (78) where there is none of those either,
    before anything is computed: matplotlib cannot be imported then.
    """
    if "MPLCONFIGDIR" in os.environ:
        return
    folder = scratch / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _PREPARED_CACHES.is_dir():
            shutil.copytree(_PREPARED_CACHES, folder, dirs_exist_ok=True)
        os.environ["MPLCONFIGDIR"] = str(folder)
    except OSError as error:
        try:
            tempfile.gettempdir()
        except OSError:
            message = f"a picture needs a scratch folder that can be written: {scratch}: {error.strerror}"
            raise WorkerError(ExitCode.WORKER_CONFIG_ERROR, message) from error


def draw_picture(
    file: BinaryIO,
    geometry: Geometry,
    scene: Scene,
    cells: NDArray[np.float32],
    raise_if_stopped: Callable[[], None] = lambda: None,
) -> None:
    """Write the picture as PNG of exactly the geometry's size.

    `cells` is (columns, rows) float32 in dB, rows in ascending frequency; NaN is no data, −inf is zero power. Between
    the steps, and while the file is written, `raise_if_stopped` is asked.
    """
    # Modules stay to the end: to look through them for garbage while they load takes a tenth of a second.
    gc.disable()
    try:
        import matplotlib
        import matplotlib.artist

        # Every kind of artist writes a documentation of its properties as it is loaded: a quarter of the import.
        matplotlib.artist.kwdoc = lambda artist: ""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image
    finally:
        gc.freeze()
        gc.enable()

    raise_if_stopped()
    limits = color_limits(cells, scene.limits)
    table: Pixels = matplotlib.colormaps[scene.colormap](np.linspace(0.0, 1.0, 256), bytes=True)
    figure = Figure(figsize=(geometry.width / _DPI, geometry.height / _DPI), dpi=_DPI, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    # The working folder may hold a matplotlibrc. To set the backend too would load it, and pyplot with it.
    defaults: Any = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
    # A character in a file's name that the font lacks is no reason for a line in the log.
    with warnings.catch_warnings(action="ignore"), matplotlib.rc_context(defaults):
        if geometry.bar is not None:
            _annotate(canvas, geometry, geometry.bar, scene, limits, cells)
        raise_if_stopped()
        canvas.draw()
    raise_if_stopped()
    pixels: Pixels = np.asarray(canvas.buffer_rgba())
    paint_cells(_part(pixels, geometry.axes), cells, table, limits)
    _mark_gaps(_part(pixels, geometry.axes), scene, round(0.5 * geometry.text) or 1)
    if geometry.bar is not None:
        _part(pixels, geometry.bar)[:] = table[_steps(geometry.bar.height, 256)[::-1], None]
    image = Image.frombuffer("RGBA", (geometry.width, geometry.height), pixels, "raw", "RGBA", 0, 1)
    stoppable: Any = _Stoppable(file, raise_if_stopped)
    image.save(stoppable, "PNG", compress_type=_COMPRESSION)


class _Stoppable:
    """Writes to `file` as long as nothing says stop: compressing a large picture takes seconds."""

    def __init__(self, file: BinaryIO, raise_if_stopped: Callable[[], None]) -> None:
        self._file, self._raise_if_stopped = file, raise_if_stopped

    def write(self, content: bytes) -> int:
        """Write, unless to be stopped."""
        self._raise_if_stopped()
        return self._file.write(content)


def paint_cells(target: Pixels, cells: NDArray[np.float32], table: Pixels, limits: tuple[float, float]) -> None:
    """Colour `target`, (height, width, 4), by the cells, (columns, rows): the first row of cells at the bottom."""
    height, width = target.shape[:2]
    columns = _steps(width, cells.shape[0])
    rows = _steps(height, cells.shape[1])[::-1]
    low, high = limits
    for top in range(0, height, _ROWS_AT_ONCE):
        values = cells[columns[None, :], rows[top : top + _ROWS_AT_ONCE, None]]
        missing = np.isnan(values)
        share = (np.where(np.isfinite(values), values, low) - low) / (high - low)
        block = np.take(table, np.clip(share * 256, 0, 255).astype(np.uint8), axis=0)  # ten times faster than table[…]
        block[values == np.inf] = table[255]
        block[values == -np.inf] = _ZERO_POWER
        if missing.any():
            block[missing] = _stripes(top, *values.shape)[missing]
        target[top : top + _ROWS_AT_ONCE] = block


def _steps(pixels: int, cells: int) -> NDArray[np.intp]:
    """The cell that each of `pixels` pixels shows."""
    return np.arange(pixels) * cells // pixels


def _stripes(top: int, height: int, width: int) -> Pixels:
    """Diagonal stripes of two greys, which no colour map has: (height, width, 4), in step from any `top`."""
    diagonal = np.arange(top, top + height)[:, None] + np.arange(width)[None, :]
    stripes: Pixels = np.array(_NO_DATA, np.uint8)[diagonal // _STRIPE % 2]
    return stripes


def _mark_gaps(target: Pixels, scene: Scene, height: int) -> None:
    """Mark every gap at the upper edge: one that is narrower than a cell hides behind the data beside it."""
    width = target.shape[1]
    first, last = scene.times
    stripes = _stripes(0, height, width)
    for start, stop in scene.gaps:
        left = int(np.clip((start - first) / (last - first) * width, 0, max(0, width - height)))
        right = int(np.clip(np.ceil((stop - first) / (last - first) * width), left + height, None))
        target[:height, left:right] = stripes[:, left:right]


def _part(pixels: Pixels, box: Box) -> Pixels:
    return pixels[box.top : box.bottom, box.left : box.right]


def _annotate(
    canvas: Any, geometry: Geometry, bar: Box, scene: Scene, limits: tuple[float, float], cells: NDArray[np.float32]
) -> None:
    """Everything but the cells: axes with ticks, labels, title, colour bar, legend."""
    figure = canvas.figure
    size = geometry.text * 72 / _DPI
    axes = _add_axes(figure, geometry, geometry.axes, size)
    _number_axis(axes.yaxis, *scene.frequencies, frequency_scale(*scene.frequencies), geometry.axes.height, geometry)
    _number_axis(axes.xaxis, *scene.times, time_scale(scene.times[1]), geometry.axes.width / 1.6, geometry)
    if scene.start_time is not None:
        _utc_axis(axes, scene.start_time, *scene.times, geometry, size)

    scale = _add_axes(figure, geometry, bar, size)
    scale.set_xticks([])
    scale.yaxis.tick_right()
    scale.yaxis.set_label_position("right")
    scale.set_ylim(*limits)
    scale.set_ylabel(scene.value_label, size=size, parse_math=False)

    for text, line, larger in ((scene.title, 0.6, 1.2), (scene.subtitle, 2.3, 1.0)):
        place = (geometry.axes.left / geometry.width, 1 - line * geometry.text / geometry.height)
        written = figure.text(*place, text, size=larger * size, va="top", parse_math=False)
        _shorten(written, canvas.get_renderer(), geometry.width - geometry.axes.left - geometry.text)
    _legend(figure, geometry, bar, scene, cells, size)


def _add_axes(figure: Any, geometry: Geometry, box: Box, size: float) -> Any:
    width, height = geometry.width, geometry.height
    axes = figure.add_axes((box.left / width, 1 - box.bottom / height, box.width / width, box.height / height))
    axes.tick_params(labelsize=size, length=0.3 * size, pad=0.3 * size, direction="out")
    return axes


def _number_axis(axis: Any, first: float, last: float, scale: Any, pixels: float, geometry: Geometry) -> None:
    """Ticks at round numbers of the scale's unit, about one for every five lines of text."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = (first - scale.offset) / scale.factor, (last - scale.offset) / scale.factor
    ticks = MaxNLocator(nbins=max(2, int(pixels / (4 * geometry.text))), steps=[1, 2, 2.5, 5, 10]).tick_values(
        low, high
    )
    step = ticks[1] - ticks[0]
    digits = max(0, int(np.ceil(-np.log10(step) - 1e-9)))
    digits += not np.isclose(step * 10**digits, round(step * 10**digits))
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axis.set_ticks([tick for tick in ticks if low <= tick <= high])
    axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value + 0.0:.{digits}f}".replace("-", "−")))
    axis.set_label_text(scale.label, size=geometry.text * 72 / _DPI)


def _utc_axis(axes: Any, start: datetime, first: float, last: float, geometry: Geometry, size: float) -> None:
    most = max(2, int(geometry.axes.width / (8 * geometry.text)))
    ticks, labels, day = utc_ticks(start, first, last, most)
    above = axes.twiny()
    above.set_xlim(first, last)
    above.set_xticks(ticks, labels)
    above.tick_params(labelsize=size, length=0.3 * size, pad=0.3 * size)
    above.set_xlabel(f"UTC, {day}", size=size, labelpad=0.5 * size)


def _legend(figure: Any, geometry: Geometry, bar: Box, scene: Scene, cells: NDArray[np.float32], size: float) -> None:
    """Names the greys that are in the picture, below the colour bar."""
    from matplotlib.patches import Rectangle

    greys = [
        (scene.missing_label, _NO_DATA[1], bool(scene.gaps) or bool(np.isnan(cells).any())),
        ("zero power", _ZERO_POWER, bool(np.isneginf(cells).any())),
    ]
    line = 0
    for text, color, shown in greys:
        if shown:
            line += 1
            left = bar.left - 0.5 * geometry.text
            middle = 1 - (bar.bottom + (1.4 * line + 1.0) * geometry.text) / geometry.height  # below the tick labels
            swatch = geometry.text / geometry.width, geometry.text / geometry.height
            corner = (left / geometry.width, middle - swatch[1] / 2)
            figure.add_artist(Rectangle(corner, *swatch, color=[part / 255 for part in color]))
            figure.text(left / geometry.width + 1.4 * swatch[0], middle, text, size=size, va="center")


def _shorten(written: Any, renderer: Any, pixels: float) -> None:
    """Make a text fit into so many pixels: its middle gives way, because names differ at their ends."""
    text = kept = written.get_text()
    while len(kept) > 3 and (width := written.get_window_extent(renderer).width) > pixels:
        length = min(len(kept) - 2, int(len(kept) * pixels / width))
        kept = text[: length - length // 2] + "…" + text[len(text) - length // 2 :]
        written.set_text(kept)
