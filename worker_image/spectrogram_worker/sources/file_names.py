"""What receivers put into the names of their recordings: datatype, sample rate, centre frequency, start time.

Only used where job and header are silent. Names may have been given something before and after, as the " (1)" of a
second copy. The conventions:

- gqrx: `gqrx_20230806_151838_428000000_200000_fc.raw` (UTC, centre, rate; fc is complex float32)
- SatDump: `2023-08-05_18-02-45-534_16000000SPS_2284000000Hz.s16` (UTC, rate, centre; cs8, cs16, cf32, formerly s8, …)
- SDR#, HDSDR, SDRuno, SDRconnect: `HDSDR_20150804_204000Z_7100kHz_RF.wav` (Z for UTC, centre)
- SDR++: `baseband_7100000Hz_19-45-03_31-01-2026.wav` (centre, computer's time)
- SDR Console: `03-Aug-2023 181711.798 137.912MHz.raw` (computer's time or UTC, centre)
- Universal Radio Hacker: `HackRF-20260131_194503-433_92MHz-2MSps-2MHz.complex` (computer's time, centre, rate)
- rtl_433: `g001_433.92M_250k.cu8` (centre, rate)
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_NUMBER = r"\d{1,20}(?:[.]\d{1,20})?(?:e[+]?\d{1,2})?"
_UNDERSCORED = r"\d{1,20}(?:_\d{1,20})?"
_DAY_AND_TIME = r"(?P<time>\d{8}_\d{6})"
_CENTRE = rf"(?P<centre>{_NUMBER})(?P<centre_unit>[kMG]?)"
_RATE = rf"(?P<rate>{_NUMBER})(?P<rate_unit>[kKMG]?)"
_END = r"(?![A-Za-z0-9])"
_CONVENTIONS = (
    (re.compile(rf"gqrx_{_DAY_AND_TIME}(?P<zone>)_{_CENTRE}_{_RATE}_(?P<type>fc){_END}"), "%Y%m%d_%H%M%S"),
    (
        re.compile(
            r"(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?P<zone>)(?:-(?:\d+[.])?(?P<fraction>\d{1,20}))?"
            rf"_{_RATE}SPS_{_CENTRE}Hz(?:{_END}.*[.](?P<type>s8|s16|f32)$)?"
        ),
        "%Y-%m-%d_%H-%M-%S",
    ),
    (re.compile(rf"{_DAY_AND_TIME}(?P<zone>Z)?_{_CENTRE}H[zZ]{_END}"), "%Y%m%d_%H%M%S"),
    (re.compile(rf"{_CENTRE}Hz_(?P<time>\d\d-\d\d-\d\d_\d\d-\d\d-\d{{4}})(?!\d)"), "%H-%M-%S_%d-%m-%Y"),
    (
        re.compile(rf"(?P<time>\d\d-[A-Z][a-z]{{2}}-\d{{4}} \d{{6}})[.](?P<fraction>\d{{1,20}}) {_CENTRE}Hz{_END}"),
        "%d-%b-%Y %H%M%S",
    ),
    (
        re.compile(
            rf"{_DAY_AND_TIME}-(?P<centre>{_UNDERSCORED})(?P<centre_unit>[KMG]?)Hz"
            rf"-(?P<rate>{_UNDERSCORED})(?P<rate_unit>[KMG]?)Sps"
        ),
        "%Y%m%d_%H%M%S",
    ),
    (
        re.compile(
            rf"(?<![A-Za-z0-9.])(?P<centre>{_NUMBER})(?P<centre_unit>[MG])_(?P<rate>{_NUMBER})(?P<rate_unit>[kM]){_END}"
        ),
        "",
    ),
)
"""Each with the form of its time. The group `zone` is there where the time is UTC."""
_UNITS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_TYPES = {"fc": "cf32_le", "s8": "ci8", "s16": "ci16_le", "f32": "cf32_le"}
_EXTENSIONS = {
    "cf32": "cf32_le",
    "cfile": "cf32_le",
    "fc32": "cf32_le",
    "complex": "cf32_le",
    "cf64": "cf64_le",
    "cs8": "ci8",
    "cs16": "ci16_le",
    "sc8": "ci8",
    "sc16": "ci16_le",
    "cu8": "cu8",
    "cu16": "cu16_le",
    "c8": "ci8",
    "c16": "ci16_le",
    "complex16s": "ci8",
    "complex16u": "cu8",
    "complex32s": "ci16_le",
    "complex32u": "cu16_le",
}


@dataclass(frozen=True, kw_only=True)
class NamedParameters:
    """What a file's name says; None where it says nothing. `is_utc`: whether the name says so of its time."""

    datatype: str | None = None
    sample_rate: float | None = None
    center_frequency: float | None = None
    start_time: datetime | None = None
    is_utc: bool = True


def parameters_in_name(name: str) -> NamedParameters:
    """The parameters in a file's name (without folder)."""
    datatype = _EXTENSIONS.get(name.rpartition(".")[2].lower())
    for pattern, time_form in _CONVENTIONS:
        if (match := pattern.search(name)) is not None:
            found = match.groupdict()
            time = _time(found.get("time"), found.get("fraction"), time_form)
            return NamedParameters(
                datatype=_TYPES.get(found.get("type") or "", datatype),
                sample_rate=_hertz(found.get("rate"), found.get("rate_unit")) or None,
                center_frequency=_hertz(found.get("centre"), found.get("centre_unit")),
                start_time=time,
                is_utc=time is None or found.get("zone") is not None,
            )
    return NamedParameters(datatype=datatype)


def _hertz(number: str | None, unit: str | None) -> float | None:
    """Hz; what no recording has is not taken for a frequency."""
    if number is None:
        return None
    value = float(number.replace("_", ".")) * _UNITS[unit or ""]
    return value if value <= 1e15 else None


def _time(text: str | None, fraction: str | None, form: str) -> datetime | None:
    try:
        time = datetime.strptime(text or "", form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])) if text else None
