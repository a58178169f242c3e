"""What a job says of a recording: it corrects the file, with a warning, or is refused by its name; never dropped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.parameters import Audio, InputFormat, Range, Raw, RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources.said import require_usable
from unit.worker.recordings import (
    FIRST_SAMPLE,
    RATE,
    integer_pairs,
    open_path,
    read,
    says,
    write_center_frequencies,
    write_digital_rf,
    write_raw,
    write_sigmf,
)

TUNED = 433.92e6
SAMPLES = 0.5 * np.exp(2j * np.pi * 0.125 * np.arange(4000))
SAID: dict[str, Any] = {
    "channel": "1",
    "subchannel": 0,
    "capture": 0,
    "iqChannels": (1, 0),
    "audio": Audio(),
    "raw.datatype": "cf32_le",
    "raw.sampleRate": 5.0,
    "raw.centerFrequency": 0.0,
    "raw.channels": 1,
}
"""Each field with the value that is nearest to its default: what is written is never taken for what is not."""
USED = {
    InputFormat.DIGITAL_RF: {"channel", "subchannel", "raw.sampleRate", "raw.centerFrequency"},
    InputFormat.SIGMF: {"channel", "capture", "raw.datatype", "raw.sampleRate", "raw.centerFrequency"},
    InputFormat.AUDIO: {"channel", "iqChannels", "audio", "raw.sampleRate", "raw.centerFrequency"},
    InputFormat.RAW: {
        "channel",
        "iqChannels",
        "raw.datatype",
        "raw.sampleRate",
        "raw.centerFrequency",
        "raw.channels",
    },
    InputFormat.NUMPY: {"channel", "iqChannels", "raw.datatype", "raw.sampleRate", "raw.centerFrequency"},
}


def test_every_field_of_the_input_is_in_the_tables() -> None:
    """A new field has to be thought about here."""
    fields = {field.alias for name, field in RecordingSelection.model_fields.items() if name != "raw"}
    fields |= {f"raw.{field.alias}" for field in Raw.model_fields.values()}
    assert fields - {"path", "format", "range"} == set(SAID)
    assert set(USED) == set(InputFormat) - {InputFormat.AUTO}


@pytest.mark.parametrize("field", SAID)
@pytest.mark.parametrize("format_", USED)
def test_a_field_that_the_format_cannot_use_is_refused_by_its_name(format_: InputFormat, field: str) -> None:
    parent, _, child = field.partition(".")
    said = {parent: {child: SAID[field]} if child else SAID[field]}
    selection = RecordingSelection.model_validate({"path": "here", "range": Range(start_sample=1), **said})
    if field in USED[format_]:
        require_usable("here", format_, selection)
        return
    with pytest.raises(WorkerError) as caught:
        require_usable("here", format_, selection)
    assert says(caught.value, ExitCode.INVALID_SPEC, f"input.{field}: ", str(format_), "here", "remove it")


def sigmf_of_doubles(root: Path) -> str:
    """Samples of 64 bits that the metadata of an old library calls 128."""
    captures = [{"core:sample_start": 0, "core:frequency": 100e6}]
    write_sigmf(root, SAMPLES.astype("<c8").tobytes(), captures=captures, datatype="cf64_le", sample_rate=48_000)
    return "signal.sigmf-meta"


def sigmf(root: Path) -> str:
    captures = [{"core:sample_start": 0, "core:frequency": 100e6}]
    write_sigmf(root, SAMPLES.astype("<c8").tobytes(), captures=captures, datatype="cf32_le", sample_rate=48_000)
    return "signal.sigmf-meta"


def flac(root: Path) -> str:
    """A real signal sampled at 40 MHz, a rate that the header cannot hold."""
    soundfile.write(root / "tape.flac", SAMPLES.real, 40_000, format="FLAC", subtype="PCM_16")
    return "tape.flac"


def wav(root: Path) -> str:
    soundfile.write(root / "rec.wav", np.stack((SAMPLES.real, SAMPLES.imag), 1), 48_000, subtype="PCM_16")
    return "rec.wav"


def digital_rf(root: Path) -> str:
    channel = write_digital_rf(root, [(0, integer_pairs(4000))])
    write_center_frequencies(channel, {FIRST_SAMPLE: 100e6})
    return "recording"


def numpy(root: Path) -> str:
    np.save(root / "rec.npy", SAMPLES.astype(np.complex64))
    return "rec.npy"


def raw(root: Path) -> str:
    return write_raw(root, SAMPLES.astype("<c8"), "rec.iq").name


IQ = Audio(iq=True)
Writer = Callable[[Path], str]


@pytest.mark.parametrize(
    ("write", "fields", "rate", "center", "warnings"),
    [
        (
            sigmf_of_doubles,
            {"raw": Raw(datatype="cf32_le")},
            48_000,
            100e6,
            ("input.raw.datatype corrects signal.sigmf-meta: cf32_le instead of cf64_le",),
        ),
        (
            sigmf,
            {"raw": Raw(sample_rate=2.4e6)},
            2.4e6,
            100e6,
            ("input.raw.sampleRate corrects signal.sigmf-meta: 2400000 Hz instead of 48000 Hz",),
        ),
        (
            sigmf,
            {"raw": Raw(center_frequency=TUNED)},
            48_000,
            TUNED,
            ("input.raw.centerFrequency corrects signal.sigmf-meta: 433920000 Hz instead of 100000000 Hz",),
        ),
        (sigmf, {"raw": Raw(datatype="cf32_le", sample_rate=48_000, center_frequency=100e6)}, 48_000, 100e6, ()),
        (sigmf, {"raw": Raw(), "channel": "0", "capture": 0}, 48_000, 100e6, ()),
        (
            flac,
            {"raw": Raw(sample_rate=40e6)},
            40e6,
            0,
            ("input.raw.sampleRate corrects tape.flac: 40000000 Hz instead of 40000 Hz",),
        ),
        (wav, {"audio": IQ, "raw": Raw(center_frequency=TUNED)}, 48_000, TUNED, ()),
        (
            wav,
            {"audio": IQ, "raw": Raw(sample_rate=12_000, center_frequency=0)},
            12_000,
            0,
            ("input.raw.sampleRate corrects rec.wav: 12000 Hz instead of 48000 Hz",),
        ),
        (
            digital_rf,
            {"raw": Raw(sample_rate=2.4e6)},
            2.4e6,
            100e6,
            ("input.raw.sampleRate corrects recording/ch0: 2400000 Hz instead of 1000000 Hz",),
        ),
        (
            digital_rf,
            {"raw": Raw(center_frequency=TUNED)},
            RATE,
            TUNED,
            ("input.raw.centerFrequency corrects recording/ch0: 433920000 Hz instead of 100000000 Hz",),
        ),
        (digital_rf, {"raw": Raw(sample_rate=RATE), "subchannel": 0}, RATE, 100e6, ()),
        (numpy, {"raw": Raw(sample_rate=5.0, center_frequency=7.0, datatype="cf32_le")}, 5, 7, ()),
        (raw, {"raw": Raw(sample_rate=5.0, center_frequency=7.0, datatype="cf32_le")}, 5, 7, ()),
    ],
)
def test_what_the_job_says_corrects_the_recording_with_a_warning_where_they_differ(
    tmp_path: Path, write: Writer, fields: dict[str, Any], rate: float, center: float, warnings: tuple[str, ...]
) -> None:
    recording = open_path(tmp_path, write(tmp_path), **fields)
    found = recording.description
    assert (float(found.sample_rate), found.center_frequency, found.warnings) == (rate, center, warnings)
    assert found.length == 4000
    if found.is_complex and write is not digital_rf:
        np.testing.assert_allclose(read(recording)[0], SAMPLES, atol=1e-4)


@pytest.mark.parametrize(
    ("write", "fields", "field"),
    [
        (raw, {"raw": Raw(datatype="cf32_le", sample_rate=5.0), "audio": IQ}, "input.audio"),
        (raw, {"raw": Raw(datatype="cf32_le", sample_rate=5.0), "channel": "7"}, "input.channel"),
        (wav, {"audio": IQ, "raw": Raw(channels=2)}, "input.raw.channels"),
        (sigmf, {"iq_channels": (0, 1)}, "input.iqChannels"),
        (wav, {"audio": IQ, "capture": 3}, "input.capture"),
        (wav, {"audio": IQ, "raw": Raw(datatype="ci16_le")}, "input.raw.datatype"),
        (
            wav,
            {"audio": Audio(iq=True, center_frequency=1.0), "raw": Raw(center_frequency=2.0)},
            "input.audio.centerFrequency",
        ),
        (numpy, {"raw": Raw(sample_rate=5.0), "channel": "7"}, "input.channel"),
        (numpy, {"raw": Raw(sample_rate=5.0, datatype="ci16_le")}, "input.raw.datatype"),
        (sigmf, {"subchannel": 5}, "input.subchannel"),
        (sigmf, {"subchannel": 0}, "input.subchannel"),
        (digital_rf, {"raw": Raw(datatype="ci16_le")}, "input.raw.datatype"),
        (digital_rf, {"capture": 0}, "input.capture"),
    ],
)
def test_what_the_job_says_in_vain_is_refused(
    tmp_path: Path, write: Writer, fields: dict[str, Any], field: str
) -> None:
    """Whether the format is recognised or named."""
    path = write(tmp_path)
    named = {"raw": "Raw", "wav": "Audio", "numpy": "NumPy", "sigmf": "SigMF", "digital_rf": "DigitalRF"}
    for format_ in (InputFormat.AUTO, InputFormat(named[write.__name__])):
        with pytest.raises(WorkerError) as caught:
            open_path(tmp_path, path, format=format_, **fields)
        assert says(caught.value, ExitCode.INVALID_SPEC, field)


@pytest.mark.parametrize(
    ("write", "fields"),
    [
        (raw, {"raw": Raw(datatype="cf32_le", sample_rate=5.0)}),
        (numpy, {"raw": Raw(sample_rate=5.0)}),
        (wav, {"audio": IQ}),
    ],
)
def test_an_axis_that_is_relative_to_an_unknown_centre_is_said_to_be_so(
    tmp_path: Path, write: Writer, fields: dict[str, Any]
) -> None:
    (warning,) = open_path(tmp_path, write(tmp_path), **fields).description.warnings
    assert "frequencies are relative to the centre" in warning
    said = fields.get("raw", Raw()).model_copy(update={"center_frequency": 0.0})
    assert open_path(tmp_path, write(tmp_path), **fields | {"raw": said}).description.warnings == ()


def test_a_real_signal_has_no_centre_to_be_relative_to(tmp_path: Path) -> None:
    assert open_path(tmp_path, flac(tmp_path)).description.warnings == ()
    write_raw(tmp_path, np.ones(5, "<f4"))
    assert open_path(tmp_path, "noise.raw", raw=Raw(datatype="rf32_le", sample_rate=1.0)).description.warnings == ()


def test_a_corrected_rate_does_not_move_the_start_of_digital_rf(tmp_path: Path) -> None:
    path = digital_rf(tmp_path)
    stated = open_path(tmp_path, path).description
    corrected = open_path(tmp_path, path, raw=Raw(sample_rate=2.4e6)).description
    assert corrected.start_time == stated.start_time


@pytest.mark.parametrize("rate", [0, 5e-324, 1e-7])
def test_a_rate_so_low_that_nothing_can_be_told_by_it_is_refused_unless_the_job_corrects_it(
    tmp_path: Path, rate: float
) -> None:
    write_sigmf(tmp_path, bytes(80), datatype="cf32_le", sample_rate=rate)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "signal")
    assert says(caught.value, ExitCode.INPUT_INVALID, "core:sample_rate", "from 1e-6")
    found = open_path(tmp_path, "signal", raw=Raw(sample_rate=5.0)).description
    assert found.sample_rate == 5
    assert "The sample rate is the job's alone" in found.warnings[0]


def test_row_4_a_rate_that_a_header_lacks_can_come_from_the_job(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "take.wav", np.zeros(100), 48_000, subtype="PCM_16")
    content = bytearray((tmp_path / "take.wav").read_bytes())
    content[24:28] = bytes(4)
    (tmp_path / "take.wav").write_bytes(content)
    with pytest.raises(WorkerError) as caught:
        open_path(tmp_path, "take.wav")
    assert says(caught.value, ExitCode.INPUT_INVALID, "its sample rate is 0 Hz", "input.raw.sampleRate")
    found = open_path(tmp_path, "take.wav", raw=Raw(sample_rate=96_000.0)).description
    assert found.sample_rate == 96_000
    assert found.length == 100
    assert "96000 Hz instead of 0 Hz" in found.warnings[0]
