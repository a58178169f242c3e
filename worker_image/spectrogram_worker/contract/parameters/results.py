"""What a job leaves behind: `output`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from spectrogram_worker.contract.base import RELATIVE_PATH, Model, Rule, pattern_rule, unique_rule


class OutputFormat(StrEnum):
    """Files that a job can leave behind, beside manifest.json."""

    PNG = "png"
    NPZ = "npz"
    ZARR = "zarr"
    HDF5 = "hdf5"


class DecibelRange(Model):
    """The values at the two ends of the colour scale, in dB."""

    min: Annotated[float, Field(ge=-10_000, le=10_000)]
    """Value of the darkest colour, in dB."""
    max: Annotated[float, Field(ge=-10_000, le=10_000)]
    """Value of the brightest colour, in dB."""
    rules = (
        Rule(
            cel="self.max > self.min",
            message="dbRange.max must be greater than min: swap them",
            holds=lambda r: r.max > r.min,
            field="max",
        ),
    )


MAXIMUM_PIXELS = 16_000_000


class Image(Model):
    """The picture, spectrogram.png."""

    colormap: Annotated[
        str,
        StringConstraints(max_length=64),
        pattern_rule("[A-Za-z0-9_]+", "is no colour map: write a name of matplotlib's, as in magma or viridis"),
    ] = "magma"
    """Any colour map of matplotlib: magma viridis plasma inferno cividis turbo jet hot cool rainbow … Default: magma."""
    width: Annotated[int, Field(ge=64, le=16_384)] = 1600
    """Width of the whole picture in pixels, 64 to 16384. Default: 1600."""
    height: Annotated[int, Field(ge=64, le=16_384)] = 900
    """Height of the whole picture in pixels, 64 to 16384. Default: 900."""
    cells: Literal["auto", "max", "mean"] = "auto"
    """What a pixel shows of several bins or columns, in linear power. auto (default): what reduce.time names first, of none the maximum. max keeps a narrow carrier or a short burst in a picture of means, mean shows levels of noise in one of maxima."""
    db_range: DecibelRange | None = None
    """Values at the ends of the colour scale, in dB. Default: the 1st and 99.8th percentile, at least 10 dB apart."""
    rules = (
        Rule(
            cel="!has(self.width) || !has(self.height) || self.width * self.height <= 16000000",
            message="width × height must not exceed 16 million pixels: make the picture smaller",
            holds=lambda i: i.width * i.height <= MAXIMUM_PIXELS,
        ),
    )


class OutputSelection(Model):
    """What to leave behind, and where."""

    path: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=256),
            RELATIVE_PATH,
            Rule(
                cel="self.split('/').exists(p, p != '' && p != '.')",
                message="must name a folder below the claim or store: write its name, or remove path to take the job's name",
                holds=lambda path: any(part not in ("", ".") for part in path.split("/")),
            ),
        ]
        | None
    ) = None
    """The folder to create, relative to the claim or store. No '..', no leading '/'. Default: the job's name."""
    formats: Annotated[tuple[OutputFormat, ...], Field(min_length=1, max_length=4), unique_rule()] = (
        OutputFormat.PNG,
        OutputFormat.NPZ,
    )
    """Files to write: png (picture), npz (NumPy arrays), zarr and hdf5 (arrays for xarray). manifest.json is always written. Default: [png, npz]."""
    image: Image = Image()
    """The picture's size and colours."""
