"""Where finished columns go: each to the arrays' files and into the picture's cells, in order, as they come."""

from collections.abc import Callable
from contextlib import suppress
from io import BufferedRandom

import numpy as np
from numpy.typing import NDArray

from spectrogram_worker.contract.document import WorkerDocument
from spectrogram_worker.contract.memory import pixels_drawn_in
from spectrogram_worker.contract.parameters import OutputFormat, OutputSelection, Reduction, Transform, WindowName
from spectrogram_worker.contract.report import MANIFEST_NAME, OutputFile
from spectrogram_worker.outputs.arrays.attributes import Signal, array_metadata, describe_arrays
from spectrogram_worker.outputs.arrays.chunks import ChunkedColumns, ChunkWriter
from spectrogram_worker.outputs.arrays.hdf5_file import Hdf5File
from spectrogram_worker.outputs.arrays.npz_file import ARRAYS_MEDIA_TYPE, ARRAYS_NAME, ColumnFiles, write_arrays
from spectrogram_worker.outputs.arrays.zarr_folder import ZarrFolder
from spectrogram_worker.outputs.manifest import MANIFEST_MEDIA_TYPE, describe_file
from spectrogram_worker.outputs.picture.cells import PictureCells, cell_reduction
from spectrogram_worker.outputs.picture.drawing import Scene, draw_picture
from spectrogram_worker.outputs.picture.geometry import largest_size, plan_geometry
from spectrogram_worker.outputs.picture.scales import rate_text
from spectrogram_worker.spectrum.axes import Column, Layout
from spectrogram_worker.storage.folders import Folder, synchronize

PICTURE_NAME = "spectrogram.png"
PICTURE_MEDIA_TYPE = "image/png"
_MANIFEST_BYTES = 1024 * 1024


class Results:
    """Takes columns in order and writes the job's files into `folder`; holds a few columns and the picture's cells."""

    def __init__(self, folder: Folder, document: WorkerDocument, layout: Layout, signal: Signal) -> None:
        self._folder, self._document, self._layout, self._signal = folder, document, layout, signal
        formats, image = document.output.formats, document.output.image
        self.columns_done = 0
        self._frames = np.zeros(len(layout.times), np.int32)
        self._columns = ColumnFiles(folder, layout) if OutputFormat.NPZ in formats else None
        writers = self._chunk_writers()
        self._chunks = ChunkedColumns(layout, writers) if writers else None
        self._cells: PictureCells | None = None
        if OutputFormat.PNG in formats:
            axes = plan_geometry(image.width, image.height, with_utc=signal.start_time is not None).axes
            self._cells = PictureCells(
                bins=len(layout.frequencies),
                columns=len(layout.times),
                width=axes.width,
                height=axes.height,
                reduction=cell_reduction(image, layout.reductions[0]),
            )

    def add(self, column: Column) -> None:
        """Take the next column."""
        if self._columns is not None:
            self._columns.append(column)
        if self._chunks is not None:
            self._chunks.append(column)
        if self._cells is not None:
            self._cells.add(column.index, column.values[0], column.frames)
        self._frames[column.index] = column.frames
        self.columns_done = column.index + 1

    @property
    def frames(self) -> NDArray[np.int32]:
        """How many frames of each column so far have data."""
        return self._frames[: self.columns_done]

    def write_arrays(self) -> tuple[OutputFile, ...]:
        """Write or finish spectrogram.npz, .zarr and .h5, those that the job asks for."""
        files: tuple[OutputFile, ...] = ()
        columns = self._columns
        if columns is not None:
            metadata = array_metadata(self._document, self._layout, self._signal)

            def write(file: BufferedRandom) -> None:
                write_arrays(file, self._layout, columns, self.frames, metadata)

            files += (self._write(ARRAYS_NAME, ARRAYS_MEDIA_TYPE, write),)
        if self._chunks is not None:
            files += self._chunks.finish(self.frames)
            self._chunks.close()
            self._chunks = None  # its memory is the picture's now
        return files

    @property
    def has_picture(self) -> bool:
        """True when there are cells, of which no picture has been drawn yet."""
        return self._cells is not None

    def largest_picture(self, room: int) -> tuple[int, int] | None:
        """Width and height of the largest picture that `room` more bytes are enough for; None where there is none."""
        image, held = self._document.output.image, self._cells.values.nbytes if self._cells else 0
        return largest_size(image.width, image.height, pixels_drawn_in(room + held))

    def draw_picture(
        self, size: tuple[int, int], gaps: tuple[tuple[int, int], ...], raise_if_stopped: Callable[[], None]
    ) -> OutputFile:
        """Draw spectrogram.png, once, in that many pixels, no more than the document says.

        `gaps` are in samples after the range's first.
        """
        assert self._cells is not None, "there is a picture only where the document asks for one"
        cells, self._cells = self._cells, None
        geometry = plan_geometry(*size, with_utc=self._signal.start_time is not None)
        cells = cells.reduced(width=geometry.axes.width, height=geometry.axes.height)
        scene = describe_scene(
            self._document, self._layout, self._signal, gaps, self.columns_done, are_shared=cells.are_shared
        )
        return self._write(
            PICTURE_NAME,
            PICTURE_MEDIA_TYPE,
            lambda file: draw_picture(file, geometry, scene, cells.values, raise_if_stopped),
        )

    def leave_picture_out(self) -> None:
        """Remove what there is of spectrogram.png and its cells, as far as that is possible."""
        self._cells = None
        with suppress(OSError):
            self._folder.remove(PICTURE_NAME)

    def write_manifest(self, content: bytes) -> OutputFile:
        """Write manifest.json: the last file."""
        return self._write(MANIFEST_NAME, MANIFEST_MEDIA_TYPE, lambda file: file.write(content))

    def close(self) -> None:
        """Release files."""
        if self._columns is not None:
            self._columns.close()
        if self._chunks is not None:
            self._chunks.close()

    def _chunk_writers(self) -> list[ChunkWriter]:
        attributes = describe_arrays(self._document, self._layout, self._signal)
        formats, writers = self._document.output.formats, list[ChunkWriter]()
        if OutputFormat.ZARR in formats:
            writers.append(ZarrFolder(self._folder, self._layout, attributes))
        if OutputFormat.HDF5 in formats:
            writers.append(Hdf5File(self._folder, self._layout, attributes))
        return writers

    def _write(self, name: str, media_type: str, write: Callable[[BufferedRandom], object]) -> OutputFile:
        with self._folder.create(name) as file:
            write(file)
            file.flush()
            synchronize(file.fileno())
            return describe_file(name, media_type, file)


