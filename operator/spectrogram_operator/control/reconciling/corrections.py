"""What workers took against their estimates, by namespace: kept in one ConfigMap of each, and applied to later jobs.

It saves memory errors, and nothing else hangs on it: what is lost in a restart, with the ConfigMap, or between two
writes is learnt again. Where the ConfigMap was not read yet, or may not be, estimates stand as they are.
"""

import asyncio
import logging
from dataclasses import replace

from spectrogram_operator.api.job import Job, ValidJob
from spectrogram_operator.api.status import AttemptState, SpectrogramJobStatus
from spectrogram_operator.control.cluster.protocol import ClusterError, ConfigMaps
from spectrogram_operator.core.building.correction import (
    Reports,
    as_data,
    class_of,
    factor,
    read_reports,
    report_of,
    with_report,
)
from spectrogram_operator.core.building.sizing import planned_peak_in
from spectrogram_operator.core.policy import Policy

CONFIG_MAP = "spectrogram-memory"
_MOST_UNSAVED = 1000
logger = logging.getLogger(__name__)


class Corrections:
    """`policy` is what a job of a namespace is planned with; `record` is told of every status write that won."""

    def __init__(self, policy: Policy, maps: ConfigMaps) -> None:
        self._policy = policy
        self._maps = maps
        self._policies: dict[str, Policy] = {}
        """By namespace, once its ConfigMap was read."""
        self._unsaved: dict[str, list[tuple[str, int]]] = {}
        self._unread: set[str] = set()
        self._refused: set[str] = set()

    def policy(self, namespace: str) -> Policy:
        """The policy with what was learnt in this namespace."""
        found = self._policies.get(namespace)
        if found is None:
            self._unread.add(namespace)
        return found or self._policy

    def record(self, job: Job, old: SpectrogramJobStatus, new: SpectrogramJobStatus) -> None:
        """Learn from the attempts that were judged with this write."""
        if not isinstance(job, ValidJob):
            return
        judged = {attempt.number for attempt in old.attempts if attempt.state is AttemptState.FINISHED}
        for attempt in new.attempts:
            if attempt.state is not AttemptState.FINISHED or attempt.number in judged:
                continue
            percent = report_of(attempt, planned_peak_in(job.spec, attempt.pool, self._policy))
            unsaved = self._unsaved.setdefault(job.namespace, [])
            if percent is not None and len(unsaved) < _MOST_UNSAVED:
                unsaved.append((class_of(job.spec), percent))

    def forget(self, namespace: str | None) -> None:
        """Another operator may have learnt there (None: in any): what it wrote is read before the next job."""
        for name in list(self._policies) if namespace is None else [namespace]:
            self._policies.pop(name, None)

    async def run(self, seconds: float) -> None:
        """Read and write, so many seconds apart."""
        while True:
            await asyncio.sleep(seconds)
            await self.save()

    async def save(self) -> None:
        """Bring the ConfigMap of each namespace up to date, and learn what it says."""
        for namespace in sorted(self._unread | {name for name, unsaved in self._unsaved.items() if unsaved}):
            try:
                await self._save(namespace)
            except ClusterError as error:
                if error.code != 409 and namespace not in self._refused:  # of a conflict the next turn makes good
                    self._refused.add(namespace)
                    logger.warning("What jobs of %s took of memory is not kept: %s", namespace, error)

    async def _save(self, namespace: str) -> None:
        unsaved = list(self._unsaved.get(namespace, ()))
        found = await self._maps.read_config_map(namespace, CONFIG_MAP)
        reports = read_reports(found.get("data") if found is not None else None)
        for kind, percent in unsaved:
            reports = with_report(reports, kind, percent)
        self._learn(namespace, reports)
        if unsaved:
            await self._maps.write_config_map(namespace, CONFIG_MAP, as_data(reports), found)
            del self._unsaved[namespace][: len(unsaved)]
            self._refused.discard(namespace)

    def _learn(self, namespace: str, reports: Reports) -> None:
        self._unread.discard(namespace)
        corrections = {kind: by for kind, percents in reports.items() if (by := factor(percents)) > 1}
        self._policies[namespace] = replace(self._policy, memory_corrections=corrections)
