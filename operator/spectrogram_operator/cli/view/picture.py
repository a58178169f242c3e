"""Shows a picture: in a terminal that can, else by the desktop, else not."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from spectrogram_operator.cli.errors import CommandError
from spectrogram_worker.contract import ExitCode

MOST_PIXELS = 20_000_000
"""More than a job may ask for: a small file can say that it is enormous."""


def in_terminal(picture: Path, screen: Console) -> bool:
    """Show it in the terminal, where that knows kitty's protocol or Sixel; returns whether it does."""
    if not screen.is_terminal:
        return False
    # It asks the terminal what it can when it is imported.
    from textual_image.renderable import Image as Renderable
    from textual_image.renderable import SixelImage, TGPImage

    if Renderable not in (SixelImage, TGPImage):
        return False
    screen.print(Renderable(opened(picture)))
    return True


def opened(picture: Path) -> Any:
    """The picture, for drawing. Raises CommandError (65) for what is none, or is larger than a job can ask for."""
    try:
        image = Image.open(picture, formats=["PNG"])
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width} × {image.height} pixels")
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CommandError(f"{picture.name} is no picture: {error}", exit_code=ExitCode.INPUT_INVALID) from None
    return image


def on_desktop(picture: Path, environ: Mapping[str, str]) -> bool:
    """Have the desktop open it; returns whether there is one."""
    command = "open" if sys.platform == "darwin" else "xdg-open"
    has_desktop = sys.platform == "darwin" or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if not has_desktop or not (found := shutil.which(command, path=environ.get("PATH"))):
        return False
    quiet = subprocess.DEVNULL
    # Some of them stay until the picture is closed.
    beside = ("sh", "-c", '"$0" "$1" &', found, str(picture))
    subprocess.run(beside, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, check=False)
    return True
