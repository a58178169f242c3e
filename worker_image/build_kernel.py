"""Builds the transform's compiled kernel when the package is installed: a build hook of Hatchling.

With no C compiler the package installs without it and transforms some times slower. CC and CFLAGS are honoured.
"""

import os
import runpy
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("worker_image/spectrogram_worker/spectrum/kernel")


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds kernel.so to a wheel, or, for an editable installation, to the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by Hatchling before it builds."""
        folder = Path(self.root, FOLDER)
        library = folder / "kernel.so"
        library.unlink(missing_ok=True)  # one from elsewhere may be for another machine
        known = runpy.run_path(str(folder.with_name("compiled") / "sources.py"))
        sources = f'-DSOURCE_HASH="{known["source_hash"](folder)}"'
        compiler = (
            *shlex.split(os.environ.get("CC", "cc")),
            *known["FLAGS"],
            "-fPIC",
            "-shared",
            *shlex.split(os.environ.get("CFLAGS", "")),
            sources,
        )
        try:
            subprocess.run([*compiler, "-o", str(library), str(folder / "kernel.c")], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.app.display_warning(f"The compiled kernel is left out, transforms will be slower: {error}")
            return
        build_data["artifacts"].append(f"/{FOLDER}/kernel.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
