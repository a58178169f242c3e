"""`wait`: looks at jobs until all of them are over, or until it has looked often enough."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.api.status import Phase
from spectrogram_operator.cli.cluster.access import Connection, Target, connect
from spectrogram_operator.cli.cluster.words import NOT_FOUND, no_such_jobs, refusals_in_words
from spectrogram_operator.cli.commands.explain import memory_warning, next_step
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.cli.printing.display import Display, open_displays, print_line
from spectrogram_operator.cli.printing.endings import ending, plain
from spectrogram_operator.cli.printing.units import duration, plural
from spectrogram_operator.cli.reading.settings_file import settings_of
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.status import is_over
from spectrogram_worker.contract.report import clean_text

FAILED, GAVE_UP = 1, 124
_INTERRUPTED = 130
Look = Callable[[], Mapping[str, Job | None]]
"""How the jobs are now, by name; None: it was deleted."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long is waited, and after what time a worker that does not advance is spoken of."""

    polls: int
    seconds: float
    stale_seconds: float


@dataclass
class Course:
    """What was seen last of each job, and which notes were shown."""

    jobs: dict[str, Job | None] = field(default_factory=dict)
    noted: set[tuple[str, str]] = field(default_factory=set)

    def is_over(self) -> bool:
        return all(job is None or is_over(job.status) for job in self.jobs.values())


def wait(
    target: Target,
    names: Sequence[str],
    selector: str | None,
    *,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Wait for these jobs or for those that the selector chooses; returns the exit code."""
    if bool(names) == (selector is not None):
        raise CommandError("write the names of jobs, or --selector LABELS", exit_code=WRONG_USAGE)
    settings = settings_of(environ)
    policy = settings.policy
    patience = Patience(
        polls=settings.max_poll_attempts, seconds=policy.poll_seconds, stale_seconds=policy.stale_seconds
    )
    connection = connect(target)
    screen = Console(stderr=True)
    with refusals_in_words(connection.jobs.server, connection.namespace):
        look = _look_at(connection, list(dict.fromkeys(names)), selector)
        first = look()
        if missing := [name for name, job in first.items() if job is None]:
            raise no_such_jobs(connection.jobs, connection.namespace, missing)
        try:
            with ExitStack() as stack:
                displays = open_displays(screen, list(first))
                for display in displays.values():
                    stack.enter_context(display)
                course = follow(first, look, displays, patience, sleep)
        except KeyboardInterrupt:
            print_line(screen, "no longer waiting: the jobs go on")
            return _INTERRUPTED
    for text, good in verdicts(course.jobs, patience, datetime.now(UTC)):
        print_line(Console() if good else screen, text, "" if good else "bold red")
    return result(course.jobs)


def _look_at(connection: Connection, names: Sequence[str], selector: str | None) -> Look:
    jobs, namespace = connection.jobs, connection.namespace
    if selector is None:
        return lambda: {name: read_job(body) if (body := jobs.read(namespace, name)) else None for name in names}
    chosen = [str(body["metadata"]["name"]) for body in jobs.list(namespace, selector)]
    if not chosen:
        raise CommandError(f"no job in the namespace {namespace} has the labels {selector}", exit_code=NOT_FOUND)

    def look() -> Mapping[str, Job | None]:
        found = {body["metadata"]["name"]: read_job(body) for body in jobs.list(namespace, selector)}
        return {name: found.get(name) for name in chosen}

    return look


def follow(
    first: Mapping[str, Job | None],
    look: Look,
    displays: Mapping[str, Display],
    patience: Patience,
    sleep: Callable[[float], None],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Course:
    """Look until all are over, `patience.polls` times at most; `first` is the first look.

    A cluster that does not answer says nothing about the jobs: that is one look of many.
    """
    course = Course(dict(first))
    for poll in range(patience.polls):
        if poll:
            sleep(patience.seconds)
            try:
                course.jobs.update(look())
            except ClusterError as error:
                if error.code not in (0, 429) and error.code < 500:
                    raise
                _note(course, displays, next(iter(displays)), "away", f"the cluster does not answer: {error.message}")
                continue
        for name, job in course.jobs.items():
            if job is not None:
                displays[name].update(job.status)
                for kind, text in notes(job, clock(), patience.stale_seconds).items():
                    _note(course, displays, name, kind, text)
        if course.is_over():
            break
    return course


def _note(course: Course, displays: Mapping[str, Display], name: str, kind: str, text: str) -> None:
    if (name, kind) not in course.noted:
        course.noted.add((name, kind))
        displays[name].note(clean_text(text))


def notes(job: Job, now: datetime, stale_seconds: float) -> dict[str, str]:
    """What a person who waits should hear once, by its kind."""
    found, status = {}, job.status
    if warning := memory_warning(status):
        found["memory"] = f"warning: memory: {warning}"
    advanced = status.last_advance_time
    if status.phase is Phase.RUNNING and advanced is not None and (now - advanced).total_seconds() > stale_seconds:
        silence = duration((now - advanced).total_seconds())
        found["stale"] = f"warning: it has not advanced for {silence}: `spectrogram cancel {job.name}` would end it"
    if status.phase is None and (hint := next_step(job, now)).startswith("ask"):
        found["unwatched"] = hint
    return found


def verdicts(jobs: Mapping[str, Job | None], patience: Patience, now: datetime) -> list[tuple[str, bool]]:
    """A line for each job, and whether it is good; of several also how many ended how."""
    lines = [_verdict(name, job, patience, now) for name, job in jobs.items()]
    if len(lines) > 1:
        good = sum(is_good for _, is_good in lines)
        open_ = sum(job is not None and not is_over(job.status) for job in jobs.values())
        counts = [(good, "succeeded"), (len(lines) - good - open_, "failed"), (open_, "not over yet")]
        summary = ", ".join(f"{count} {word}" for count, word in counts if count)
        lines.append((f"of {plural(len(lines), 'job')}: {summary}", good == len(jobs)))
    return lines


def _verdict(name: str, job: Job | None, patience: Patience, now: datetime) -> tuple[str, bool]:
    if job is None:
        return f"{name} was deleted", False
    status = job.status
    if status.phase is Phase.SUCCEEDED:
        return f"{name} succeeded: {plain(clean_text(status.message or ''))}", True
    if is_over(status):
        return clean_text(ending(name, status, next_step(job, now))), False
    after = f"after {plural(patience.polls, 'look')}, one every {duration(patience.seconds)}"
    state = f"{status.phase}: {status.message}" if status.phase else "not looked at by any operator"
    advice = f"`spectrogram status {name}` says more, JOB_MAX_POLL_ATTEMPTS allows more looks"
    return clean_text(f"{name} is not over {after}; it is {state}; {advice}"), False


def result(jobs: Mapping[str, Job | None]) -> int:
    """The exit code. A failure that is known goes before an end that is not."""
    ends = [job is None or is_over(job.status) for job in jobs.values()]
    good = [job is not None and job.status.phase is Phase.SUCCEEDED for job in jobs.values()]
    if any(end and not fine for end, fine in zip(ends, good, strict=True)):
        return FAILED
    return 0 if all(ends) else GAVE_UP
