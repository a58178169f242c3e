"""What a shell offers to complete: names of jobs, namespaces and contexts; and all of it for `kubectl spectrogram`.

Whatever goes wrong, nothing is offered: a person who presses a key wants no message.
"""

import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

import typer

Candidates = list[tuple[str, str]]
"""Words, each with what is said of it."""

PLUGIN = "kubectl_complete-spectrogram"
_SECONDS = 3.0
_FILES, _NO_FILES = ":0", ":4"
"""What kubectl is to offer beside the words: ShellCompDirectiveDefault and -NoFileComp of the library cobra."""
_TAKE_FILES = {"run", "estimate", "submit", "--kubeconfig", "--settings", "--save", "--template"}
HOW = f"""kubectl completes `kubectl spectrogram` itself, where its own completion is set up (kubectl completion --help)
and {PLUGIN} is on the PATH; it was installed with this program."""


def job_names(context: typer.Context, incomplete: str) -> Candidates:
    """The jobs of the namespace that is meant so far, with their phases; without those that are named already."""
    from spectrogram_operator.cli.cluster.access import Target, connect

    found: Candidates = []
    with suppress(Exception), _quiet():
        options = context.params
        target = Target(
            kubeconfig=options.get("kubeconfig"), context=options.get("context"), namespace=options.get("namespace")
        )
        connection = connect(target, patience=_SECONDS)
        named = options.get("names") or ()
        for body in connection.jobs.list(connection.namespace):
            name = str(body["metadata"]["name"])
            if name.startswith(incomplete) and name not in named:
                found.append((name, str((body.get("status") or {}).get("phase") or "")))
    return sorted(found)


def namespaces(context: typer.Context, incomplete: str) -> Candidates:
    """The namespaces of the cluster, where one may see them."""
    from spectrogram_operator.cli.cluster.access import Target, connect

    found: Candidates = []
    with suppress(Exception), _quiet():
        target = Target(kubeconfig=context.params.get("kubeconfig"), context=context.params.get("context"))
        names = connect(target, patience=_SECONDS).jobs.namespaces()
        found = [(name, "") for name in sorted(names) if name.startswith(incomplete)]
    return found


def contexts(context: typer.Context, incomplete: str) -> Candidates:
    """The contexts of the kubeconfig."""
    from spectrogram_operator.cli.cluster.access import known_contexts

    found: Candidates = []
    with suppress(Exception):
        names = known_contexts(context.params.get("kubeconfig"))
        found = [(name, "") for name in sorted(names) if name.startswith(incomplete)]
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """No warning of a library comes between the words."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def main() -> None:
    """The entry point of kubectl_complete-spectrogram: kubectl calls it with the words after `kubectl spectrogram`, the
    last of which is to be completed, and reads a word a line and a directive.
    """
    *words, incomplete = sys.argv[1:] or [""]
    lines = offered(words, incomplete)
    wants_files = not lines and not _TAKE_FILES.isdisjoint((*words[:1], *words[-1:]))
    print("\n".join([*lines, _FILES if wants_files else _NO_FILES]))


def offered(words: list[str], incomplete: str) -> list[str]:
    """Word, tab and what is said of it, as for the shell fish, whose form kubectl's is."""
    typed = shlex.join(["spectrogram", *words]) + " " + (shlex.quote(incomplete) if incomplete else "")
    asked = {
        "_SPECTROGRAM_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": typed,
    }
    os.environ.update(asked)
    printed = io.StringIO()
    with suppress(Exception, SystemExit), redirect_stdout(printed):
        from spectrogram_operator.cli.main import app

        app(prog_name="spectrogram")
    return [line for line in printed.getvalue().splitlines() if line.strip()]
