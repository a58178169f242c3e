"""How the compiled kernel is compiled, and what tells its sources from others. Its build reads this, by itself."""

from hashlib import sha256
from pathlib import Path

FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-ivopts", "-Wall", "-Wextra")
"""No fused multiply-add: results are the same, bit by bit, on every machine. Without -fno-ivopts GCC gives each point
of a step an address of its own, more of them than there are registers: a fifth slower."""


def source_hash(folder: Path) -> str:
    """The same for the same files of C in a folder, and for no others."""
    digest = sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
