"""A program that is installed without its libraries says which of the package's extras brings them."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from spectrogram_worker.contract.exit_codes import ExitCode

_OURS = ("spectrogram_operator", "spectrogram_worker")


def load(module: str, *, program: str, extra: str) -> Callable[[], Any]:
    """The function `main` of a module of ours; exits with 78 where a library of others is missing."""
    try:
        main: Callable[[], Any] = import_module(module).main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OURS:
            raise
        print(f"{program}: {what_is_missing(error.name, extra)}", file=sys.stderr)
        sys.exit(ExitCode.WORKER_CONFIG_ERROR)
    return main


def what_is_missing(library: str, extra: str) -> str:
    """The library, and the extra to install it with."""
    return f"{library} is not installed: install spectrogram-operator with its extra, as in pip install '.[{extra}]'"
