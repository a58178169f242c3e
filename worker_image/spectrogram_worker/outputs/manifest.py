"""manifest.json: what a folder of results is, which job made it, from what, how, and the checksum of every file.

A manifest found in a claim or bucket is anyone's who can write there: it is read with a size cap and a schema.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from io import BufferedRandom, BufferedReader

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from spectrogram_worker.contract.addresses import without_query
from spectrogram_worker.contract.document import JobReference, Places, WorkerDocument
from spectrogram_worker.contract.report import MANIFEST_NAME, Dataset, OutputFile, Warnings
from spectrogram_worker.spectrum.axes import Layout
from spectrogram_worker.storage.folders import Folder, synchronize, walk

MANIFEST_MEDIA_TYPE = "application/json"
MOST_LISTED_GAPS = 10_000
MOST_MANIFEST_BYTES = 4 * 1024 * 1024
_DISTRIBUTIONS = ("spectrogram-operator", "numpy", "scipy", "matplotlib", "h5py", "isal", "soundfile", "boto3")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The selected range of the recording. `gaps` are (start, stop) in samples after the range's first."""

    format: str
    sample_type: str
    first_sample: int
    dataset: Dataset
    gaps: tuple[tuple[int, int], ...]


def manifest_bytes(
    document: WorkerDocument,
    source: Source,
    layout: Layout,
    *,
    column_frames: NDArray[np.int32],
    complete: bool,
    reason: str,
    files: tuple[OutputFile, ...],
    peak_memory_bytes: int,
    stage_seconds: Mapping[str, float],
    kernel: str,
    warnings: tuple[str, ...],
) -> bytes:
    """The manifest as JSON. Paths in `files` are relative to the folder that holds the manifest.

    column_frames: (columns done,) how many frames of each have data.
    """
    content = {
        "version": 1,
        "job": document.job.to_document(),
        "complete": complete,
        "reason": reason,
        "input": {
            **_place(document.places),
            "path": document.input.path,
            "format": source.format,
            "sampleType": source.sample_type,
            "firstSample": source.first_sample,
            **{key: value for key, value in source.dataset.to_document().items() if key != "gaps"},
            "gapCount": source.dataset.gaps,
            "gaps": [list(gap) for gap in source.gaps[:MOST_LISTED_GAPS]],
        },
        "parameters": {
            "input": document.input.to_document(),
            "transform": document.transform.to_document(),
            "reduce": document.reduce.to_document(),
            "frequencyRange": document.frequency_range.to_document() if document.frequency_range else None,
            "output": document.output.to_document(),
        },
        "unit": layout.unit,
        "bins": len(layout.frequencies),
        "frames": layout.frames,
        "framesPerColumn": layout.frames_per_column,
        "columns": len(layout.times),
        "columnsDone": len(column_frames),
        "columnsWithoutData": int(np.count_nonzero(column_frames == 0)),
        "fewestFramesInColumn": int(column_frames.min(initial=layout.frames_per_column)),
        "warnings": list(warnings),
        "outputs": [file.to_document() for file in files],
        "peakMemoryBytes": peak_memory_bytes,
        "stageSeconds": {stage: round(seconds, 3) for stage, seconds in stage_seconds.items()},
        "software": _software() | {"kernel": kernel},
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def _place(places: Places) -> dict[str, str]:
    """Where the recording's path is to be looked for, unless in a claim, whose name only the operator knows."""
    if places.input_bucket is not None:
        return {"store": places.input_bucket.store}
    return {"url": without_query(places.input_url)} if places.input_url is not None else {}


def _software() -> dict[str, str]:
    """Versions of Python and of the libraries that this process loaded."""
    versions = {"python": platform.python_version(), "platform": platform.machine()}
    for name in _DISTRIBUTIONS:
        if name == "spectrogram-operator" or name in sys.modules:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return versions


def describe_file(name: str, media_type: str, file: BufferedRandom | BufferedReader) -> OutputFile:
    """Size and checksum of `file`, read from its start."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256")
    return OutputFile(path=name, media_type=media_type, bytes=file.tell(), sha256=digest.hexdigest())


def describe_folder(name: str, media_type: str, folder: Folder) -> OutputFile:
    """Size and checksum of all files in `folder`, as one entry; has each of them on disk.

    The checksum is that of what `sha256sum` says of the files, ordered by path. In the folder:
    `find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum`.
    """
    size, lines = 0, []
    for path, place, file_name in walk(folder):
        with place.open(file_name) as file:
            synchronize(file.fileno())
            entry = describe_file(path, media_type, file)
        size += entry.bytes
        lines.append((path, f"{entry.sha256}  {path}\n"))
    digest = hashlib.sha256("".join(line for _, line in sorted(lines)).encode())
    return OutputFile(path=name, media_type=media_type, bytes=size, sha256=digest.hexdigest())


class _Lenient(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _Job(_Lenient):
    namespace: str
    name: str
    uid: str
    spec_hash: str


class _Content(_Lenient):
    """What a later attempt needs of a manifest; a newer version may say more."""

    version: int
    job: _Job
    complete: bool
    columns: int = Field(default=0, ge=0)
    warnings: Warnings = ()
    outputs: tuple[OutputFile, ...] = Field(max_length=64)


@dataclass(frozen=True)
class PublishedManifest:
    """A manifest that was found, and its own entry as an output."""

    content: _Content
    own_entry: OutputFile

    @property
    def complete(self) -> bool:
        """True when every column is there."""
        return self.content.complete

    @property
    def files(self) -> tuple[OutputFile, ...]:
        """The files beside the manifest."""
        return self.content.outputs

    @property
    def job_title(self) -> str:
        """The job as namespace/name."""
        return f"{self.content.job.namespace}/{self.content.job.name}"

    def is_of_job_named(self, job: JobReference) -> bool:
        """True for results of a job of this name, perhaps one that was deleted and made anew."""
        return self.job_title == job.title

    def is_of(self, job: JobReference) -> bool:
        """True for results of this very job and these parameters."""
        return (self.content.job.uid, self.content.job.spec_hash) == (job.uid, job.spec_hash)


def read_manifest(folder: Folder) -> PublishedManifest | None:
    """The manifest in `folder`, or None where there is none or it is not one."""
    try:
        with folder.open(MANIFEST_NAME) as file:
            return parse_manifest(file.read(MOST_MANIFEST_BYTES + 1))
    except OSError:
        return None


def parse_manifest(text: bytes) -> PublishedManifest | None:
    """The manifest that `text` is, or None where it is none."""
    if len(text) > MOST_MANIFEST_BYTES:
        return None
    try:
        content = _Content.model_validate_json(text)
    except ValidationError:
        return None
    digest = hashlib.sha256(text).hexdigest()
    entry = OutputFile(path=MANIFEST_NAME, media_type=MANIFEST_MEDIA_TYPE, bytes=len(text), sha256=digest)
    return PublishedManifest(content, entry)
