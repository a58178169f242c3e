"""The sweep: a vanished pod yields no event, so every 120 s one list is held against what the watch shows (I2)."""

import logging
from collections.abc import Callable
from datetime import datetime

from spectrogram_operator.control.cluster import Cluster, ClusterError, View
from spectrogram_operator.control.reconcile import Reconciler
from spectrogram_operator.core.judging.pod import read_pod
from spectrogram_operator.core.status import is_over
from spectrogram_operator.telemetry.logs import CHECKING

logger = logging.getLogger(__name__)


async def sweep(
    *, cluster: Cluster, view: View, reconciler: Reconciler, wake: Callable[[str], None], clock: Callable[[], datetime]
) -> datetime | None:
    """Correct every pod that the list lacks or shows otherwise, and look at every job that is not over.

    So a deaf watch delays a job by one interval at most. Returns when it succeeded, None where it did not.
    """
    shown = tuple(view.pods())
    jobs = [job for job in reconciler.jobs() if not is_over(job.status)]
    logger.info(CHECKING, len(jobs))
    try:
        reconciler.correct(shown, map(read_pod, await cluster.list_pods()))
    except ClusterError as error:
        logger.warning("The sweep could not list pods, and trusts the watch until the next: %s", error)
        return None
    for job in jobs:
        wake(job.key)
    return clock()
