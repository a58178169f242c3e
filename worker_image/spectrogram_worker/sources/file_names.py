"""What receivers put into the names of their recordings: datatype, sample rate, centre frequency, start time.

Only used where the job is silent. The conventions:

- gqrx: `gqrx_20230806_151838_428000000_200000_fc.raw` (UTC, centre, rate; fc is complex float32)
- SatDump: `2023-08-05_18-02-45-534_16000000SPS_2284000000Hz.s16` (rate, centre; cs8, cs16, cf32, formerly s8, s16, f32)
- SDR Console: `03-Aug-2023 181711.798 137.912MHz.raw` (centre)
- SDR#: `SDRSharp_20150804_204000Z_100000000Hz_IQ.raw` (UTC, centre)
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_GQRX = re.compile(r"gqrx_(?P<time>\d{8}_\d{6})_(?P<centre>\d+)_(?P<rate>\d+)_fc\.\w+")
_SATDUMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:-[\d.]+)?_(?P<rate>\d+)SPS_(?P<centre>\d+)Hz\.(?P<type>\w+)")
_SDR_CONSOLE = re.compile(r"\d\d-[A-Z][a-z]{2}-\d{4} \d{6}\.\d+ (?P<centre>\d+(?:\.\d+)?)(?P<unit>[kMG]?)Hz\b.*")
_SDR_SHARP = re.compile(r"SDRSharp_(?P<time>\d{8}_\d{6})Z_(?P<centre>\d+)(?P<unit>[kMG]?)Hz_IQ\.\w+")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_SATDUMP_TYPES = {"s8": "ci8", "s16": "ci16_le", "f32": "cf32_le"}
_EXTENSIONS = {
    "cf32": "cf32_le",
    "cfile": "cf32_le",
    "fc32": "cf32_le",
    "cf64": "cf64_le",
    "cs8": "ci8",
    "cs16": "ci16_le",
    "sc8": "ci8",
    "sc16": "ci16_le",
    "cu8": "cu8",
    "cu16": "cu16_le",
}


@dataclass(frozen=True, kw_only=True)
class NamedParameters:
    """What a file's name says; None where it says nothing."""

    datatype: str | None = None
    sample_rate: float | None = None
    center_frequency: float | None = None
    start_time: datetime | None = None


def parameters_in_name(name: str) -> NamedParameters:
    """The parameters in a file's name (without folder)."""
    datatype = _EXTENSIONS.get(name.rpartition(".")[2].lower())
    if match := _GQRX.fullmatch(name):
        return NamedParameters(
            datatype="cf32_le",
            sample_rate=float(match["rate"]),
            center_frequency=float(match["centre"]),
            start_time=_utc(match["time"]),
        )
    if match := _SATDUMP.fullmatch(name):
        return NamedParameters(
            datatype=_SATDUMP_TYPES.get(match["type"], datatype),
            sample_rate=float(match["rate"]),
            center_frequency=float(match["centre"]),
        )
    if match := _SDR_CONSOLE.fullmatch(name):
        return NamedParameters(datatype=datatype, center_frequency=float(match["centre"]) * _UNITS[match["unit"]])
    if match := _SDR_SHARP.fullmatch(name):
        centre = float(match["centre"]) * _UNITS[match["unit"]]
        return NamedParameters(datatype=datatype, center_frequency=centre, start_time=_utc(match["time"]))
    return NamedParameters(datatype=datatype)


def _utc(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
