"""`spectrogram run` with a recording in an S3 store: the real worker, a real server, the user's own keys."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from unit.operator.cli.command_line import spectrogram, write_job
from unit.operator.cli.without_cluster.test_run_for_real import RAW

SOURCE = {"store": "archive", "path": "fm.cf32", "raw": RAW}


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    """A file for --settings that names the bucket of the recording."""
    with ObjectStore(tmp_path / "objects") as store:
        (store.root / "survey").mkdir()
        noise = np.random.default_rng(1).standard_normal((100_000, 2)).astype(np.float32)
        noise.tofile(store.root / "survey" / "fm.cf32")
        file = tmp_path / "values.yaml"
        file.write_text(f'stores: {{archive: {{bucket: {BUCKET}, endpoint: "{store.endpoint}", prefix: survey}}}}')
        yield file


def test_a_recording_in_a_store(tmp_path: Path, settings: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    done = spectrogram("run", write_job(tmp_path, "", input=SOURCE), "--settings", settings, **keys)
    assert done.returncode == 0, done.stderr
    assert "Recording   fm.cf32 in the store archive" in done.stdout
    assert (tmp_path / "results/fm-band/spectrogram.png").exists()


def test_keys_that_the_store_refuses(tmp_path: Path, settings: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": "wrong"}
    done = spectrogram("run", write_job(tmp_path, "", input=SOURCE), "--settings", settings, **keys)
    line = done.stderr.splitlines()[-1]
    assert line.startswith("fm-band failed, InputNotFound: store archive refuses fm.cf32")
    assert done.returncode == 66
