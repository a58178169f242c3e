"""The options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from spectrogram_operator.cli.completion import contexts, job_names, namespaces
from spectrogram_operator.cli.printing.formats import NameFormat, ProgramFormat

Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="The namespace. Default: the context's.",
        metavar="NAME",
        show_default=False,
        autocompletion=namespaces,
    ),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="Default: $KUBECONFIG, else ~/.kube/config.", metavar="FILE", show_default=False),
]
Context = Annotated[
    str | None,
    typer.Option(
        help="The context of the kubeconfig. Default: the current one.",
        metavar="NAME",
        show_default=False,
        autocompletion=contexts,
    ),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="The jobs of all namespaces.")]
Selector = Annotated[
    str | None,
    typer.Option(
        "--selector", "-l", help="Only jobs with these labels, as in team=radio.", metavar="LABELS", show_default=False
    ),
]
Names = Annotated[
    list[str], typer.Argument(help="The jobs.", metavar="NAME...", show_default=False, autocompletion=job_names)
]
Job = Annotated[str, typer.Argument(help="The job.", metavar="NAME", show_default=False, autocompletion=job_names)]
OnlyName = Annotated[
    NameFormat | None,
    typer.Option("--output", "-o", help="name: print nothing but the name.", show_default=False),
]
ForPrograms = Annotated[ProgramFormat | None, typer.Option("--output", "-o", help="For programs.", show_default=False)]
Mounts = Annotated[
    list[str] | None,
    typer.Option(
        "--mount",
        help="The folder that stands for a claim or store, may be repeated. Default: a folder NAME beside FILE.",
        metavar="NAME=DIR",
        show_default=False,
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        help="YAML with stores and allowedUrlHosts, as in the chart's values: S3 stores, hosts of web addresses.",
        metavar="FILE",
        show_default=False,
    ),
]
