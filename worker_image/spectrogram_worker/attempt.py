"""One attempt at one job, step by step: look, plan, transform, write, publish.

Everything that can be refused is refused before the first sample is read: the place of the outputs and their size, the
colour map, the memory. A stop while columns are still missing publishes those that are done as partial results. Once
all are done, an interruption or the soft limit no longer makes the result less: it is written and published whole.
"""

import logging
import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.memory import (
    DEFAULT_READ_BYTES,
    MAXIMUM_READ_BYTES,
    Known,
    MemoryPlan,
    plan_memory,
    planned_picture,
)
from spectrogram_worker.contract.parameters import OutputFormat
from spectrogram_worker.contract.report import Dataset, OutputFile
from spectrogram_worker.errors import Ending, WorkerError
from spectrogram_worker.estimate import announce, require_memory
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.guards.stop import Stop, StopRequest
from spectrogram_worker.logs import megabytes
from spectrogram_worker.outputs import open_destination
from spectrogram_worker.outputs.attributes import Signal
from spectrogram_worker.outputs.colormaps import require_colormap
from spectrogram_worker.outputs.destination import at_path, output_errors
from spectrogram_worker.outputs.hdf5_file import load_hdf5_library
from spectrogram_worker.outputs.manifest import Source, manifest_bytes
from spectrogram_worker.outputs.picture import use_scratch_for_caches
from spectrogram_worker.outputs.results import Results, output_bytes
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.selection import Selection, sample_time, select
from spectrogram_worker.spectrum.axes import Column, choose_bins, transform_warnings
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.power import is_missing, kernel_name, load_kernel, widest_lanes
from spectrogram_worker.spectrum.stream import ColumnStream
from spectrogram_worker.storage.input import open_input

log = logging.getLogger(__name__)


