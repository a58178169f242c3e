"""Reading a job file: what is wrong, where, and what to write instead, in one line each."""

from pathlib import Path

import pytest

from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.fields import known_fields, likely_field
from spectrogram_operator.cli.reading.job_file import JobFile, read_job_file

HEAD = "apiVersion: spectrogram.dev/v1beta1\nkind: SpectrogramJob\nmetadata: {name: fm-band}\n"
INPUT = "spec:\n  input: {claimName: recordings, path: fm.drf}\n"
JOB = f"{HEAD}{INPUT}  output: {{claimName: results}}\n"
DEEP = "fields and lists lie more than 64 deep in each other here"
ALIASES = "  - &a0 [1, 1]\n" + "".join(f"  - &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
"""A kilobyte that stands for a trillion numbers."""


def complaint(folder: Path, text: str | bytes) -> tuple[int, list[str]]:
    """The exit code for a file with this text, and the lines that are said, without the folder."""
    path = folder / "job.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CommandError) as caught:
        read_job_file(path)
    return caught.value.exit_code, [line.replace(f"{folder}/", "") for line in caught.value.lines]


def test_six_lines_make_a_job(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB)
    job = read_job_file(tmp_path / "job.yaml")
    assert (job.metadata.name, job.metadata.namespace) == ("fm-band", "default")
    assert job.document()["spec"]["input"]["path"] == "fm.drf"


def test_numbers_dates_and_empty_fields_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    text = (
        f"{HEAD}spec:\n  input:\n    claimName: recordings\n    path: 2026-11-01\n"
        "    raw: {datatype: cf32_le, sampleRate: 2.4e6, centerFrequency: 100E6}\n"
        "    range: {startTime: 2026-11-01T12:00:00Z}\n  output: {claimName: results}\n"
        "  transform:\nstatus: {phase: Failed}\n"
    )
    (tmp_path / "job.yaml").write_text(text)
    spec = read_job_file(tmp_path / "job.yaml").spec
    assert spec.input.path == "2026-11-01"
    assert spec.input.raw is not None
    assert (spec.input.raw.sample_rate, spec.input.raw.center_frequency) == (2.4e6, 100e6)
    assert spec.input.range is not None
    assert str(spec.input.range.start_time) == "2026-11-01 12:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "job.yaml: the file is empty: write a SpectrogramJob, as in examples/spectrogramjob.yaml"),
        ("just words", "job.yaml:1: not a SpectrogramJob: write fields and values, as in apiVersion: …"),
        ("- a list\n", "job.yaml:1: not a SpectrogramJob: write fields and values, as in apiVersion: …"),
        (b"\x89PNG\xff", "job.yaml: not a text file: write the job as YAML in UTF-8"),
        ("a: 1\nb: c: d\n", "job.yaml:2: broken YAML: mapping values are not allowed here"),
        (f"{JOB}\tqueue: auto\n", "job.yaml:7: broken YAML: found character '\\t' that cannot start any token"),
        (f"{JOB}---\n{JOB}", "job.yaml:8: a second YAML document starts here: put each job in a file of its own"),
        (f"{JOB}  retry: {{}}\n  retry: {{}}\n", "job.yaml:8: retry stands here a second time: remove one of them"),
        (f"{JOB}  retry: &a [*a]\n", f"job.yaml:7: broken YAML: {DEEP}"),
        ("[" * 5000, f"job.yaml:1: broken YAML: {DEEP}"),
        (f"{JOB}  retry: {'{a: ' * 61}1{'}' * 61}\n", "job.yaml:7: spec.retry.a: unknown field"),
        *((f"{JOB}  retry: {'{a: ' * n}1{'}' * n}\n", f"job.yaml:7: broken YAML: {DEEP}") for n in (62, 490, 5000)),
        *((f"{JOB}status: {'[' * n}{']' * n}\n", f"job.yaml:7: broken YAML: {DEEP}") for n in (64, 490, 5000)),
        (f"{JOB}  ? {'[' * 490}{']' * 490}\n  : 1\n", f"job.yaml:7: broken YAML: {DEEP}"),
        (JOB + "  retry:\n" + "".join(f"{'  ' * n}a:\n" for n in range(2, 500)), f"job.yaml:69: broken YAML: {DEEP}"),
        (
            f"{JOB}status:\n{ALIASES}",
            "job.yaml:1: broken YAML: with its aliases written out the document has more than",
        ),
        (
            f"{JOB}  retry: !!set {{a}}\n",
            "job.yaml: cannot be written as JSON, which the API needs: Object of type set",
        ),
        (f"{JOB}  retry: !!python/name:os.system\n", "job.yaml: broken YAML: could not determine a constructor"),
    ],
)
def test_broken_yaml(tmp_path: Path, text: str | bytes, line: str) -> None:
    code, (said,) = complaint(tmp_path, text)
    assert said.startswith(line)
    assert code == 64


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("v1beta1", "v1alpha1", 1),
        ("SpectrogramJob", "Pod", 2),
    ],
)
def test_another_kind_of_object(tmp_path: Path, old: str, new: str, line: int) -> None:
    code, (said,) = complaint(tmp_path, JOB.replace(old, new))
    assert said.startswith(f"job.yaml:{line}: ")
    assert said.endswith("write apiVersion: spectrogram.dev/v1beta1 and kind: SpectrogramJob")
    assert code == 64


