"""The 'auxi' chunk of I/Q recordings: centre frequency and start time, as receivers' programs write them.

Most (HDSDR, SDRuno, SDR#, SDRangel, ka9q-radio) write a structure: two times of Windows' SYSTEMTIME, start and end in
UTC, and the centre in Hz as 32 bits. SDR Console writes XML, in UTF-16 or bytes, which holds larger centres too.
"""

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_STRUCTURE_BYTES = 36
_CENTRE = re.compile(r'\bRadioCenterFreq="(\d{1,15})"')
_SECONDS = re.compile(r'\bUTCSeconds="(\d{1,10})"')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tuning(NamedTuple):
    """Centre frequency in Hz and UTC time of the first sample; None where the header does not say."""

    center_frequency: float | None = None
    start_time: datetime | None = None


def tuning(content: bytes) -> Tuning:
    """What the content of an 'auxi' chunk says."""
    if b"<" in content[:4]:
        text = content.decode("utf-16-le" if content[1:2] == b"\0" else "latin-1", errors="replace")
        centre, seconds = _CENTRE.search(text), _SECONDS.search(text)
        start = _EPOCH + timedelta(seconds=int(seconds[1])) if seconds else None
        return Tuning(float(centre[1]) if centre and int(centre[1]) else None, start)
    if len(content) < _STRUCTURE_BYTES:
        return Tuning()
    year, month, _, day, hour, minute, second, milliseconds = struct.unpack_from("<8H", content)
    (centre_hz,) = struct.unpack_from("<I", content, 32)
    return Tuning(float(centre_hz) or None, _time(year, month, day, hour, minute, second, 1000 * milliseconds))


def _time(*parts: int) -> datetime | None:
    """UTC; None for what is no time, as the zeros of a program that does not know it."""
    try:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
