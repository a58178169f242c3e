"""What a cluster refuses, in one line that says what to do, and the exit code of sysexits.h for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from spectrogram_operator.api.names import PLURAL
from spectrogram_operator.cli.cluster.jobs import Jobs
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import clean_text

UNAVAILABLE = 69
"""EX_UNAVAILABLE: no cluster answers, or it has no SpectrogramJobs."""
NOT_ALLOWED = 77
"""EX_NOPERM."""
NOT_FOUND = ExitCode.INPUT_NOT_FOUND
CANNOT_CREATE = ExitCode.OUTPUT_NOT_WRITABLE
_MISSING_CRD = "this cluster has no SpectrogramJobs: its platform team installs them with the chart, helm install"


@contextmanager
def refusals_in_words(server: str, namespace: str | None) -> Iterator[None]:
    """Turn what the cluster refuses into a CommandError. `namespace` is the one that is meant, None: all."""
    try:
        yield
    except ClusterError as error:
        line, code = in_words(error, server, namespace)
        raise CommandError(clean_text(line), exit_code=code) from None


def in_words(error: ClusterError, server: str, namespace: str | None) -> tuple[str, int]:
    """One line and an exit code."""
    match error.code:
        case 0:
            advice = "is it up, and the right one? --context and --kubeconfig choose another"
            return f"no answer from the cluster at {server}: {error.message}; {advice}", UNAVAILABLE
        case 401:
            return f"the cluster at {server} does not know who you are: log in again", NOT_ALLOWED
        case 403 if error.reason == "NamespaceTerminating":
            return f"the namespace {namespace} is being deleted", CANNOT_CREATE
        case 403 if "cannot" in error.message:
            roles = "ask for the role view, edit or admin" + (f" in the namespace {namespace}" if namespace else "")
            hint = f"{roles}, or name another with --namespace" if namespace is None else roles
            return f"you may not: {error.message}; {hint}", NOT_ALLOWED
        case 403:
            return f"the cluster refuses it: {error.message}", NOT_ALLOWED
        case 404 if error.kind == "namespaces":
            return _missing_namespace(namespace or ""), NOT_FOUND
        case 404 if not error.reason or error.kind != PLURAL:
            return _MISSING_CRD, UNAVAILABLE
        case 409 if error.reason == "AlreadyExists":
            return f"{error.message}: choose another name, or write metadata.generateName", CANNOT_CREATE
        case 422:
            return error.message, ExitCode.INVALID_SPEC
        case 400:
            return f"the cluster does not understand what it is asked: {error.message}", WRONG_USAGE
        case 409 | 429 | 500 | 502 | 503 | 504:
            return f"the cluster could not do it just now, try again: {error.message}", ExitCode.TRANSIENT_ERROR
    return f"the cluster at {server} answers {error.code}: {error.message}", UNAVAILABLE


def _missing_namespace(namespace: str) -> str:
    """What is said of a namespace that does not exist."""
    return f"there is no namespace {namespace}: `kubectl get namespaces` lists those that there are"


def require_namespace(jobs: Jobs, namespace: str | None) -> None:
    """Raise CommandError where there is no such namespace: a list of what is in it is empty, and says nothing."""
    if namespace is not None and jobs.has_namespace(namespace) is False:
        raise CommandError(_missing_namespace(namespace), exit_code=NOT_FOUND)


def no_such_jobs(jobs: Jobs, namespace: str, names: Sequence[str]) -> CommandError:
    """Why there are no jobs of these names: because there is no such namespace, or just so."""
    require_namespace(jobs, namespace)
    lines = (f"there is no job {clean_text(name, 253)} in the namespace {namespace}" for name in names)
    return CommandError(*lines, exit_code=NOT_FOUND)