ONE_PLACE = "input is in one place: write one of claimName, store and url, and remove the others"
NO_ADDRESS = "is no address of a file: write https://HOST/PATH/FILE, without user and without #"
RELATIVE = "must be relative to the claim or store: write it without a leading '/' and without '..'"
NAME = "is no name: write lower-case letters, digits, - and ., with a letter or digit at both ends"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("", "transfrom: {}", 7, "spec.transfrom: unknown field; did you mean transform?"),
        ("claimName: rec", "claimname: rec", 5, "spec.input.claimname: unknown field; did you mean claimName?"),
        ("", "transform: {fft_size: 64}", 7, "spec.transform.fft_size: unknown field; did you mean fftSize?"),
        ("", "fftSize: 64", 7, "spec.fftSize: unknown field; did you mean spec.transform.fftSize?"),
        ("", "retry: {zzz: 1}", 7, "spec.retry.zzz: unknown field; known here: limit, zombies"),
        ("claimName: rec", "store: a, claimName: rec", 5, f"spec.input: {ONE_PLACE}"),
        ("claimName: recordings", "url: https://a", 5, f"spec.input.url: 'https://a' {NO_ADDRESS}"),
        (
            "claimName: recordings, path: fm.drf",
            f"url: 'http://{'a' * 200}/b'",
            5,
            f"spec.input.url: 'http://{'a' * 71}… {NO_ADDRESS}",
        ),
        ("claimName: recordings, ", "", 5, f"spec.input: {ONE_PLACE}"),
        (
            "path: fm.drf",
            "",
            5,
            "spec.input: path is needed with claimName and store: write where the recording is in there",
        ),
        (
            "claimName: recordings",
            "url: https://a/b",
            5,
            "spec.input: path does not go with url, which names the file itself: remove path",
        ),
        (
            "claimName: results",
            "claimName: results, store: results",
            6,
            "spec.output: output goes to one place: write one of claimName and store, and remove the other",
        ),
        (
            "path: fm.drf",
            "path: a, audio: {iq: true}, channel: '0'",
            5,
            "spec.input: channel names one signal, and with audio.iq the two channels are one:"
            " remove channel or audio.iq",
        ),
        (
            "path: fm.drf",
            "path: a, audio: {centerFrequency: 5}",
            5,
            "spec.input.audio: audio.centerFrequency is the centre of an I/Q band: add iq: true,"
            " or remove centerFrequency",
        ),
        (
            "",
            "queueName: Team",
            7,
            "spec.queueName: 'Team' is no queue's name: write lower-case letters, digits, - and .,"
            " with a letter or digit at both ends",
        ),
        (
            "",
            "timeLimits: {softSeconds: 900, hardSeconds: 600}",
            7,
            "spec.timeLimits: softSeconds must be less than hardSeconds: lower softSeconds or raise hardSeconds",
        ),
        ("fm.drf", "../fm.drf", 5, f"spec.input.path: '../fm.drf' {RELATIVE}"),
        ("claimName: results", "claimName: results, path: /a", 6, f"spec.output.path: '/a' {RELATIVE}"),
        ("  output: {claimName: results}\n", "", 4, "spec.output: this field is required: add it"),
        ("name: fm-band", "name: FM_band", 3, f"metadata.name: 'FM_band' {NAME}"),
        ("claimName: recordings", "claimName: my/data", 5, f"spec.input.claimName: 'my/data' {NAME}"),
        (
            "path: fm.drf",
            "path: a, range: {start: soon}",
            5,
            "spec.input.range.start: 'soon' is no duration: write a number and ms, s, m or h, as in 250ms or 10s",
        ),
        (
            "",
            "resources: {memory: 12 GB}",
            7,
            "spec.resources.memory: '12 GB' is not a quantity:"
            " write a number with an optional unit, as in 512Mi or 2Gi, or auto",
        ),
        (
            "",
            "resources: {cpu: 1.5}",
            7,
            "spec.resources.cpu: write a quantity: a number with an optional unit, as in 512Mi or 2",
        ),
        (
            "claimName: results",
            "claimName: results, formats: [tiff]",
            6,
            "spec.output.formats.0: Input should be 'png', 'npz', 'zarr' or 'hdf5'",
        ),
        ("", "transform: {fftSize: '64'}", 7, "spec.transform.fftSize: Input should be a valid integer"),
        ("", "suspend: true", 7, "spec.suspend: the job would not run: set it to false, or remove it"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    text = JOB.replace(old, new) if old else f"{JOB}  {new}\n"
    assert complaint(tmp_path, text) == (64, [f"job.yaml:{line}: {said}"])


def test_two_mistakes_are_two_lines(tmp_path: Path) -> None:
    _, lines = complaint(tmp_path, f"{JOB}  priority: -1\n  retry: {{limt: 1}}\n")
    assert lines == [
        "job.yaml:8: spec.retry.limt: unknown field; did you mean limit?",
        "job.yaml:7: spec.priority: Input should be greater than or equal to 0",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(CommandError, match=reason) as caught:
            read_job_file(path)
        assert caught.value.exit_code == 2


def test_known_and_likely_fields() -> None:
    assert known_fields(JobFile, ("spec", "retry")) == ["limit", "zombies"]
    assert known_fields(JobFile, ("spec", "nothing")) == []
    assert likely_field(JobFile, ("spec", "transform", "hopsize")) == ("hopSize", "hopSize")
    assert likely_field(JobFile, ("spec", "colormap")) == ("spec.output.image.colormap", "")
    assert likely_field(JobFile, ("spec", "qqq")) == ("", "")
