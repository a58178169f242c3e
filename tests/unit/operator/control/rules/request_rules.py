"""What holds of every request of an operator, whatever it is about."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.api.memory_cluster import CONNECTION_LOST, Heard
from harness.api.routes import Request
from harness.api.store import PODS, ApiStore
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.names import LEASE, LEASE_OF_ALL, PLURAL
from spectrogram_operator.core.status import is_over
from unit.operator.control.rules.process import OperatorProcess

MOST_REQUESTS_A_SECOND, MOST_REQUESTS_A_MINUTE = 15, 60
"""Of one kind, about one object or one list, by one operator."""
MISSING_SECONDS = 9.0
"""At least between the two look-ups by which a pod is missing: ten seconds of a clock of whole seconds."""
SECONDS_OFF, SECONDS_OFF_AT_MOST = 3.0, 20.0
"""By so much the time may be wrong that an operator with a wrong clock goes by, or one whose answers take long: what is
dated somewhere within half a minute tells no more.
"""
REFUSAL_SECONDS = 25.0
"""At least until what was forbidden is asked for again."""
MOST_FAILURES_A_MINUTE = 30
"""Of one request: what fails is tried ever more rarely."""
ENDS = ("Completed", "Failed", "Cancelled")
"""Events that say that a job is over."""


@dataclass
class RequestRules:
    """Told of each request when it is sent, and when it takes effect; `fail` is told which rule it breaks."""

    store: ApiStore
    jobs: Mapping[str, Job]
    fail: Callable[[str], None]
    _renewed: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """By operator and lease: when it last wrote that it holds it."""
    _has: dict[tuple[str, int, str, str], float] = field(default_factory=dict)
    """By operator, its life, and lease: when it heard that it has it, if it has sent nothing about it since."""
    served: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    """By namespace: who serves it by name, and from when to when it has written so without a break."""
    _listed_leases: dict[tuple[str, int], float] = field(default_factory=dict)
    """By operator and its life: when a list of leases was made that it has heard by now, or soon will."""
    clocks_apart: bool = False
    """True once a clock was set."""
    _slow: set[tuple[str, int]] = field(default_factory=set)
    """Operators, and their lives, to which an answer took long."""
    _looked: defaultdict[tuple[str, str], list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    """By operator and path of a pod: when it was looked for, and the UID that was found, if any."""
    _refused: dict[tuple[str, int, str], float] = field(default_factory=dict)
    """By operator, its life and what it wanted to create: when that was forbidden."""
    _missing: set[tuple[str, int]] = field(default_factory=set)
    """By job and attempt: what was judged so."""
    _requests: Counter[tuple[str, str, str, str, int]] = field(default_factory=Counter)
    _left_behind: dict[tuple[str, str | None, str], tuple[str, int]] = field(default_factory=dict)
    """By operator and a job's name: its UID, and the newest version that the operator knows not to be the newest."""

    def seconds_off(self, process: OperatorProcess) -> float:
        """By how much the time may be wrong that this operator goes by."""
        if not self.clocks_apart:
            return 0.0
        return SECONDS_OFF_AT_MOST if (process.name, process.life) in self._slow else SECONDS_OFF

    def heard(self, process: OperatorProcess, heard: Heard) -> None:
        """Look at one request."""
        self._no_storm(process, heard)
        if heard.fate.seconds_before + heard.fate.seconds_after > SECONDS_OFF:
            self._slow.add((process.name, process.life))
        request = heard.request
        if request.plural == "leases" and request.method != "GET" and heard.code in (200, 201):
            self._renews(process, heard)
        elif request.plural == "leases" and not request.name and _is_told(heard):
            now = asyncio.get_running_loop().time()
            asyncio.get_running_loop().call_later(heard.fate.seconds_after, self._hears_of_others, process, now)
        if request.method == "PUT" and request.plural == PLURAL:
            self._writes_over_the_newest(process, heard)
        elif request.plural == PLURAL and not _is_told(heard):
            # It could not read again what it was to read.
            self._left_behind.pop((process.name, request.namespace, request.name), None)
        if request.method == "PUT" and request.plural == PLURAL and heard.code == 200:
            self._misses(process, heard)
        elif request.method == "GET" and request.plural == PODS and request.name and _is_told(heard):
            self._looks_up(process, heard)
        if request.method == "POST" and request.plural == PODS:
            self._creates(process, heard)
        if request.method == "POST" and request.plural == "events":
            self._tells_what_is_true(process, heard)

    def _no_storm(self, process: OperatorProcess, heard: Heard) -> None:
        """A list in pages is one request."""
        request, now = heard.request, int(self.store.now().timestamp())
        if request.query.get("continue"):
            return
        about, failed = _about(request), heard.fate.error in (CONNECTION_LOST, 429, 500, 504)
        for unit, moment, most in (
            ("second", now, MOST_REQUESTS_A_SECOND),
            ("minute", now // 60, MOST_REQUESTS_A_MINUTE),
            *([("minute of failures", now // 60, MOST_FAILURES_A_MINUTE)] if failed else ()),
        ):
            counted = (process.name, request.method, about, unit, moment)
            self._requests[counted] += 1
            if self._requests[counted] > most:
                self.fail(f"{process.name} sends one request again and again: {request.method} {about}")

    def sent(self, process: OperatorProcess, request: Request) -> None:
        """Rule 37. A request that was long under way may come late; locked writes make it harmless."""
        if request.plural == "leases":
            self._has.pop((process.name, process.life, request.namespace or "", request.name), None)
        if request.method == "GET" or request.plural not in (PLURAL, PODS) or request.namespace is None:
            return
        where = (request.namespace, LEASE) if process.settings.namespaces else LEASE_OF_ALL
        lease = self.store.objects.get(("leases", *where))
        holder = lease["spec"]["holderIdentity"] if lease else process.identity
        seconds = asyncio.get_running_loop().time() - self._renewed.get((process.name, *where), float("-inf"))
        if holder not in ("", process.identity):
            self.fail(f"{process.name} acts, and {holder} holds the lease: {request.method} {request.path}")
        elif seconds > process.settings.lease_seconds * 2 / 3:
            self.fail(f"{process.name} acts {seconds:.0f} s after it had the lease: {request.method} {request.path}")
        if not process.settings.namespaces and request.namespace in self.served:
            self._leaves_to_others(process, request)

    def _leaves_to_others(self, process: OperatorProcess, request: Request) -> None:
        """Who serves all namespaces does nothing in one that another serves by name, once it has heard so."""
        holder, since, last = self.served[request.namespace or ""]
        heard = self._listed_leases.get((process.name, process.life), -1.0)
        alive = asyncio.get_running_loop().time() - last <= process.settings.lease_seconds * 2 / 3
        there = ("leases", request.namespace, LEASE) in self.store.objects  # not where its namespace was deleted
        if alive and there and holder not in ("", process.identity) and since < heard:
            self.fail(f"{process.name} acts where {holder} does: {request.method} {request.path}")

    def _hears_of_others(self, process: OperatorProcess, made: float) -> None:
        self._listed_leases[process.name, process.life] = made

    def stopped(self, process: OperatorProcess) -> None:
        """Who was told to end has given back what it had: nobody need wait for the end of its leases."""
        now, told = asyncio.get_running_loop().time(), process.told_to_end or 0.0
        for (name, life, *where), answered in self._has.items():
            mine = (name, life) == (process.name, process.life) and answered <= told
            if mine and now - answered < process.settings.lease_seconds / 2:
                self.fail(f"{process.name} was told to end, and keeps the lease {'/'.join(where)}")

    def _renews(self, process: OperatorProcess, heard: Heard) -> None:
        body, now = heard.document, asyncio.get_running_loop().time()
        which = (process.name, body["metadata"]["namespace"], body["metadata"]["name"])
        if which[2] == LEASE:
            holder = body["spec"]["holderIdentity"]
            before, since, last = self.served.get(which[1], ("", now, now))
            unbroken = holder == before and now - last <= process.settings.lease_seconds
            self.served[which[1]] = holder, since if unbroken else now, now
        if body["spec"]["holderIdentity"] == process.identity:
            self._renewed[which] = now
            if _is_told(heard):
                answered = self._renewed[which] + heard.fate.seconds_after
                self._has[process.name, process.life, *which[1:]] = answered
        else:
            self._renewed.pop(which, None)

    def _writes_over_the_newest(self, process: OperatorProcess, heard: Heard) -> None:
        """Who has written a job, or was told of a conflict, has a newer version by the next time."""
        assert heard.request.body is not None
        metadata = heard.request.body["metadata"]
        uid, version = metadata.get("uid", ""), int(metadata.get("resourceVersion") or 0)
        what = (process.name, heard.request.namespace, heard.request.name)
        known = self._left_behind.get(what, ("", -1))
        if uid == known[0] and version <= known[1]:
            self.fail(f"{process.name} writes {heard.request.name} over a version that it knows is old")
        if _is_told(heard) and heard.code in (200, 409):
            self._left_behind[what] = uid, version

    def _creates(self, process: OperatorProcess, heard: Heard) -> None:
        """Fault 42: what is forbidden is not asked for again at once."""
        which, now = (process.name, process.life, _about(heard.request)), asyncio.get_running_loop().time()
        seconds = now - self._refused.pop(which, float("-inf"))
        if seconds < REFUSAL_SECONDS - 2 * self.seconds_off(process):
            self.fail(f"{process.name} asks again {seconds:.0f} s after it was forbidden: {which[2]}")
        if heard.fate.error == 403:
            self._refused[which] = now

    def _looks_up(self, process: OperatorProcess, heard: Heard) -> None:
        found = heard.document["metadata"]["uid"] if heard.code == 200 and not heard.fate.stale else ""
        self._looked[process.name, heard.request.path].append((asyncio.get_running_loop().time(), found))

    def was_told_stale(self, process: OperatorProcess, request: Request) -> bool:
        """Whether the pod was not there when it was last looked for: an API server is not behind twice in a row."""
        looks = self._looked[process.name, request.path]
        return bool(looks) and not looks[-1][1]

    def _misses(self, process: OperatorProcess, heard: Heard) -> None:
        """Rule 3: a pod is missing by two look-ups some time apart, and was not seen in between."""
        job, now = read_job(heard.document), asyncio.get_running_loop().time()
        for attempt in job.status.attempts:
            if attempt.reason != "PodMissing" or (job.uid, attempt.number) in self._missing:
                continue
            self._missing.add((job.uid, attempt.number))
            path = f"/api/v1/namespaces/{job.namespace}/pods/{attempt.pod_name}"
            sent = now - heard.fate.seconds_before
            if process.told_of_ends.get(attempt.pod_uid or "", sent) < sent:
                self.fail(f"{process.name} misses {attempt.pod_name}, of whose end it was told")
            seconds = 0.0
            for moment, found in reversed(self._looked[process.name, path]):
                if found == attempt.pod_uid:
                    break
                seconds = now - moment
            if seconds < MISSING_SECONDS - 2 * self.seconds_off(process):
                self.fail(f"{process.name} misses {attempt.pod_name} {seconds:.0f} s after the first look-up")

    def _tells_what_is_true(self, process: OperatorProcess, heard: Heard) -> None:
        """Rule 13: of an end only what was written."""
        assert heard.request.body is not None
        reason, about = heard.request.body["reason"], heard.request.body["involvedObject"]
        job = self.jobs.get(about["uid"])
        if reason in ENDS and job is not None and not is_over(job.status):
            self.fail(f"{process.name} says {reason} of {job.name}, which is not over")


def _about(request: Request) -> str:
    """The path, and what is created there."""
    body = (request.body or {}) if request.method == "POST" else {}
    created = body.get("involvedObject") or body.get("metadata") or {}
    return f"{request.path} {created.get('name', '')}".rstrip()


def _is_told(heard: Heard) -> bool:
    """Whether the operator hears the truth."""
    fate = heard.fate
    return (fate.stored and fate.error is None and not fate.kill) or fate.stale
