"""`list` and `status`: a look at the cluster, and its text."""

import sys
from datetime import UTC, datetime

from spectrogram_operator.api.job import Job, read_job
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.jobs import Jobs
from spectrogram_operator.cli.cluster.words import no_such_jobs, refusals_in_words, require_namespace
from spectrogram_operator.cli.commands.explain import explanation, why_it_waits
from spectrogram_operator.cli.commands.listing import listing, without_bookkeeping
from spectrogram_operator.cli.printing.formats import Format, ProgramFormat
from spectrogram_operator.cli.printing.texts import document
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.status import active_attempt


def print_list(target: Target, selector: str | None, output: Format | None) -> None:
    """Print the jobs of the target. That there are none is said on stderr."""
    connection = connect(target)
    namespace = None if target.all_namespaces else connection.namespace
    with refusals_in_words(connection.jobs.server, namespace):
        bodies = connection.jobs.list(namespace, selector)
        if not bodies:
            require_namespace(connection.jobs, namespace)
    if not bodies and output not in (Format.JSON, Format.YAML):
        print("no jobs" + (f" in the namespace {namespace}" if namespace else ""), file=sys.stderr)
        return
    print(listing(bodies, output, datetime.now(UTC), with_namespace=target.all_namespaces))


def print_status(target: Target, name: str, output: ProgramFormat | None = None) -> None:
    """Print all that a person may want to know about one job; with `output` the job as it is, for programs."""
    connection = connect(target)
    with refusals_in_words(connection.jobs.server, connection.namespace):
        body = connection.jobs.read(connection.namespace, name)
        if body is None:
            raise no_such_jobs(connection.jobs, connection.namespace, [name])
    if output is not None:
        print(document(without_bookkeeping(body), output))
        return
    job = read_job(body)
    print("\n".join(explanation(job, datetime.now(UTC), gate=_words_of_kueue(connection.jobs, job))))


def _words_of_kueue(jobs: Jobs, job: Job) -> str:
    """Why Kueue has not admitted the job's pod; empty where it holds none, or where the person may not look there."""
    attempt = active_attempt(job.status)
    if job.status.reason != "SchedulingGated" or attempt is None or attempt.pod_uid is None:
        return ""
    try:
        return why_it_waits(jobs.workloads(job.namespace, attempt.pod_uid))
    except ClusterError:
        return ""
