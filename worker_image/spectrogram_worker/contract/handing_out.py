"""How results leave a claim or a bucket: `python -m spectrogram_worker.hand_out` prints them as lines of JSON, which a
pod's log or an exec carries to whoever wants to see them.
"""

from typing import Annotated

from pydantic import Base64Bytes, ConfigDict, Field, StringConstraints

from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.document import Bucket
from spectrogram_worker.contract.report import MAXIMUM_OUTPUTS, Count, Line

WANTED_VARIABLE = "SPECTROGRAM_RESULTS"
PIECE_BYTES = 9 * 1024
"""So that a line in base64 is one entry of a container's log, which is cut at 16 KiB."""
MOST_FILES = 10_000
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class WantedResults(Model):
    """Which results to print: files, or folders with all that is in them."""

    folder: str = "/data/output"
    """Where the claim is mounted."""
    bucket: Bucket | None = None
    """They are in this bucket instead."""
    paths: Annotated[tuple[Path, ...], Field(max_length=MAXIMUM_OUTPUTS)]
    """Relative to the claim or bucket."""
    most_bytes: Count
    """Of all together; of more, nothing is printed."""


class Piece(Model):
    """One line: a file begins, the next bytes of it, the end of all, or why there is none."""

    model_config = ConfigDict(extra="ignore")
    file: Path | None = None
    data: Base64Bytes | None = None
    end: bool = False
    error: Line | None = None
