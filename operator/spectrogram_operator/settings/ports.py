"""A port that the machine does not give is a setting that cannot be used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from spectrogram_operator.settings.reading import SettingsError


@contextmanager
def listening(variable: str, port: int) -> Iterator[None]:
    """Around what begins to listen on the port of that variable. Raises SettingsError for one that is not to be had."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{variable}={port}: {os.strerror(error.errno or 0)}: choose another port") from error
