"""What tells the sources of the compiled kernel from others. Its build reads this too: the standard library only."""

from hashlib import sha256
from pathlib import Path


def source_hash(folder: Path) -> str:
    """The same for the same files of C in a folder, and for no others."""
    digest = sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
