"""What is installed: the wheel has both packages, their types, and the kernel."""

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy: a build makes the kernel anew, in its place."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("operator", "worker_image"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built)


def test_a_wheel_has_both_packages_with_their_types_and_the_kernel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in ("spectrogram_operator", "spectrogram_worker"):
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    assert "spectrogram_worker/spectrum/kernel/kernel.so" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"spectrogram_operator", "spectrogram_worker"}


def test_a_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (path,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = email.message_from_bytes(wheel.read(path))
    assert (metadata["Name"], metadata["License-Expression"]) == ("spectrogram-operator", "Apache-2.0")
    assert metadata["Author"] == "The spectrogram-operator maintainers"
    assert "# spectrogram-operator" in str(metadata.get_payload())
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
