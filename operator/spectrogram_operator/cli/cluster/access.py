"""Which cluster and which namespace a command means: the rules are kubectl's.

--kubeconfig, else the files of $KUBECONFIG, else ~/.kube/config, else the service account of the pod that this runs in.
Of several files the first that says something wins, for the current context too, where the library takes the last.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from spectrogram_operator.cli.cluster.http_jobs import HttpJobs
from spectrogram_operator.cli.cluster.requests import REQUEST_SECONDS
from spectrogram_operator.cli.errors import WRONG_USAGE, CommandError
from spectrogram_operator.settings.kubeconfig import KUBECONFIG_ERRORS, NO_KUBECONFIG, why_unusable
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.report import clean_text

DEFAULT_NAMESPACE = "default"
_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What --kubeconfig, --context, --namespace and --all-namespaces say."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A cluster, and the namespace that is meant where a job does not say its own."""

    jobs: HttpJobs
    namespace: str
    is_namespace_given: bool


@dataclass(frozen=True)
class Chosen:
    """The context of a kubeconfig that counts, by its name, and its namespace where it has one."""

    context: str
    namespace: str | None


def connect(
    target: Target, environ: Mapping[str, str] = os.environ, *, patience: float = REQUEST_SECONDS
) -> Connection:
    """The cluster that is meant, which has `patience` seconds for each answer; nothing is asked of it yet.

    Raises CommandError where nothing says which.
    """
    files = kubeconfig_files(target.kubeconfig, environ)
    configuration = Configuration()
    configuration.retries = False  # a command that is typed says at once what is wrong; it follows no redirection
    try:
        if files:
            chosen = choose_context([_read(file) for file in files], target.context)
            paths = os.pathsep.join(map(str, files))
            load_kube_config(paths, context=chosen.context, client_configuration=configuration)
            namespace = chosen.namespace
        elif target.context is not None:
            raise CommandError(f"--context {target.context}: there is no kubeconfig", exit_code=WRONG_USAGE)
        else:
            load_incluster_config(client_configuration=configuration)
            namespace = _IN_CLUSTER_NAMESPACE.read_text().strip()
    except (ConfigException, *KUBECONFIG_ERRORS) as error:
        what = f"{os.pathsep.join(map(str, files))}: {why_unusable(error)}"
        if not files:
            what = "no cluster is named: write --kubeconfig FILE, or set KUBECONFIG, or see `kubectl config view`"
        raise CommandError(what, exit_code=ExitCode.WORKER_CONFIG_ERROR) from None
    return Connection(
        jobs=HttpJobs(ApiClient(configuration), patience),
        namespace=target.namespace or namespace or DEFAULT_NAMESPACE,
        is_namespace_given=target.namespace is not None,
    )


def known_contexts(kubeconfig: Path | None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The names of the contexts that there are. Raises CommandError for a kubeconfig that is none."""
    documents = [_read(file) for file in kubeconfig_files(kubeconfig, environ)]
    return [str(entry["name"]) for document in documents for entry in document.get("contexts") or ()]


def kubeconfig_files(given: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The files to read, in order. One that is given must exist; of the others those that do not are left out."""
    if given is not None:
        if not given.is_file():
            raise CommandError(f"--kubeconfig {given}: there is no such file", exit_code=WRONG_USAGE)
        return [given]
    listed = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [path for path in listed or [Path("~/.kube/config").expanduser()] if path.is_file()]


def choose_context(documents: Sequence[Mapping[str, Any]], given: str | None) -> Chosen:
    """The context that counts in these kubeconfigs. Raises CommandError where there is none."""
    contexts: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        for entry in document.get("contexts") or ():
            contexts.setdefault(str(entry.get("name")), entry.get("context") or {})
    current = next((str(one["current-context"]) for one in documents if one.get("current-context")), None)
    name = given or current
    if name is None:
        message = "the kubeconfig has no current context: write --context NAME, or `kubectl config use-context NAME`"
        raise CommandError(message, exit_code=ExitCode.WORKER_CONFIG_ERROR)
    if name not in contexts:
        known = f"known are {', '.join(sorted(contexts))}" if contexts else "it has none"
        raise CommandError(
            clean_text(f"there is no context {name} in the kubeconfig: {known}"),
            exit_code=WRONG_USAGE if given else ExitCode.WORKER_CONFIG_ERROR,
        )
    return Chosen(name, contexts[name].get("namespace"))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", exit_code=ExitCode.WORKER_CONFIG_ERROR) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise CommandError(f"{file}: {NO_KUBECONFIG}", exit_code=ExitCode.WORKER_CONFIG_ERROR)
    return content
