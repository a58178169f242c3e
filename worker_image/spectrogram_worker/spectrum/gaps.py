"""What was found missing while reading: exact counts, and a list that does not grow without end."""

import numpy as np
from numpy.typing import NDArray

MAXIMUM_LISTED_GAPS = 1000


class Gaps:
    """Gaps in order, merged where they touch.

    count and missing_samples are exact; `listed` holds the first 1000 as half-open (start, stop) sample indices from
    the recording's first sample.
    """

    def __init__(self) -> None:
        self.count = 0
        self.missing_samples = 0
        self.listed: list[tuple[int, int]] = []
        self._end = -1

    def add(self, gaps: NDArray[np.int64]) -> None:
        """Add gaps, (n, 2) half-open, in order, none before what was added already."""
        if len(gaps) == 0:
            return
        continues = int(gaps[0, 0]) == self._end
        if continues and self.count == len(self.listed):
            self.listed[-1] = (self.listed[-1][0], int(gaps[0, 1]))
        fresh = gaps[1:] if continues else gaps
        room = MAXIMUM_LISTED_GAPS - len(self.listed)
        self.listed += [(start, stop) for start, stop in fresh[:room].tolist()]
        self.count += len(fresh)
        self.missing_samples += int((gaps[:, 1] - gaps[:, 0]).sum())
        self._end = int(gaps[-1, 1])
