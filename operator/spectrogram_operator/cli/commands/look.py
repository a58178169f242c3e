"""`list` and `status`: a look at the cluster, and its text."""

import sys
from datetime import UTC, datetime

from spectrogram_operator.api.job import read_job
from spectrogram_operator.cli.cluster.access import Target, connect
from spectrogram_operator.cli.cluster.words import no_such_jobs, refusals_in_words, require_namespace
from spectrogram_operator.cli.commands.explain import explanation
from spectrogram_operator.cli.commands.listing import listing, without_bookkeeping
from spectrogram_operator.cli.formats import Format, ProgramFormat
from spectrogram_operator.cli.texts import document


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
    print("\n".join(explanation(read_job(body), datetime.now(UTC))))
