"""What follows the last column: arrays, then the picture, then everything appears.

What was computed is published, whatever happens afterwards. After a stop before the last column, those that are done
are published as partial results. After the last column, the arrays are written and published whole, stop or not.

A picture beside arrays is best effort: with too little memory it is drawn smaller, and if drawing fails it is left out,
with a warning. Where a job asks for a picture alone, the picture is the result.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.report import OutputFile
from spectrogram_worker.errors import Ending, WorkerError, ending_of
from spectrogram_worker.estimate import NO_ROOM
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.guards.stop import Stop, StopRequest
from spectrogram_worker.outputs.manifest import Source, manifest_bytes
from spectrogram_worker.outputs.publishing.destination import Destination, at_path, output_errors
from spectrogram_worker.outputs.results import Results
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.spectrum.power import kernel_name
from spectrogram_worker.spectrum.stream import ColumnStream

_HARMLESS = (ExitCode.INTERRUPTED, ExitCode.SOFT_TIME_LIMIT_EXCEEDED)
"""Stops that do not end the drawing of a picture which is the only result: it is done in a moment."""
Files = tuple[OutputFile, ...]


@dataclass(frozen=True)
class Computed:
    """The columns that are in `results`: all of the stream's, or after the stop `stopped` those before it."""

    results: Results
    stream: ColumnStream
    source: Source
    stopped: Stop | None

    @property
    def columns(self) -> str:
        """How many are done, for a message."""
        return f"{self.results.columns_done} of {len(self.stream.layout.times)} columns"


class Finish:
    """The end of an attempt, from its last column on."""

    def __init__(
        self,
        document: WorkerDocument,
        stop: StopRequest,
        gauge: MemoryGauge,
        state: ProgressState,
        destination: Destination,
    ) -> None:
        self._document, self._stop, self._gauge, self._state = document, stop, gauge, state
        self._destination = destination
        self._unpublished: list[Callable[[], Ending]] = []
        """While a picture is drawn that may be left out: the function that publishes without it. This thread and the
        safeguard's both try to take it, and the one that gets it publishes."""

    def run(self, results: Results, stream: ColumnStream, source: Source) -> Ending:
        """Write and publish: everything, or after a stop what there is. Raises what `Attempt.run` does."""
        missing = results.columns_done < len(stream.layout.times)
        stopped = self._stop.stop if missing else None
        done = Computed(results, stream, source, stopped)
        if missing and stopped is None:
            raise RuntimeError(f"the transform ended after {done.columns}")
        self._stop.heed(*ExitCode)
        if stopped and results.columns_done == 0:
            return Ending(stopped.code, f"{stopped.message}; no column was complete, nothing is kept")
        self._state.enter("writing")
        self._state.describe(source.dataset)
        try:
            with output_errors(self._destination.path):
                arrays = results.write_arrays()
            return self._publish(done, arrays + self._picture(done, arrays))
        except (WorkerError, MemoryError) as error:
            if stopped is None:
                raise
            return Ending(stopped.code, f"{stopped.message}; what was done could not be kept: {error}")

    def rescue(self) -> Ending | None:
        """From the safeguard's thread, when drawing does not come back: publish without the picture.

        None where no picture is being drawn that may be left out.
        """
        publish = self._take_unpublished()
        try:
            return publish() if publish else None
        except Exception as error:
            return ending_of(error)

    def _take_unpublished(self) -> Callable[[], Ending] | None:
        try:
            return self._unpublished.pop()
        except IndexError:
            return None

    def _picture(self, done: Computed, arrays: Files) -> Files:
        """The picture, if there is to be one. Where there are arrays and drawing it fails, it is left out."""
        if not done.results.has_picture:
            return ()
        if not arrays:
            self._stop.heed(*(ExitCode if done.stopped else _HARMLESS))
            with output_errors(self._destination.path):
                return (self._draw(done, self._raise_in_emergency),)
        self._unpublished.append(partial(self._publish_without_picture, done, arrays, "drawing it took too long"))
        self._stop.heed()
        pictures: Files = ()
        failure: Exception | None = None
        try:
            pictures = (self._draw(done, self._raise_if_pressed),)
        except Exception as error:
            failure = error
        if not self._take_unpublished():
            threading.Event().wait()  # the safeguard publishes, and ends the process
        self._stop.heed(*ExitCode)
        if failure is not None:
            self._leave_picture_out(done, ending_of(failure).message)
        return pictures

    def _draw(self, done: Computed, raise_if_stopped: Callable[[], None]) -> OutputFile:
        """Draw as large a picture as there is memory for. Raises whatever drawing raises, and MemoryError (82)."""
        raise_if_stopped()
        image = self._document.output.image
        size = done.results.largest_picture(self._gauge.look().available)
        if size is None:
            raise WorkerError(ExitCode.MEMORY_ERROR, NO_ROOM)
        picture = done.results.draw_picture(size, done.source.gaps, raise_if_stopped)
        if size != (image.width, image.height):
            sizes = f"{size[0]} × {size[1]} pixels instead of {image.width} × {image.height}"
            self._state.warn(f"The picture has {sizes}, for want of memory: raise resources.memory")
        return picture

    def _raise_in_emergency(self) -> None:
        """Raises MemorySafeguardExceeded (83) where the safeguard asks for a stop."""
        if (stop := self._stop.first_of(ExitCode.MEMORY_SAFEGUARD_EXCEEDED)) is not None:
            raise WorkerError(stop.code, stop.message)

    def _raise_if_pressed(self) -> None:
        """Raises also where a stop was requested so long ago that the time left is needed for publishing."""
        self._raise_in_emergency()
        if (stop := self._stop.pressing(time.monotonic())) is not None:
            raise WorkerError(stop.code, stop.message)

    def _leave_picture_out(self, done: Computed, reason: str) -> None:
        self._state.warn(f"The picture is left out: {reason}")
        done.results.leave_picture_out()

    def _publish_without_picture(self, done: Computed, arrays: Files, reason: str) -> Ending:
        self._leave_picture_out(done, reason)
        return self._publish(done, arrays)

    def _publish(self, done: Computed, files: Files) -> Ending:
        """Write the manifest and have everything appear."""
        stopped = done.stopped
        manifest = manifest_bytes(
            self._document,
            done.source,
            done.stream.layout,
            column_frames=done.results.frames,
            complete=stopped is None,
            reason=(stopped.code if stopped else ExitCode.DONE).reason,
            files=files,
            peak_memory_bytes=self._gauge.peak,
            stage_seconds=self._state.stage_seconds,
            kernel=kernel_name(done.stream.plan),
            warnings=self._state.warnings,
        )
        with output_errors(self._destination.path):
            files += (done.results.write_manifest(manifest),)
        folder = self._destination.publish(partial=stopped is not None)
        outputs = at_path(folder, files)
        if stopped is not None:
            return Ending(stopped.code, f"{stopped.message}; {done.columns} are kept in {folder}", outputs)
        if self._stop.first_of(ExitCode.INTERRUPTED):  # never 0 after SIGTERM; the next attempt finds the results
            return Ending(ExitCode.INTERRUPTED, f"interrupted by SIGTERM; the results in {folder} are whole", outputs)
        return Ending(ExitCode.DONE, f"{done.columns} are in {folder}", outputs)
