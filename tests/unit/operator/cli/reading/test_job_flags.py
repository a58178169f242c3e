"""The jobs that `submit` makes of flags, templates and recordings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pods.jobs import job_body
from spectrogram_operator.cli.commands.submit import wanted
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.job_flags import Flags

RESULTS = {"claimName": "results"}


def jobs(*words: str, template: Path | None = None, **flags: Any) -> list[dict[str, Any]]:
    return [one.content for one in wanted(words, template, Flags(**flags))]


def refusal(*words: str, template: Path | None = None, **flags: Any) -> tuple[int, str]:
    with pytest.raises(CommandError) as error:
        wanted(words, template, Flags(**flags))
    return error.value.exit_code, error.value.lines[0]


def write(folder: Path, body: dict[str, Any]) -> Path:
    (folder / "job.yaml").write_text(yaml.safe_dump(body))
    return folder / "job.yaml"


def mounted(folder: Path, *names: str) -> list[str]:
    """Files of the folder that is the claim `recordings` on this machine."""
    for name in names:
        (folder / "mnt" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mnt" / name).touch()
    return [str(folder / "mnt" / name) for name in names]


def test_a_job_of_flags_is_named_after_its_recording() -> None:
    fields = ["spec.transform.fftSize=4096", "spec.resources.memory=2Gi", "spec.output.formats=[png, npz]"]
    (job,) = jobs(source="recordings/2026-11/FM band.drf", target="results/run 7", fields=fields)
    assert job == {
        **job_body("2026-11-fm-band"),
        "spec": {
            "input": {"claimName": "recordings", "path": "2026-11/FM band.drf"},
            "output": {"claimName": "results", "path": "run 7", "formats": ["png", "npz"]},
            "transform": {"fftSize": 4096},
            "resources": {"memory": "2Gi"},
        },
    }


def test_a_job_of_a_web_address() -> None:
    url = "https://radio.example.org/2026/FM.wav"
    (job,) = jobs(source=url, target="results", labels=["team.example.org/name=radio"])
    assert (job["metadata"]["name"], job["spec"]["input"]) == ("fm", {"url": url})
    assert job["metadata"]["labels"] == {"team.example.org/name": "radio"}


def test_flags_change_what_a_file_says(tmp_path: Path) -> None:
    body = job_body(input={"store": "archive", "path": "old.drf", "channel": "ch1"}, transform={"fftSize": 512})
    template = write(tmp_path, {**body, "metadata": {"generateName": "x-"}})
    (job,) = jobs(source="recordings/new.drf", template=template, name="new", fields=["spec.transform.hopSize=100"])
    assert job["metadata"] == {"name": "new"}
    assert job["spec"] == {
        "input": {"claimName": "recordings", "path": "new.drf", "channel": "ch1"},
        "output": RESULTS,
        "transform": {"fftSize": 512, "hopSize": 100},
    }
    (generated,) = jobs(str(template), target="elsewhere")
    assert generated["metadata"] == {"generateName": "x-"}
    assert generated["spec"]["output"] == {"claimName": "elsewhere"}


def test_each_recording_of_a_mounted_claim_becomes_a_job_that_writes_beside_the_others(tmp_path: Path) -> None:
    files = mounted(tmp_path, "2026/a.wav", "2026/b.sigmf-meta")
    template = write(tmp_path, job_body("sweep", output={**RESULTS, "path": "november/"}, priority=7))
    made = jobs(*files, template=template, mount=f"recordings={tmp_path}/mnt")
    assert [job["metadata"]["name"] for job in made] == ["sweep-2026-a", "sweep-2026-b"]
    assert [job["spec"]["input"] for job in made] == [
        {"claimName": "recordings", "path": "2026/a.wav"},
        {"claimName": "recordings", "path": "2026/b.sigmf-meta"},
    ]
    assert [job["spec"]["output"]["path"] for job in made] == ["november/sweep-2026-a", "november/sweep-2026-b"]
    assert {job["spec"]["priority"] for job in made} == {7}


def test_a_mounted_store_stays_a_store(tmp_path: Path) -> None:
    files = mounted(tmp_path, "a.wav")
    template = write(tmp_path, job_body(input={"store": "archive", "path": "x"}))
    (job,) = jobs(*files, template=template, mount=f"archive={tmp_path}/mnt")
    assert job["spec"]["input"] == {"store": "archive", "path": "a.wav"}


def test_recordings_may_be_written_as_they_are_called_in_the_claim() -> None:
    made = jobs("a.wav", "more/b.wav", source="recordings/2026", target="results")
    assert [job["spec"]["input"]["path"] for job in made] == ["2026/a.wav", "2026/more/b.wav"]
    assert [job["spec"]["output"] for job in made] == [RESULTS, RESULTS]


def test_a_name_that_the_cluster_makes_stays(tmp_path: Path) -> None:
    template = write(tmp_path, {**job_body(), "metadata": {"generateName": "x-"}})
    made = jobs("a.wav", "b.wav", template=template)
    assert [job["metadata"] for job in made] == [{"generateName": "x-"}] * 2


@pytest.mark.parametrize(
    ("words", "flags", "code", "line"),
    [
        ((), {}, 2, "write a FILE with jobs, or --input CLAIM/PATH --output CLAIM"),
        ((), {"source": "recordings/a.wav"}, 64, "spec.output: output goes to one place: write one of claimName"),
        ((), {"source": "recordings", "target": "r", "name": "x"}, 64, "spec.input: path is needed with claimName"),
        ((), {"source": "/a.wav", "target": "r"}, 2, "--input /a.wav: write CLAIM/PATH, as in recordings/fm.drf"),
        (("*.wav",), {"source": "r", "target": "r"}, 2, "*.wav: no file here is called like that"),
        (("/mnt/a.wav",), {"source": "r", "target": "r"}, 2, "/mnt/a.wav: where is this in the claim?"),
        (("../a.wav",), {"source": "r", "target": "r"}, 64, "spec.input.path: '../a.wav' must be relative to"),
        (("a.wav", "A.wav"), {"source": "r", "target": "r"}, 2, "a.wav and A.wav would both be the job a"),
        (("a.wav",), {"mount": "recordings"}, 2, "--mount recordings: write NAME=DIR"),
        (("a.wav",), {"mount": "r=/mnt", "source": "r"}, 2, "--input and --mount both say"),
        (("no-such.wav",), {"mount": "r=/mnt", "target": "r"}, 2, "no-such.wav: there is no such file"),
        (("/etc/hostname",), {"mount": "r=/mnt", "target": "r"}, 2, "/etc/hostname: this is not in /mnt"),
        ((), {"mount": "r=/mnt", "target": "r"}, 2, "--mount: write the recordings too"),
        ((), {"source": "r/a", "target": "r", "fields": ["fftSize=7"]}, 2, "--set fftSize=7: write the whole name"),
        ((), {"source": "r/a", "target": "r", "fields": ["spec.a"]}, 2, "--set spec.a: write FIELD=VALUE"),
        ((), {"source": "r/a", "target": "r", "fields": ["spec.a=["]}, 2, "--set spec.a=[: the value is no YAML"),
        ((), {"source": "r/a", "target": "r", "fields": ["spec.queue.a=1", "spec.queue=x"]}, 64, "spec.queue: "),
        ((), {"source": "r/a", "target": "r", "fields": ["spec.queue=x", "spec.queue.a=1"]}, 2, "--set spec.queue.a=1"),
        (
            (),
            {"source": "r/a", "target": "r", "fields": ["spec.transform.fftsize=7"]},
            64,
            "spec.transform.fftsize: unknown field; did you mean fftSize?",
        ),
        ((), {"source": "r/a", "target": "r", "labels": ["radio"]}, 2, "--label radio: write KEY=VALUE"),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...], flags: dict[str, Any], code: int, line: str) -> None:
    found, said = refusal(*words, **flags)
    assert (found, said[: len(line)]) == (code, line)


def test_one_name_is_for_one_job(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(yaml.safe_dump_all([job_body("a"), job_body("b")]))
    assert refusal(str(tmp_path / "jobs.yaml"), name="c") == (
        2,
        "--name c: there are 2 jobs, and each needs a name of its own",
    )


def test_a_recording_is_no_file_of_jobs(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE")
    code, line = refusal(str(tmp_path / "a.wav"))
    assert code == 64
    assert line.endswith("; of a recording, say which claim it is in, as in --input recordings")