def output_bytes(document: WorkerDocument, layout: Layout) -> int:
    """Bytes that the outputs take on disk at the worst moment."""
    image, formats = document.output.image, document.output.formats
    arrays = ColumnFiles.bytes_needed(layout) if OutputFormat.NPZ in formats else 0
    arrays += ZarrFolder.bytes_needed(layout) if OutputFormat.ZARR in formats else 0
    arrays += Hdf5File.bytes_needed(layout) if OutputFormat.HDF5 in formats else 0
    picture = 4 * image.width * image.height if OutputFormat.PNG in formats else 0
    return arrays + picture + _MANIFEST_BYTES


def with_smaller_picture(output: OutputSelection, pixels: float) -> OutputSelection:
    """What to leave behind, with a picture of at most so many pixels; without one where that is too small."""
    image = output.image
    size = largest_size(image.width, image.height, pixels)
    if size is None:
        others = tuple(format for format in output.formats if format is not OutputFormat.PNG)
        return output.model_copy(update={"formats": others})
    smaller = image.model_copy(update={"width": size[0], "height": size[1]})
    return output.model_copy(update={"image": smaller})


def describe_scene(
    document: WorkerDocument,
    layout: Layout,
    signal: Signal,
    gaps: tuple[tuple[int, int], ...],
    columns_done: int,
    *,
    are_shared: bool = False,
) -> Scene:
    """The picture's words and axes. The axes end where the outer columns and bins do; all columns are equally wide.

    are_shared: whether a cell stands for several bins or columns.
    """
    transform, image, reduction = document.transform, document.output.image, layout.reductions[0]
    half_bin = signal.sample_rate / transform.fft_size / 2
    column_seconds = layout.frames_per_column * transform.hop_size / signal.sample_rate
    first = float(layout.times[0]) - column_seconds / 2
    title, total, missing = signal.name, len(layout.times), "no data"
    if columns_done < total:
        title = f"{title} (partial: {columns_done} of {total} columns)"
        missing = "no data yet"
    return Scene(
        title=title,
        subtitle=" · ".join(_parameters(transform, layout, signal)),
        value_label=_value_label(reduction, cell_reduction(image, reduction) if are_shared else reduction, layout.unit),
        times=(first, first + total * column_seconds),
        frequencies=(float(layout.frequencies[0]) - half_bin, float(layout.frequencies[-1]) + half_bin),
        start_time=signal.start_time,
        colormap=image.colormap,
        limits=(image.db_range.min, image.db_range.max) if image.db_range else None,
        gaps=tuple((start / signal.sample_rate, stop / signal.sample_rate) for start, stop in gaps),
        missing_label=missing,
    )


def _value_label(reduction: Reduction, cells: Reduction, unit: str) -> str:
    """What the colour bar says: the reduction of frames, and that of cells where it is another."""
    of_cells = f", {cells} of each cell" if cells is not reduction else ""
    return f"{'power' if reduction is Reduction.NONE else reduction}{of_cells}, {unit}"


def _parameters(transform: Transform, layout: Layout, signal: Signal) -> list[str]:
    window, frames = transform.window, layout.frames_per_column
    shape = {
        WindowName.GAUSSIAN: f" (σ {window.std_dev:g})",
        WindowName.KAISER: f" (β {window.beta:g})",
        WindowName.TUKEY: f" (α {window.alpha:g})",
    }
    center = [f"centre {rate_text(signal.center_frequency, 'Hz')}"] if signal.center_frequency else []
    length = f" of {transform.window_length}" if transform.window_length != transform.fft_size else ""
    return [
        f"{layout.reductions[0]} of {frames} frames per column" if frames > 1 else "every frame",
        f"FFT {transform.fft_size}",
        f"hop {transform.hop_size}",
        f"{window.name}{length}{shape.get(window.name, '')}",
        rate_text(signal.sample_rate, "S/s"),
        *center,
    ]
