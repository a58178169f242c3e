"""One attempt at one job, step by step: look, plan, transform; what follows the last column is in finish.py.

Everything that can be refused is refused before the first sample is read: the place of the outputs, their size, the
colour map, the memory. Too little memory for a picture refuses no job that has arrays: it is drawn smaller.
"""

import logging
import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from spectrogram_worker.contract import ExitCode, WorkerDocument
from spectrogram_worker.contract.memory import (
    CHUNKED_READ_BYTES,
    READ_BYTES,
    Known,
    MemoryPlan,
    plan_memory,
)
from spectrogram_worker.contract.parameters import OutputFormat, OutputSelection
from spectrogram_worker.contract.report import clean_text
from spectrogram_worker.dataset import dataset_of, known_dataset
from spectrogram_worker.errors import Ending, WorkerError
from spectrogram_worker.estimate import announce, fit_picture, require_memory
from spectrogram_worker.finish import Finish
from spectrogram_worker.guards.memory import MemoryGauge
from spectrogram_worker.guards.stop import StopRequest
from spectrogram_worker.logs import megabytes
from spectrogram_worker.outputs import open_destination
from spectrogram_worker.outputs.arrays.attributes import Signal
from spectrogram_worker.outputs.arrays.hdf5_file import load_hdf5_library
from spectrogram_worker.outputs.manifest import Source
from spectrogram_worker.outputs.picture.colormaps import require_colormap
from spectrogram_worker.outputs.picture.drawing import use_scratch_for_caches
from spectrogram_worker.outputs.publishing.destination import output_errors
from spectrogram_worker.outputs.results import Results, output_bytes
from spectrogram_worker.progress import ProgressState
from spectrogram_worker.sources import Recording, open_recording
from spectrogram_worker.sources.recording import Description
from spectrogram_worker.sources.samples.sample_type import saturation_warnings
from spectrogram_worker.sources.selection import Selection, sample_time, select
from spectrogram_worker.sources.store import RecordingStore
from spectrogram_worker.spectrum.axes import Column, choose_bins, transform_warnings
from spectrogram_worker.spectrum.compiled.library import widest_vector
from spectrogram_worker.spectrum.framing import frame
from spectrogram_worker.spectrum.power import kernel_name, load_kernel, why_missing
from spectrogram_worker.spectrum.stream import ColumnStream
from spectrogram_worker.storage.input import open_input

log = logging.getLogger(__name__)


