"""Files that claim much and hold little are opened, or refused, in little memory: see `hostile.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spectrogram_worker.contract import ExitCode
from unit.worker.sources.harmful.hostile import HOSTILE, MIB
from unit.worker.sources.harmful.test_fuzz import SEEDS, Victim

MOST = 64 * MIB
READ = {
    "properties_of_lists",
    "frequencies_of_lists",
    "frequencies_in_one_large_chunk",
    "metadata_of_small_objects",
    "metadata_of_nested_objects",
    "captures_of_small_objects",
    "captures_without_anything_else",
    "archive_of_much_metadata",
    "global_as_large_as_may_be",
}
"""What of them is of no use is passed over."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def victim(root: Path) -> Iterator[Victim]:
    """A reader that has every library loaded, and little memory to spare."""
    found = Victim()
    for seed in ("wav", "archive", "digital_rf"):
        found.begin(root, SEEDS[seed](root))
    yield found
    found.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_file_claims_takes_no_memory(root: Path, victim: Victim, name: str) -> None:
    victim.root = root / name
    victim.root.mkdir()
    assert victim.ask(HOSTILE[name](victim.root)) == (0 if name in READ else ExitCode.INPUT_INVALID)
    assert victim.peak < MOST
    if name == "metadata_of_small_objects":
        assert victim.peak > 5 * MIB, "a file of 8 MiB is read as a whole: the peak is not seen"
