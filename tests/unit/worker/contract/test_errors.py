"""What an error says can be printed, logged and written as UTF-8, whatever names a recording holds."""

import os
from pathlib import Path

import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError, input_invalid
from unit.worker.recordings import integer_pairs, open_path, write_digital_rf


def test_an_error_is_one_printable_line() -> None:
    error = input_invalid("no \x1b[31mchannel\x1b[0m\nnamed \udcff\0" + "a" * 5000)
    assert str(error).startswith("no channel named \\udcff aaa")
    assert str(error).isprintable()
    assert len(str(error)) <= 1024
    assert error.code is ExitCode.INPUT_INVALID


def test_channels_with_names_that_are_not_utf_8_are_listed(tmp_path: Path) -> None:
    for number in range(2):
        channel = write_digital_rf(tmp_path, [(0, integer_pairs(10))], channel=f"ch{number}")
        os.rename(os.fsencode(channel), os.fsencode(channel) + b"\xff\n")
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "recording")
    assert str(caught.value).encode().isascii()
    assert "ch0\\udcff" in str(caught.value)
