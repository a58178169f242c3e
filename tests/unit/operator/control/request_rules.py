"""What holds of every request of an operator, whatever it is about."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.api_store import PODS, ApiStore
from harness.memory_cluster import Heard
from spectrogram_operator.api.job import Job
from spectrogram_operator.api.names import LEASE_OF_ALL, PLURAL
from spectrogram_operator.core.status import is_over
from unit.operator.control.process import OperatorProcess

MOST_REQUESTS_A_SECOND, MOST_REQUESTS_A_MINUTE = 15, 60
"""Of one kind, about one object or one list, by one operator."""
ENDS = ("Completed", "Failed", "Cancelled")
"""Events that say that a job is over."""


@dataclass
class RequestRules:
    """Told of each request at the moment when it takes effect; `fail` is told which rule it breaks.

    `one_acts`: of several operators only the holder of the Lease acts.
    """

    store: ApiStore
    jobs: Mapping[str, Job]
    fail: Callable[[str], None]
    one_acts: bool = False
    _requests: Counter[tuple[str, str, str, str, int]] = field(default_factory=Counter)
    _left_behind: dict[tuple[str, str | None, str], int] = field(default_factory=dict)
    """By operator and job: the newest version that the operator knows not to be the newest."""

    def heard(self, process: OperatorProcess, heard: Heard) -> None:
        """Look at one request."""
        self._no_storm(process, heard)
        request = heard.request
        if self.one_acts and request.method != "GET" and request.plural in (PLURAL, PODS):
            self._acts_by_right(process, heard)
        if request.method == "PUT" and request.plural == PLURAL:
            self._writes_over_the_newest(process, heard)
        elif request.plural == PLURAL and not _is_told(heard):
            # It could not read again what it was to read.
            self._left_behind.pop((process.name, request.namespace, request.name), None)
        if request.method == "POST" and request.plural == "events":
            self._tells_what_is_true(process, heard)

    def _no_storm(self, process: OperatorProcess, heard: Heard) -> None:
        """A list in pages is one request."""
        request, now = heard.request, int(self.store.now().timestamp())
        if request.query.get("continue"):
            return
        for unit, moment, most in (
            ("second", now, MOST_REQUESTS_A_SECOND),
            ("minute", now // 60, MOST_REQUESTS_A_MINUTE),
        ):
            counted = (process.name, request.method, request.path, unit, moment)
            self._requests[counted] += 1
            if self._requests[counted] > most:
                self.fail(f"{process.name} sends one request again and again: {request.method} {request.path}")

    def _acts_by_right(self, process: OperatorProcess, heard: Heard) -> None:
        """Rule 37. A request that was long under way may come late; locked writes make it harmless."""
        lease = self.store.objects.get(("leases", *LEASE_OF_ALL))
        holder = lease["spec"]["holderIdentity"] if lease else ""
        if holder not in ("", process.identity) and heard.fate.seconds_before == 0:
            self.fail(f"{process.name} acts, and {holder} holds the lease: {heard.request.method} {heard.request.path}")

    def _writes_over_the_newest(self, process: OperatorProcess, heard: Heard) -> None:
        """Who has written a job, or was told of a conflict, has a newer version by the next time."""
        assert heard.request.body is not None
        version = int(heard.request.body["metadata"].get("resourceVersion") or 0)
        what = (process.name, heard.request.namespace, heard.request.name)
        if version <= self._left_behind.get(what, -1):
            self.fail(f"{process.name} writes {heard.request.name} over a version that it knows is old")
        if _is_told(heard) and heard.code in (200, 409):
            self._left_behind[what] = version

    def _tells_what_is_true(self, process: OperatorProcess, heard: Heard) -> None:
        """Rule 13: of an end only what was written."""
        assert heard.request.body is not None
        reason, about = heard.request.body["reason"], heard.request.body["involvedObject"]
        job = self.jobs.get(about["uid"])
        if reason in ENDS and job is not None and not is_over(job.status):
            self.fail(f"{process.name} says {reason} of {job.name}, which is not over")


def _is_told(heard: Heard) -> bool:
    """Whether the operator hears the truth."""
    return heard.fate.stored and heard.fate.error is None and not heard.fate.kill