class Attempt:
    """One attempt; `close` removes what it did not publish."""

    def __init__(self, document: WorkerDocument, stop: StopRequest, gauge: MemoryGauge, state: ProgressState) -> None:
        self._document, self._stop, self._gauge, self._state = document, stop, gauge, state
        self._job = document.job.title
        self._destination = open_destination(document)
        self._finish = Finish(document, stop, gauge, state, self._destination)
        self._transforming = False

    def discard(self) -> None:
        """Remove the unfinished work at once, from any thread: the process is about to be ended."""
        self._destination.discard()

    def rescue(self) -> Ending | None:
        """From the safeguard's thread: publish without the picture, if drawing it is all that does not come back."""
        return self._finish.rescue()

    def close(self) -> None:
        """Remove what was not published and release everything."""
        self._destination.close()

    def run(self) -> Ending:
        """Run to the end. Raises WorkerError, MemoryError and OSError where there is no result."""
        self._log_memory("job_start")
        if OutputFormat.PNG in self._document.output.formats:
            use_scratch_for_caches(Path(self._document.folders.scratch))
            require_colormap(self._document.output.image.colormap)
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
            closing(open_recording(store, self._document.input, self._document.transform.fft_size)) as recording,
        ):
            selection = select(recording.description, self._document.input.range)
            self._describe(recording.description, selection)
            self._log_memory("after_download")
            stream, output = self._plan(recording, selection, store.read_ahead_bytes)
            signal = _signal(recording.description, selection)
            with output_errors(self._destination.path):
                drawable = self._document.model_copy(update={"output": output})
                results = Results(self._destination.work, drawable, stream.layout, signal)
            with closing(results):
                self._transform(stream, results)
                present = stream.samples - stream.gaps.missing_samples
                for warning in saturation_warnings(stream.at_full_scale, present):
                    self._state.warn(warning)
                self._require_unchanged(store, is_whole=results.columns_done == len(stream.layout.times))
                store.close()  # its memory and its copies make room for what is left to do
                ending = self._finish.run(results, stream, _source(stream, recording.description, selection))
        if ending.outputs:
            self._log_memory("job_complete")
        return ending

    def _describe(self, description: Description, selection: Selection) -> None:
        """Say what was selected; raises RerouteLarge (87) where that belongs on the large queue."""
        for warning in (*description.warnings, *selection.warnings, *transform_warnings(self._document.transform)):
            self._state.warn(warning)
        dataset = known_dataset(description, selection)
        self._state.describe(dataset)
        most = self._document.limits.large_dataset_bytes
        if most is not None and (dataset.bytes or 0) > most:
            message = f"the selected range has {megabytes(dataset.bytes or 0)}, more than {megabytes(most)}"
            raise WorkerError(ExitCode.REROUTE_LARGE, f"{message}: it belongs on the large queue")

    def _plan(
        self, recording: Recording, selection: Selection, read_ahead_bytes: int
    ) -> tuple[ColumnStream, OutputSelection]:
        """Plan the transform and refuse what cannot fit, in memory (82) or on disk (86).

        Returns the stream, and what to leave behind, with a picture that memory has room for.
        """
        document = self._document
        files = selection.count * recording.description.bytes_per_sample
        chunked = document.chunking.applies_to(files)
        read_bytes = CHUNKED_READ_BYTES if chunked else READ_BYTES
        plan, output = self._plan_memory(recording.description, selection, read_bytes, read_ahead_bytes)
        self._state.expect_memory(announce(self._job, files, plan, self._gauge.limit))
        # Before `_raise_if_stopped`: planning takes memory, so the safeguard may have asked for a stop. Its 83 is
        # final, but a retry after 82 has more memory: which of them it is must not depend on when the safeguard looked.
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
        if (reason := why_missing(stream.plan)) is not None:
            self._state.warn(f"{reason}: scipy.fft takes some times longer")
        if chunked:
            log.info("Using chunked processing for dataset of %s", megabytes(files))
            log.info("Processing %d samples in chunks of %d", selection.count, stream.read_samples)
        return stream, output

    def _plan_memory(
        self, description: Description, selection: Selection, read_bytes: int, read_ahead_bytes: int
    ) -> tuple[MemoryPlan, OutputSelection]:
        """The job's memory, with the kernel's libraries in place; and what to leave behind, with a picture that fits.

        Raises what framing and bins raise.
        """
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
            vector=widest_vector(),
            process=process.own,
            metadata=self._gauge.peak - process.own,
            read_ahead=read_ahead_bytes,
        )

        def plan_for(output: OutputSelection) -> MemoryPlan:
            threads = document.limits.threads
            return plan_memory(
                document.transform, document.reduce, output, known, threads=threads, read_bytes=read_bytes
            )

        output = fit_picture(document.output, plan_for, self._gauge, self._state.warn)
        return plan_for(output), output

    def _transform(self, stream: ColumnStream, results: Results) -> None:
        self._log_memory("before_spectrogram")
        self._transforming = True
        self._state.enter("spectrogram")
        kernel = kernel_name(stream.plan)
        self._state.begin_transform(columns=len(stream.layout.times), samples=stream.layout.samples, kernel=kernel)
        with closing(cast(Generator[Column], stream.columns())) as columns:
            for column in columns:
                with output_errors(self._destination.path):
                    results.add(column)
                self._state.advance(columns=results.columns_done)
        self._log_memory("after_spectrogram")

    def _require_unchanged(self, store: RecordingStore, *, is_whole: bool) -> None:
        """Keep nothing of a recording that changed meanwhile. After a stop the exit code is still that of the stop."""
        try:
            store.require_unchanged()
        except WorkerError as error:
            if is_whole or (stop := self._stop.stop) is None:
                raise
            raise WorkerError(stop.code, f"{stop.message}; nothing is kept: {error}") from error

    def _raise_if_stopped(self) -> None:
        """Raise where a stop was requested, until the transform begins: that ends by itself and keeps what is done."""
        if not self._transforming and (stop := self._stop.stop) is not None:
            raise WorkerError(stop.code, f"{stop.message} before the first column")

    def _log_memory(self, stage: str) -> None:
        use = self._gauge.look()
        sizes = f"RSS: {megabytes(use.process.own)}, VMS: {megabytes(use.process.virtual)}, Percent: {use.percent:.1f}%"
        log.info("Job %s memory usage at %s: %s", self._job, stage, sizes)


def _signal(description: Description, selection: Selection) -> Signal:
    return Signal(
        name=clean_text(description.name),  # a file may be called anything
        sample_rate=float(description.sample_rate),
        center_frequency=description.center_frequency,
        start_time=sample_time(description, selection.start),
    )


def _source(stream: ColumnStream, description: Description, selection: Selection) -> Source:
    """What was transformed, as the manifest says it."""
    return Source(
        format=str(description.format),
        sample_type=description.sample_type,
        first_sample=selection.start,
        dataset=dataset_of(
            description, selection, gaps=stream.gaps.count, missing_samples=stream.gaps.missing_samples
        ).model_copy(
            update={"frames_without_data": stream.frames_without_data, "samples_at_full_scale": stream.at_full_scale}
        ),
        gaps=tuple((start - selection.start, end - selection.start) for start, end in stream.gaps.listed),
    )
