"""What events say of the volumes of pods that do not start (fault 26): read for those alone, and rarely."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from spectrogram_operator.api.status import Attempt
from spectrogram_operator.control.cluster.protocol import Body, ClusterError
from spectrogram_operator.core.judging.impediment import TROUBLE_SECONDS, may_lack_volumes, volume_trouble
from spectrogram_operator.core.judging.pod import Pod
from spectrogram_operator.core.policy import Policy

logger = logging.getLogger(__name__)


class VolumeTroubles:
    """Asks `read` for the warnings about a pod when it is late, then every five minutes at most."""

    def __init__(
        self,
        read: Callable[[Pod], Awaitable[Sequence[Body] | None]],
        policy: Policy,
        clock: Callable[[], datetime],
    ) -> None:
        self._read = read
        self._policy = policy
        self._clock = clock
        self._known: dict[str, tuple[datetime, str]] = {}
        """By UID of the pod: when its events were read last, and what they said."""
        self._said = False

    async def of(self, pod: Pod, attempt: Attempt) -> str:
        """See Observed.volume_trouble. Events that cannot be read are no news."""
        now = self._clock()
        if not may_lack_volumes(pod, attempt, now, self._policy):
            return ""
        read, said = self._known.get(pod.uid, (None, ""))
        if read is None or _is_old(read, now):
            self._known = {uid: known for uid, known in self._known.items() if not _is_old(known[0], now)}
            self._known[pod.uid] = (now, said)  # also where it fails: what explains a delay must not become a storm
            self._known[pod.uid] = (now, await self._newest(pod, said))
        return self._known[pod.uid][1]

    async def _newest(self, pod: Pod, said: str) -> str:
        try:
            events = await self._read(pod)
        except ClusterError as error:
            logger.info("The events of the pod %s/%s could not be read: %s", pod.namespace, pod.name, error)
            return said
        if events is None and not self._said:
            self._said = True
            logger.warning("The operator may not list events: why volumes are not there is not told")
        return volume_trouble(events or ())


def _is_old(read: datetime, now: datetime) -> bool:
    return not 0 <= (now - read).total_seconds() < TROUBLE_SECONDS
