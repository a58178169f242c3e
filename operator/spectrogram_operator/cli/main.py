"""The commands. Each one imports what it needs when it is called, so that `--help` answers at once."""

import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

import typer

from spectrogram_operator.cli.commands.cluster_commands import commands
from spectrogram_operator.cli.completion import HOW
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.options import ForPrograms, Mounts, SettingsFile

_IS_PLUGIN = Path(sys.argv[0]).name.startswith("kubectl-")
app = typer.Typer(
    help="Spectrograms of radio recordings of any length.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    # What it prints as a plugin would take the place of kubectl's own completion.
    add_completion=not _IS_PLUGIN,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The SpectrogramJob, as YAML.", metavar="FILE", show_default=False)],
    mount: Mounts = None,
    settings: SettingsFile = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="After a failure, show the end of the worker's log.")
    ] = False,
) -> None:
    """Run a job on this machine, without a cluster.

    The same file, planner and worker as in a cluster: limits, retries and results are what a cluster would give.
    Settings are read from the environment, as the operator reads them. What opens an S3 store is found
    where other programs find it: AWS_ACCESS_KEY_ID, AWS_PROFILE, ~/.aws. Ctrl-C ends the worker in order and keeps what
    is complete; a second one ends it at once.

    \b
    Exit codes:
       0  succeeded
       1  failed without a code of the worker: OOMKilled, DeadlineExceeded
          (the hard time limit), Stale, WorkerError and the like
       2  wrong usage
      64  the job file cannot be used      74  reading or writing failed
      65  the recording cannot be used     75  a passing error, retries exhausted
      66  there is no such recording       78  wrong settings or installation
      70  a bug                            82  out of memory
      73  the output cannot be written     83  memory safeguard
      84  soft time limit; what was complete is kept
      85  interrupted                      86  no space left for the outputs
    """
    from spectrogram_operator.cli.without_cluster.run import run_job_file

    raise typer.Exit(run_job_file(file, mount or (), settings_file=settings, verbose=verbose))


@app.command()
def estimate(
    file: Annotated[
        Path,
        typer.Argument(
            help="Jobs as YAML, one in each document; - is standard input.", metavar="FILE|-", show_default=False
        ),
    ],
    mount: Mounts = None,
    settings: SettingsFile = None,
    output: ForPrograms = None,
) -> None:
    """Say what a job will need and what it may use: queue, memory, time. No cluster is asked.

    Its recording is measured, headers only, where a folder of this machine stands for its claim or store. Limits and
    pools are those of this environment's settings; your platform team's may differ.
    """
    from spectrogram_operator.cli.without_cluster.estimate import print_estimates

    print_estimates(file, mount or (), settings_file=settings, output=output)


app.add_typer(commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(importlib.metadata.version("spectrogram-operator"))
        raise typer.Exit


def _say_how_to_complete(wanted: bool) -> None:
    if wanted:
        print(HOW)
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)]
Completion = Annotated[
    bool,
    typer.Option(
        "--show-completion",
        "--install-completion",
        help="Say how the shell completes this.",
        callback=_say_how_to_complete,
        is_eager=True,
    ),
]

if _IS_PLUGIN:

    @app.callback()
    def _plugin_options(version: Version = False, completion: Completion = False) -> None:
        """Options without a command."""

else:

    @app.callback()
    def _options(version: Version = False) -> None:
        """Options without a command."""


@app.command()
def version() -> None:
    """Print the version."""
    _print_version(True)


def main() -> None:
    """The entry point of `spectrogram` and of `kubectl-spectrogram`."""
    name = "kubectl spectrogram" if _IS_PLUGIN else "spectrogram"
    try:
        app(prog_name=name)
    except CommandError as error:
        for line in error.lines:
            print(f"{name}: {line}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