class Attempt:
    """One attempt; `close` removes what it did not publish."""

    def __init__(self, document: WorkerDocument, stop: StopRequest, gauge: MemoryGauge, state: ProgressState) -> None:
        self._document, self._stop, self._gauge, self._state = document, stop, gauge, state
        self._job = document.job.title
        self._destination = open_destination(document)

    def discard(self) -> None:
        """Remove the unfinished work at once, from any thread: the process is about to be ended."""
        self._destination.discard()

    def close(self) -> None:
        """Remove what was not published and release everything."""
        self._destination.close()

    def run(self) -> Ending:
        """Run to the end. Raises WorkerError, MemoryError and OSError where there is no result."""
        self._log_memory("job_start")
        if OutputFormat.PNG in self._document.output.formats:
            require_colormap(self._document.output.image.colormap)
            use_scratch_for_caches(Path(self._document.folders.scratch))
        if OutputFormat.HDF5 in self._document.output.formats:
            load_hdf5_library()
        published = self._destination.find()
        if published is not None:
            self._state.begin_transform(columns=published.columns, samples=0)
            self._state.advance(columns=published.columns)
            for warning in published.warnings:
                self._state.warn(warning)
            return Ending(ExitCode.DONE, f"an earlier attempt published {self._destination.path}", published.files)
        self._destination.prepare()
        self._raise_if_stopped()
        self._state.enter("reading")
        with (
            closing(open_input(self._document, os.environ, self._state, self._raise_if_stopped)) as store,
            closing(open_recording(store, self._document.input)) as recording,
        ):
            selection = select(recording.description, self._document.input.range)
            self._describe(recording.description, selection)
            self._log_memory("after_download")
            stream = self._plan(recording, selection, store.memory_bytes)
            signal = _signal(recording.description, selection)
            with output_errors(self._destination.path):
                results = Results(self._destination.work, self._document, stream.layout, signal)
            with closing(results):
                self._transform(stream, results)
                store.close()  # its memory and its copies make room for what is left to do
                return self._finish(results, stream, recording.description, selection)

    def _describe(self, description: Description, selection: Selection) -> None:
        """Say what was selected; raises RerouteLarge (87) where that belongs on the large queue."""
        for warning in (*selection.warnings, *transform_warnings(self._document.transform)):
            self._state.warn(warning)
        stop = selection.start + selection.count
        known = [(max(first, selection.start), min(last, stop)) for first, last in description.gaps]
        missing = [last - first for first, last in known if last > first]
        dataset = _dataset(description, selection, gaps=len(missing), missing_samples=sum(missing))
        self._state.describe(dataset)
        most = self._document.limits.large_dataset_bytes
        if most is not None and (dataset.bytes or 0) > most:
            message = f"the selected range has {megabytes(dataset.bytes or 0)}, more than {megabytes(most)}"
            raise WorkerError(ExitCode.REROUTE_LARGE, f"{message}: it belongs on the large queue")

    def _plan(self, recording: Recording, selection: Selection, reading_bytes: int) -> ColumnStream:
        """Plan the transform and refuse what cannot fit, in memory (82) or on disk (86)."""
        document, chunking = self._document, self._document.chunking
        files = selection.count * recording.description.bytes_per_sample
        chunked = chunking.mode == "always" or (
            chunking.mode == "auto" and files > chunking.threshold_megabytes * 1_000_000
        )
        read_bytes = MAXIMUM_READ_BYTES if chunking.mode == "never" else DEFAULT_READ_BYTES
        plan = self._plan_memory(recording.description, selection, reading_bytes, read_bytes)
        self._state.expect_memory(announce(self._job, files, plan, self._gauge.limit))
        # Before anything else: planning takes memory too, so that the safeguard may have noticed, and its 83 is final,
        # while after 82 a retry has more memory. Which of them it is must not depend on when the safeguard looked.
        require_memory(self._gauge, plan.transform, "the transform")
        stream = ColumnStream(
            recording,
            selection,
            document.transform,
            document.reduce,
            document.frequency_range,
            threads=document.limits.threads,
            read_bytes=read_bytes,
            should_stop=self._stop.is_set,
            advanced=lambda samples: self._state.advance(samples=samples),
        )
        needed = output_bytes(document, stream.layout)
        log.info("Job %s: Outputs take up to %s", self._job, megabytes(needed))
        self._raise_if_stopped()
        self._destination.require_space(needed)
        if is_missing(stream.plan):
            self._state.warn("No compiled kernel is installed: scipy.fft takes some times longer")
        if chunked:
            log.info("Using chunked processing for dataset of %s", megabytes(files))
            log.info("Processing %d samples in chunks of %d", selection.count, stream.item_samples)
        return stream

    def _plan_memory(
        self, description: Description, selection: Selection, reading_bytes: int, read_bytes: int
    ) -> MemoryPlan:
        """The memory of the job, with the kernel's libraries in place. Raises what framing and bins raise."""
        document = self._document
        frame(selection.count, document.transform, document.reduce)
        bins = choose_bins(description, document.transform, document.frequency_range)
        load_kernel(document.transform, is_complex=description.is_complex)
        process = self._gauge.look().process
        known = Known(
            format=description.format,
            samples=selection.count,
            is_complex=description.is_complex,
            is_compressed=description.is_compressed,
            kept_bins=len(bins.order),
            lanes=widest_lanes(),
            process=process.own,
            metadata=self._gauge.peak - process.own,
            read_ahead=reading_bytes,
        )
        threads = document.limits.threads
        return plan_memory(
            document.transform, document.reduce, document.output, known, threads=threads, read_bytes=read_bytes
        )

    def _transform(self, stream: ColumnStream, results: Results) -> None:
        self._log_memory("before_spectrogram")
        self._state.enter("spectrogram")
        self._state.begin_transform(columns=len(stream.layout.times), samples=stream.layout.samples)
        with closing(cast(Generator[Column], stream.columns())) as columns:
            for column in columns:
                with output_errors(self._destination.path):
                    results.add(column)
                self._state.advance(columns=results.columns_done)
        self._log_memory("after_spectrogram")

    def _finish(self, results: Results, stream: ColumnStream, description: Description, selection: Selection) -> Ending:
        """Write and publish: everything, or after a stop what there is."""
        total = len(stream.layout.times)
        stopped = self._stop.stop if results.columns_done < total else None
        if stopped is None and results.columns_done < total:
            raise RuntimeError(f"the transform ended after {results.columns_done} of {total} columns")
        self._stop.heed(*(ExitCode if stopped else (ExitCode.INTERRUPTED, ExitCode.SOFT_TIME_LIMIT_EXCEEDED)))
        if stopped and results.columns_done == 0:
            return Ending(stopped.code, f"{stopped.message}; no column was complete, nothing is kept")
        self._state.enter("writing")
        listed = tuple((start - selection.start, end - selection.start) for start, end in stream.gaps.listed)
        counts = {"gaps": stream.gaps.count, "missing_samples": stream.gaps.missing_samples}
        dataset = _dataset(description, selection, **counts)
        self._state.describe(dataset)
        source = Source(
            format=str(description.format),
            sample_type=description.sample_type,
            first_sample=selection.start,
            dataset=dataset,
            gaps=listed,
        )
        try:
            with output_errors(self._destination.path):
                files = results.write_arrays()
                if self._may_draw(partial=stopped is not None):
                    files += results.draw_picture(listed)
            stopped = stopped or self._emergency()
            outputs = self._publish(results, stream, source, files, stopped)
        except WorkerError as error:
            if stopped is None:
                raise
            return Ending(stopped.code, f"{stopped.message}; what was done could not be kept: {error}")
        return self._ending(outputs, stopped, f"{results.columns_done} of {total} columns")

    def _publish(
        self,
        results: Results,
        stream: ColumnStream,
        source: Source,
        files: tuple[OutputFile, ...],
        stopped: Stop | None,
    ) -> tuple[OutputFile, ...]:
        manifest = manifest_bytes(
            self._document,
            source,
            stream.layout,
            columns_done=results.columns_done,
            complete=stopped is None,
            reason=(stopped.code if stopped else ExitCode.DONE).reason,
            files=files,
            peak_memory_bytes=self._gauge.peak,
            stage_seconds=self._state.stage_seconds,
            kernel=kernel_name(stream.plan),
            warnings=self._state.warnings,
        )
        with output_errors(self._destination.path):
            files += (results.write_manifest(manifest),)
        return at_path(self._destination.publish(partial=stopped is not None), files)

    def _ending(self, outputs: tuple[OutputFile, ...], stopped: Stop | None, columns: str) -> Ending:
        self._log_memory("job_complete")
        folder = outputs[-1].path.rpartition("/")[0]
        if stopped is not None:
            return Ending(stopped.code, f"{stopped.message}; {columns} are kept in {folder}", outputs)
        if self._stop.is_set_by(ExitCode.INTERRUPTED):  # never 0 after SIGTERM; the next attempt finds the results
            return Ending(ExitCode.INTERRUPTED, f"interrupted by SIGTERM; the results in {folder} are whole", outputs)
        return Ending(ExitCode.DONE, f"{columns} are in {folder}", outputs)

    def _may_draw(self, *, partial: bool) -> bool:
        """False where a stop leaves no memory for a picture; raises MemoryError (82) where a whole result needs one."""
        planned = planned_picture(self._document.output)
        if self._emergency() or (partial and planned > self._gauge.look().available):
            self._state.warn("The picture is left out for want of memory")
            return False
        require_memory(self._gauge, planned, "the picture")
        return True

    def _emergency(self) -> Stop | None:
        """The safeguard's request, if it made one."""
        return self._stop.stop if self._stop.is_set_by(ExitCode.MEMORY_SAFEGUARD_EXCEEDED) else None

    def _raise_if_stopped(self) -> None:
        if (stop := self._stop.stop) is not None:
            raise WorkerError(stop.code, f"{stop.message} before the first column")

    def _log_memory(self, stage: str) -> None:
        use = self._gauge.look()
        sizes = f"RSS: {megabytes(use.process.own)}, VMS: {megabytes(use.process.virtual)}, Percent: {use.percent:.1f}%"
        log.info("Job %s memory usage at %s: %s", self._job, stage, sizes)


def _signal(description: Description, selection: Selection) -> Signal:
    return Signal(
        name=description.name,
        sample_rate=float(description.sample_rate),
        center_frequency=description.center_frequency,
        start_time=sample_time(description, selection.start),
    )


def _dataset(description: Description, selection: Selection, *, gaps: int, missing_samples: int) -> Dataset:
    return Dataset(
        bytes=selection.count * description.bytes_per_sample,
        samples=selection.count,
        sample_rate=float(description.sample_rate),
        center_frequency=description.center_frequency,
        start_time=sample_time(description, selection.start),
        gaps=gaps,
        missing_samples=missing_samples,
    )
