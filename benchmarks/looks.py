"""One look at a waiting job: the operator's own time for it, over an API server in memory."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.rates import Row

from harness import virtual_time
from pods.jobs import job_body
from spectrogram_operator.api.names import PLURAL
from unit.operator.control.desk import Desk

LOOKS = 30


def rows(counts: list[int]) -> Iterator[Row]:
    """A row for each number of jobs; each look finds nothing to write."""
    for count in counts:
        seconds = virtual_time.run(seconds_of_a_look(count))
        yield f"one look at a waiting job, {count} jobs", f"{1000 * seconds:.2f} ms", "–"


async def seconds_of_a_look(count: int) -> float:
    """CPU time, the median of some looks at jobs that wait behind all others."""
    desk = Desk(slots=1)
    for number in range(count):
        desk.put(PLURAL, f"job-{number}", spec=job_body()["spec"])
    desk.look()
    last = [f"job-{number}" for number in range(count - LOOKS, count)]
    for name in ["job-0", *last]:
        await desk.reconcile(name)
    desk.look()
    found = []
    for name in last:
        written = len(desk.written)
        began = time.process_time()
        await desk.reconcile(name)
        if len(desk.written) == written:
            found.append(time.process_time() - began)
    await desk.cluster.close()
    return statistics.median(found)
