"""What is computed of the samples: `transform`, `reduce`, `frequencyRange` and `chunking`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from spectrogram_worker.contract.base import Model, Rule, at_least_rule, pattern_rule, unique_rule
from spectrogram_worker.contract.parameters.quantities import Frequency


class WindowName(StrEnum):
    """Windows, named as `scipy.signal.get_window` names them."""

    GAUSSIAN = "gaussian"
    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    BLACKMANHARRIS = "blackmanharris"
    KAISER = "kaiser"
    TUKEY = "tukey"
    FLATTOP = "flattop"
    BOXCAR = "boxcar"


class Window(Model):
    """The window that each frame is multiplied by, in its periodic form, as scipy.signal.get_window gives it."""

    name: WindowName = WindowName.GAUSSIAN
    """Name of the window. Default: gaussian."""
    length: Annotated[int, Field(ge=8, le=1_048_576)] | None = None
    """Samples in the window, 8 to fftSize; a shorter one is padded with zeros to fftSize. Default: fftSize."""
    std_dev: Annotated[float, Field(le=1e6), at_least_rule(0.1, "samples")] = 100.0
    """gaussian: standard deviation in samples. Default: 100."""
    beta: Annotated[float, Field(ge=0, le=100)] = 8.6
    """kaiser: shape. Default: 8.6."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """tukey: the tapered share of the window, 0 to 1. Default: 0.5."""


class Calibration(Model):
    """What makes decibels of full scale those of a physical unit."""

    offset_db: Annotated[float, Field(ge=-1000, le=1000)]
    """Added to every value, in dB: what a full-scale sine has, in `unit`."""
    unit: Annotated[
        str,
        StringConstraints(max_length=32),
        pattern_rule(
            "dB[-A-Za-y0-9µ²^*/(). ]*",  # without z: that a density is per Hz is said by the results themselves
            "is no unit of power in dB: write one that begins with dB and does not name Hz, as in dBm",
        ),
    ]
    """Unit of power that the values are in, such as dBm or dBW; with scaling density the results say dBm/Hz."""


class Transform(Model):
    """The short-time Fourier transform: frame k covers samples k·hopSize to k·hopSize + the window's length."""

    fft_size: Annotated[int, Field(ge=8, le=1_048_576)] = 1024
    """Bins of each transform, 8 to 1048576; sizes with small prime factors are fastest. Default: 1024."""
    hop_size: Annotated[int, Field(ge=1, le=2**30)] = 500
    """Samples from one frame to the next, from 1; more than the window's length skips samples. Default: 500."""
    window: Window = Window()
    """The window. Default: gaussian with a standard deviation of 100 samples."""
    scaling: Literal["density", "spectrum"] = "density"
    """density (default): dB relative to full scale squared per Hz. spectrum: dBFS, a full-scale sine reads 0."""
    detrend: Literal["none", "constant"] = "none"
    """constant subtracts each frame's mean before the window. Default: none."""
    precision: Literal["single", "double"] = "single"
    """single (default) is right for spans up to about 130 dB; double for more, at twice the memory."""
    calibration: Calibration | None = None
    """An offset and the unit that it leads to. Default: none, values are relative to full scale."""
    calibration_offset_db: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    """Added to every value, in dB, where its unit is not to be named; see calibration. Default: 0."""
    rules = (
        Rule(
            cel="!has(self.calibration) || !has(self.calibrationOffsetDb)",
            message="calibration and calibrationOffsetDb both say what to add: remove calibrationOffsetDb",
            holds=lambda t: t.calibration is None or t.calibration_offset_db is None,
            field="calibrationOffsetDb",
        ),
        Rule(
            cel="!has(self.window) || !has(self.window.length) || !has(self.fftSize)"
            " || self.window.length <= self.fftSize",
            message="window.length must not exceed fftSize: raise fftSize or shorten the window",
            holds=lambda t: t.window.length is None or t.window.length <= t.fft_size,
            field="window.length",
        ),
    )

    @property
    def offset_db(self) -> float:
        """What is added to every value, in dB."""
        return self.calibration.offset_db if self.calibration else self.calibration_offset_db or 0.0

    @property
    def unit(self) -> str:
        """Unit of the values. After an offset without a unit they are relative to something, but not to full scale."""
        is_density = self.scaling == "density"
        if self.calibration is not None:
            return f"{self.calibration.unit}/Hz" if is_density else self.calibration.unit
        if self.offset_db:
            return "dB/Hz, calibrated" if is_density else "dB, calibrated"
        return "dB(FS²/Hz)" if is_density else "dBFS"

    @property
    def window_length(self) -> int:
        """Samples of each frame that the window covers."""
        return self.window.length or self.fft_size


class Reduction(StrEnum):
    """How the frames of a column become one spectrum, in linear power."""

    MAX = "max"
    MEAN = "mean"
    MIN = "min"
    NONE = "none"


class Reduce(Model):
    """How frames become columns: consecutive frames are reduced in linear power before dB is taken."""

    time: Annotated[
        tuple[Reduction, ...],
        Field(min_length=1, max_length=3),
        unique_rule(),
        Rule(
            cel="!self.exists(x, x == 'none') || self.size() == 1",
            message="has none beside others: write [none], or remove it",
            holds=lambda time: Reduction.NONE not in time or len(time) == 1,
        ),
    ] = (Reduction.MAX, Reduction.MEAN)
    """One array each: max keeps short bursts, mean shows the floor, min; or none alone: every frame. The picture shows the first. Default: [max, mean]."""
    columns: Annotated[int, Field(ge=1, le=65_536)] = 4096
    """The most columns in time, 1 to 65536; not used when time is none. Default: 4096."""


class FrequencyRange(Model):
    """The band to keep: bins whose centre lies inside, both ends included."""

    lower: Frequency
    """Lower end, in Hz, on the absolute axis (with the centre frequency)."""
    upper: Frequency
    """Upper end, in Hz, on the absolute axis (with the centre frequency)."""
    rules = (
        Rule(
            cel="self.upper > self.lower",
            message="frequencyRange.upper must be greater than lower: swap them or widen the band",
            holds=lambda r: r.upper > r.lower,
            field="upper",
        ),
    )


class Chunking(Model):
    """How much each thread reads at a time: up to 8 MiB of samples, in chunks up to 4 MiB. Every mode gives the same result, in chunks in less memory."""

    mode: Literal["auto", "always", "never"] = "auto"
    """auto (default): chunked above the threshold. always, never: regardless of size."""
    threshold_megabytes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 500
    """Size in MB (10⁶ bytes) above which auto reads in chunks. Default: 500."""

    def applies_to(self, size: int) -> bool:
        """Whether a selection of so many bytes is read in chunks."""
        return self.mode == "always" or (self.mode == "auto" and size > self.threshold_megabytes * 1_000_000)
