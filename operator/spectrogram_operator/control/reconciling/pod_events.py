"""What events say of pods that do not start (faults 19 and 26): read for those alone, and rarely."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from spectrogram_operator.api.status import Attempt
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from spectrogram_operator.core.judging.impediment import TROUBLE_SECONDS, only_events_say_why
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.judging.pod_events import told_by
from spectrogram_operator.core.policy import Policy

MOST_PODS = 300
"""Of so many pods the events are read within five minutes. Where thousands wait for a node they wait for the same."""
logger = logging.getLogger(__name__)


class PodEvents:
    """Asks `read` for the events about a pod when it is late, then every five minutes at most."""

    def __init__(
        self,
        read: Callable[[Pod], Awaitable[Sequence[Body] | None]],
        policy: Policy,
        clock: Callable[[], datetime],
    ) -> None:
        self._read = read
        self._policy = policy
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[datetime, str]] = {}
        """By UID of the pod and its node, if it has one: when its events were read last, and what they said."""
        self._said = False

    async def of(self, pod: Pod, attempt: Attempt) -> str:
        """See Observed.told_by_events. Events that cannot be read are no news."""
        now = self._clock()
        if not only_events_say_why(pod, attempt, now, self._policy):
            return ""
        key = (pod.uid, pod.node_name)
        read, said = self._known.get(key, (None, ""))
        if read is None or _is_old(read, now):
            self._known = {one: known for one, known in self._known.items() if not _is_old(known[0], now)}
            if len(self._known) >= MOST_PODS:
                return said
            self._known[key] = (now, said)  # also where it fails: what explains a delay must not become a storm
            self._known[key] = (now, await self._newest(pod, said))
        return self._known[key][1]

    async def _newest(self, pod: Pod, said: str) -> str:
        try:
            events = await self._read(pod)
        except ClusterError as error:
            logger.info("The events of the pod %s/%s could not be read: %s", pod.namespace, pod.name, error)
            return said
        if events is None and not self._said:
            self._said = True
            logger.warning("The operator may not list events: why pods do not start is told as far as they say it")
        return told_by(events or (), pod)


def _is_old(read: datetime, now: datetime) -> bool:
    return not 0 <= (now - read).total_seconds() < TROUBLE_SECONDS
