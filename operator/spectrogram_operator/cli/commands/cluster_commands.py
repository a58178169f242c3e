"""The commands that ask a cluster. Each one imports what it needs when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from spectrogram_operator.cli.completion import job_names
from spectrogram_operator.cli.options import (
    Context,
    Everywhere,
    ForPrograms,
    Job,
    Kubeconfig,
    Names,
    Namespace,
    OnlyName,
    Selector,
    SettingsFile,
)
from spectrogram_operator.cli.printing.formats import Format, NameFormat

commands = typer.Typer()
cleanup = typer.Typer(no_args_is_help=True)
commands.add_typer(cleanup, name="cleanup", help="Put right what is left where no operator runs.")


@commands.command("list")
def list_jobs(
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    selector: Selector = None,
    output: Annotated[
        Format | None, typer.Option("--output", "-o", help="More columns, or for programs.", show_default=False)
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List jobs: what runs, what waits, what has ended."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.look import print_list

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace, all_namespaces=all_namespaces)
    print_list(target, selector, output)


@commands.command()
def status(
    name: Job,
    namespace: Namespace = None,
    output: ForPrograms = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Explain a job: what it waits for, how far it is, what went wrong and what to do, where the results are."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.look import print_status

    print_status(Target(kubeconfig=kubeconfig, context=context, namespace=namespace), name, output)


@commands.command()
def submit(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Jobs as YAML, one in each document; - is standard input. With --input, --mount or --template:"
            " recordings, a job for each.",
            metavar="FILE|-...",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", help="Where the recording is.", metavar="CLAIM/PATH|URL", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--output", help="Where the results go.", metavar="CLAIM[/PATH]", show_default=False),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(help="What all jobs have in common, as YAML.", metavar="FILE", show_default=False),
    ] = None,
    mount: Annotated[
        str | None,
        typer.Option(
            help="The folder of this machine that is the recordings' claim.", metavar="CLAIM=DIR", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The job's name; of several, its beginning.", metavar="NAME", show_default=False),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A field, as in spec.transform.fftSize=4096.", metavar="FIELD=VALUE", show_default=False
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", help="A label, for --selector.", metavar="KEY=VALUE", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the jobs as YAML, and submit none.")] = False,
    namespace: Namespace = None,
    name_only: Annotated[
        NameFormat | None, typer.Option("-o", help="name: print nothing but names.", show_default=False)
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Submit jobs: those of files, one of flags, or one for each of several recordings.

    Mistakes are found before any of them is submitted.

    \b
    spectrogram submit job.yaml
    spectrogram submit --input recordings/2026/fm.drf --output results
    spectrogram submit /mnt/recordings/*.wav --mount recordings=/mnt/recordings
        --template job.yaml --label campaign=november
    spectrogram wait --selector campaign=november
    """
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.submit import submit
    from spectrogram_operator.cli.reading.job_flags import Flags

    flags = Flags(source=source, target=target, name=name, fields=fields or (), labels=labels or (), mount=mount)
    place = Target(kubeconfig=kubeconfig, context=context, namespace=namespace)
    submit(place, files or (), template, flags, name_only=name_only is not None, dry_run=dry_run)


@commands.command()
def cancel(names: Names, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """End jobs for good. Their record is kept, and so is what is complete."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.changes import cancel

    cancel(Target(kubeconfig=kubeconfig, context=context, namespace=namespace), names)


@commands.command()
def retry(
    name: Job,
    memory: Annotated[
        str | None, typer.Option(help="With this much memory, as in 2Gi.", metavar="QUANTITY", show_default=False)
    ] = None,
    namespace: Namespace = None,
    output: OnlyName = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Run a job that is over again, as NAME-r1. Its results go beside the old ones."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.changes import retry

    retry(
        Target(kubeconfig=kubeconfig, context=context, namespace=namespace), name, memory, name_only=output is not None
    )


@commands.command()
def wait(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="The jobs.", metavar="NAME...", show_default=False, autocompletion=job_names),
    ] = None,
    namespace: Namespace = None,
    selector: Selector = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Wait for the end of jobs, and show how far they are.

    Looks every JOB_POLL_INTERVAL seconds (5), and gives up after JOB_MAX_POLL_ATTEMPTS looks (120).

    \b
    Exit codes:
       0  all of them have succeeded
       1  one has failed, was cancelled or deleted
     124  gave up: one is not over yet
    """
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.wait import wait

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace)
    raise typer.Exit(wait(target, names or [], selector))


@commands.command()
def logs(
    name: Job,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the worker ends.")] = False,
    attempt: Annotated[
        int | None, typer.Option(help="Of this attempt. Default: the last.", metavar="NUMBER", show_default=False)
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="As the worker writes it: a line of JSON for each entry.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what a job's worker has written, as long as its pod is kept."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.logs import show_log

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace)
    show_log(target, name, attempt, follow=follow, raw=raw)


@commands.command()
def view(
    name: Job,
    save: Annotated[
        Path | None,
        typer.Option(help="Save all results in this folder, and show nothing.", metavar="DIR", show_default=False),
    ] = None,
    settings: SettingsFile = None,
    image: Annotated[
        str | None,
        typer.Option(help="The workers' image. Default: what the chart says.", metavar="IMAGE", show_default=False),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show a job's picture: in a terminal that can, else on the desktop, else say where it is.

    From a claim it is fetched by a pod that only reads and lives for a moment, for which one needs the role edit;
    from a bucket that --settings names, with your own keys, which are found where AWS's programs look.
    """
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.view.view import view

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace)
    view(target, name, save=save, settings_file=settings, image=image)


@commands.command()
def workers(
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    output: ForPrograms = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what runs where: each worker's node, progress and memory, as the operator last heard of it."""
    from spectrogram_operator.cli.cluster.access import Target
    from spectrogram_operator.cli.commands.workers import print_workers

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace, all_namespaces=all_namespaces)
    print_workers(target, watch=watch, output=output)


@cleanup.command()
def zombies(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    min_age_minutes: Annotated[
        float, typer.Option(help="Only attempts that are at least so old.", metavar="MINUTES", min=0)
    ] = 0,
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Find jobs whose worker was killed for its memory or is gone, and say so in their status.

    As the operator does, by the same rules; it works while no operator runs. It needs the role admin, and goes by the
    settings of this environment, as the operator does by those of its own.
    """
    from spectrogram_operator.cli.cleanup.zombies import clean_up_zombies
    from spectrogram_operator.cli.cluster.access import Target

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace, all_namespaces=all_namespaces)
    clean_up_zombies(target, dry_run=dry_run, minimum_minutes=min_age_minutes)


@cleanup.command()
def stale(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    timeout_hours: Annotated[
        float | None,
        typer.Option(
            help="Without advance for so long. Default: JOB_STALE_TIMEOUT, 1.",
            metavar="HOURS",
            min=0,
            show_default=False,
        ),
    ] = None,
    namespace: Namespace = None,
    all_namespaces: Everywhere = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Find jobs whose worker answers and does not advance, say so in their status, and end their pods.

    As the operator does, by the same rules; it works while no operator runs. It needs the role admin, for it asks the
    workers through the API server.
    """
    from spectrogram_operator.cli.cleanup.stale import clean_up_stale
    from spectrogram_operator.cli.cluster.access import Target

    target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace, all_namespaces=all_namespaces)
    clean_up_stale(target, dry_run=dry_run, timeout_hours=timeout_hours)
