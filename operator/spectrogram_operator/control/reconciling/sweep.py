"""Lists: every 120 s one of pods, for a vanished pod yields no event (rule 4); at first and every hour of jobs too."""

import logging

from spectrogram_operator.control.cluster.protocol import Lists
from spectrogram_operator.control.reconciling.controller import Controller
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.telemetry.logs import CHECKING

logger = logging.getLogger(__name__)


async def list_all(cluster: Lists, controller: Controller, namespace: str | None) -> None:
    """Take in every pod and every job of this namespace (None: of all), and look at each job. Raises ClusterError.

    What the lists lack is gone. Jobs that are over are looked at for their pods, and not before they are known.
    """
    store = controller.store
    await _list_pods(cluster, controller, namespace)
    found: set[str] = set()
    version = 0
    async for page in cluster.list_jobs(namespace):
        version = page.version
        for body in page.items:
            found.add(body["metadata"]["uid"])
            store.see_job(body)
    store.hold_jobs_against(found, version, namespace)
    controller.look_at_all(namespace)


async def sweep(cluster: Lists, controller: Controller, namespace: str | None) -> None:
    """Correct every pod, and look at every job that is not over and does not stand in line. Raises ClusterError.

    So a deaf watch of pods delays a job by one interval at most.
    """
    unfinished = (job for job in controller.store.unfinished() if namespace in (None, job.namespace))
    jobs = [job for job in unfinished if controller.serves(job.namespace) and not controller.slots.waits(job.uid)]
    logger.info(CHECKING, len(jobs))
    for pod in await _list_pods(cluster, controller, namespace):
        controller.look_at_owner(pod)
    for job in jobs:
        controller.queue.add(job.key)


async def _list_pods(cluster: Lists, controller: Controller, namespace: str | None) -> list[Pod]:
    """What changed with this list; what it lacks is gone."""
    found: set[str] = set()
    changed: list[Pod] = []
    version = 0
    async for page in cluster.list_pods(namespace):
        version = page.version
        for body in page.items:
            found.add(body["metadata"]["uid"])
            changed += controller.store.see_pod(body)
    return [*changed, *controller.store.hold_against(found, version, namespace)]
