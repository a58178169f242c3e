"""Jobs, statuses, pods and times that could be, and some that should not: for the properties that every plan keeps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from pods.jobs import JOB_UID, job, stored
from pods.reports import report
from pods.shapes import POD_UID
from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.reasons import BY_OPERATOR
from spectrogram_operator.api.status import (
    Attempt,
    AttemptState,
    Condition,
    ConditionType,
    Phase,
    Retries,
    RetryClass,
    SpectrogramJobStatus,
)
from spectrogram_operator.core.building.podspec import pod_name
from spectrogram_operator.core.judging.pod import Pod, read_pod
from spectrogram_operator.core.judging.refusals import Refusal
from spectrogram_operator.core.planning.observed import Observed
from spectrogram_operator.core.planning.queues import Turn
from spectrogram_operator.core.policy import GIBIBYTE, Policy, Store
from spectrogram_worker.contract import Report, last_words
from spectrogram_worker.contract.base import Model
from spectrogram_worker.contract.document import Bucket
from spectrogram_worker.contract.report import Dataset, Memory, OutputFile, Progress
from unit.operator.core.fixtures import NAMES, body
from unit.operator.core.play import START

Built = TypeVar("Built", bound=Model)


def built(model: type[Built], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Built]:
    """Models of these fields. (`st.builds` does not know of aliases.)"""
    return st.fixed_dictionaries(fields).map(model.model_validate)


times = st.builds(lambda seconds: START + timedelta(seconds=seconds), st.floats(-4000, 100_000))
optional_times = st.none() | times
STORES = {
    "shelf": Store(claim_name="results"),
    "archive": Store(
        bucket=Bucket(store="archive", bucket="recordings", endpoint="https://s3.example.org", prefix="p" * 512),
        credentials_secret="archive-keys",
    ),
    "cloud": Store(bucket=Bucket(store="cloud", bucket="radio", region="eu-1"), service_account="cloud-reader"),
}
HOSTS = tuple(f"{number:02}.{'h' * 60}.{'o' * 60}.{'s' * 60}.{'t' * 60}.org" for number in range(63))
"""As many and as long as the settings take; with one that answers."""
ALLOWED_HOSTS = ("*.example.org", *HOSTS)
claims = st.sampled_from(["recordings", "results", "a.b-c"])
paths = st.text(min_size=1, max_size=256).filter(lambda path: path[0] != "/" and ".." not in path and "\0" not in path)
output_paths = paths.filter(lambda path: path.strip("./") != "")
sizes = st.sampled_from(["1Mi", "500M", "501M", "1e80"])
stores = st.sampled_from(sorted(STORES))
addresses = st.sampled_from([f"https://data.example.org/{'a' * 2000}.wav", "https://data.example.org/%2e%2e?a=/b"])
memory = st.sampled_from(["64Mi", "1Gi", "3.5Gi", "5Gi", "17Gi", 2**30, "9e99", "1Ei", "auto"])
limits = st.tuples(st.integers(1, 31_535_999), st.integers(1, 31_535_999)).map(
    lambda pair: {"softSeconds": min(pair), "hardSeconds": max(pair) + 1}
)
time_limits = st.one_of(
    limits,
    limits.map(lambda both: {"softSeconds": both["softSeconds"]}),
    limits.map(lambda both: {"hardSeconds": both["hardSeconds"]}),
)


def specs() -> st.SearchStrategy[dict[str, Any]]:
    """Specs that the schema accepts."""
    return st.fixed_dictionaries(
        {
            "input": st.one_of(
                st.fixed_dictionaries({"claimName": claims, "path": paths}, optional={"size": sizes}),
                st.fixed_dictionaries({"store": stores, "path": paths}, optional={"size": sizes}),
                st.fixed_dictionaries({"url": addresses}, optional={"size": sizes}),
            ),
            "output": st.one_of(
                st.fixed_dictionaries({"claimName": claims}, optional={"path": output_paths}),
                st.fixed_dictionaries({"store": stores}, optional={"path": output_paths}),
            ),
        },
        optional={
            "resources": st.fixed_dictionaries(
                {}, optional={"memory": memory, "cpu": st.sampled_from(["50m", "2", 4, "1.5", "1e60", "300"])}
            ),
            "timeLimits": time_limits,
            "queue": st.sampled_from(["auto", "default", "large_jobs"]),
            "priority": st.integers(0, 1000),
            "queueName": st.sampled_from(["team-a", f"{'q' * 31}.{'q' * 31}"]),
            "retry": st.fixed_dictionaries(
                {}, optional={"limit": st.integers(0, 10), "zombies": st.sampled_from(["Fail", "Retry"])}
            ),
            "suspend": st.booleans(),
            "cancelled": st.booleans(),
            "ttlSecondsAfterFinished": st.sampled_from([0, 3600, 2**31 - 1]),
        },
    ).map(_with_one_order)


def _with_one_order(spec: dict[str, Any]) -> dict[str, Any]:
    """Kueue has an order of its own: it takes no priority."""
    return spec | ({"priority": 0} if "queueName" in spec else {})


reasons = st.sampled_from([*sorted(BY_OPERATOR), "Drained", "PodDeleted", "MemoryError", "OOMKilled", "", "x" * 128])
texts = st.sampled_from(["", "what happened", "ä" * 1024])


attempts = built(
    Attempt,
    number=st.just(1),
    state=st.sampled_from(AttemptState),
    pod_name=st.just(""),
    pod_uid=st.sampled_from([None, POD_UID, POD_UID, "another"]),
    node_name=st.sampled_from([None, "node-7"]),
    pool=st.sampled_from(["default", "large_jobs", "gone"]),
    memory_bytes=st.sampled_from([0, 2**26, 2**30, 2**32, 2**62]),
    reserved_time=optional_times,
    start_time=optional_times,
    finish_time=optional_times,
    reason=st.none() | reasons,
    retry_class=st.none() | st.sampled_from(RetryClass),
    exit_code=st.none() | st.integers(-1, 255),
    peak_memory_bytes=st.none() | st.integers(0, 2**62),
    columns_done=st.none() | st.integers(0, 2**62),
    kernel=st.sampled_from([None, "compiled", "scipy.fft"]),
    creations=st.integers(0, 6),
    creation_time=optional_times,
    refusals=st.integers(0, 2000),
    message=st.none() | texts,
)


histories = st.lists(attempts, max_size=10)
some_conditions = st.lists(
    built(
        Condition,
        type=st.sampled_from(ConditionType),
        status=st.sampled_from(["True", "False", "Unknown"]),
        observed_generation=st.just(1),
        last_transition_time=times,
        reason=reasons,
        message=texts,
    ),
    unique_by=lambda condition: condition.type,
)


@st.composite
def statuses(draw: st.DrawFn) -> SpectrogramJobStatus:
    """Statuses that the schema accepts."""
    first = draw(st.integers(1, 12))
    names = [{"number": number, "pod_name": pod_name(job(), number)} for number in range(first, first + 10)]
    history = [attempt.model_copy(update=name) for attempt, name in zip(draw(histories), names, strict=False)]
    finished = [attempt.model_copy(update={"state": AttemptState.FINISHED}) for attempt in history[:-1]]
    return SpectrogramJobStatus(
        phase=draw(st.none() | st.sampled_from(Phase)),
        reason=draw(st.none() | reasons),
        message=draw(st.none() | texts),
        queue=draw(st.sampled_from([None, "default", "large_jobs", "gone"])),
        attempt=draw(st.integers(0, 30)),
        retries=Retries(
            user=draw(st.integers(0, 11)), infra=draw(st.integers(0, 2000)), reroutes=draw(st.integers(0, 2))
        ),
        start_time=draw(optional_times),
        completion_time=draw(optional_times),
        next_attempt_at=draw(optional_times),
        heartbeat_time=draw(optional_times),
        last_advance_time=draw(optional_times),
        attempts=(*finished, *history[-1:]),
        conditions=tuple(draw(some_conditions)),
    )


def jobs() -> st.SearchStrategy[Job]:
    """Jobs of any spec, valid or not, and any status."""

    def build(spec: dict[str, Any], status: SpectrogramJobStatus, generation: int, deleting: bool) -> Job:
        read = read_job(stored({"metadata": {"name": "fm-band"}, "spec": spec}, generation=generation))
        return replace(read, status=status, deleting=deleting)

    invalid: st.SearchStrategy[dict[str, Any]] = st.just({"input": {}})
    deleting = st.sampled_from([False] * 9 + [True])
    return st.builds(build, st.one_of(*[specs()] * 9, invalid), statuses(), st.integers(1, 9), deleting)


lines = st.sampled_from(["", "one line", "two\nlines", "\x1b[31mred", "\u2028", "ä" * 600])
counts = st.integers(0, 2**62)


reports = built(
    Report,
    job_uid=st.sampled_from([JOB_UID, JOB_UID, "another"]),
    attempt=st.integers(1, 12),
    progress=built(
        Progress,
        percent=st.floats(0, 100),
        stage=st.sampled_from(["", "spectrogram", "\x00"]),
        columns_done=counts,
        columns_total=counts,
        samples_per_second=st.floats(0, 1e300),
        eta_seconds=st.none() | st.floats(0, 1e300),
    ),
    memory=built(
        Memory,
        estimate_bytes=st.none() | counts,
        limit_bytes=st.none() | counts,
        current_bytes=st.none() | counts,
        peak_bytes=st.none() | counts,
        level=st.sampled_from([None, "low", "moderate", "high"]),
    ),
    dataset=built(
        Dataset, bytes=st.none() | counts, start_time=st.none() | st.datetimes(min_value=datetime(1970, 1, 2))
    ),
    outputs=st.lists(
        built(
            OutputFile,
            path=lines,
            media_type=lines.map(lambda line: line[:100]),
            bytes=counts,
            sha256=st.just("9b" * 32),
        ),
        max_size=16,
    ).map(tuple),
    message=lines,
)


whole_messages = st.one_of(reports.map(lambda said: said.to_json()), reports.map(last_words))
messages = st.one_of(
    lines, whole_messages, st.builds(lambda text, length: text[:length], whole_messages, st.integers(0, 2000))
)


@st.composite
def pods(draw: st.DrawFn, number: int) -> Pod:
    """A pod of one of the shapes in tests/pods/, with some of it different."""
    content = body(draw(st.sampled_from(NAMES)))
    metadata = content["metadata"]
    metadata["name"] = pod_name(job(), number)
    metadata["uid"] = draw(st.sampled_from([POD_UID, POD_UID, "another"]))
    metadata["ownerReferences"][0]["uid"] = draw(st.sampled_from([JOB_UID] * 4 + ["somebody"]))
    if draw(st.booleans()):
        metadata["deletionTimestamp"] = draw(times).isoformat()
    for status in content["status"].get("containerStatuses", ()):
        ended = status["state"].get("terminated")
        if ended is not None and draw(st.booleans()):
            ended["exitCode"] = draw(st.integers(0, 255))
            ended["message"] = draw(messages)
            ended["finishedAt"] = draw(times).isoformat()
    if draw(st.booleans()):
        content["status"]["phase"] = draw(st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", ""]))
    return read_pod(content, gone=draw(st.booleans()))


answers = st.sampled_from([None, report()]) | reports
all_jobs = jobs()


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    """Everything that the planner may be given."""
    owner = draw(all_jobs)
    number = owner.status.attempts[-1].number if owner.status.attempts else 1
    seen = draw(st.none() | pods(number))
    others = draw(st.lists(pods(draw(st.integers(1, 25))), max_size=2))
    reason, final = draw(st.sampled_from([("QuotaExceeded", False), ("PodRejected", True)]))
    refusal = Refusal(reason=reason, message=draw(st.text(max_size=512)), final=final)
    turn = Turn(granted=draw(st.booleans()), why="1 ahead in default")
    return Observed(
        job=owner,
        pod=seen,
        absent_since=draw(optional_times),
        foreign=draw(st.sampled_from([False] * 9 + [True])),
        report=draw(answers),
        turn=draw(st.sampled_from([None, turn])),
        missing_claims=draw(st.sampled_from([None, (), (), ("recordings",), ("r" * 253, "s" * 253)])),
        refusal=draw(st.sampled_from([None, None, refusal])),
        created=draw(st.sampled_from(["", pod_name(owner, owner.status.attempt)])),
        pods=tuple({pod.uid: pod for pod in [*others, *([seen] if seen else [])]}.values()),
    )


policies = st.sampled_from(
    [
        Policy(),
        Policy(
            infrastructure_retries=3000, stale_seconds=60, stores=STORES, allowed_url_hosts=ALLOWED_HOSTS, kueue=True
        ),
        Policy(missing_seconds=0, pending_seconds=1, stores=STORES, allowed_url_hosts=HOSTS),
    ]
)
MOST_MEMORY = 16 * GIBIBYTE
