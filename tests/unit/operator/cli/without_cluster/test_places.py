"""What stands for a job's claims, stores and addresses on one machine, and what is said where nothing does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.settings_file import with_settings_file
from spectrogram_operator.cli.without_cluster.places import find_places
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract.document import Bucket
from unit.operator.cli.command_line import fake_run, finish, spectrogram, write_job

S3 = Store(bucket=Bucket(store="archive", bucket="recordings"), credentials_secret="archive-keys")
POLICY = Policy(
    stores={"archive": S3, "results": Store(claim_name="team-results")}, allowed_url_hosts=("data.example.org",)
)
SETTINGS = """
image: {registry: registry.example.org}
stores:
  archive: {bucket: recordings, endpoint: "http://127.0.0.1:9", credentialsSecret: archive-keys}
  results: {claimName: team-results}
allowedUrlHosts: [data.example.org]
"""


def spec(source: dict[str, Any], target: dict[str, Any]) -> SpectrogramJobSpec:
    return SpectrogramJobSpec.model_validate({"input": source, "output": target})


FROM_ARCHIVE = spec({"store": "archive", "path": "fm.drf"}, {"store": "results"})
FROM_THE_WEB = spec({"url": "https://data.example.org/fm.wav?token=secret"}, {"claimName": "mine"})


def refusal(folder: Path, job: SpectrogramJobSpec, policy: Policy, *mounts: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        find_places(folder / "job.yaml", job, mounts, policy)
    return caught.value.exit_code, str(caught.value).replace(f"{folder}/", "")


def test_a_store_is_the_folder_that_is_mounted_for_it_whatever_the_settings_say(tmp_path: Path) -> None:
    for name in ("elsewhere", "results"):
        (tmp_path / name).mkdir()
    mounts = [f"archive={tmp_path}/elsewhere", f"results={tmp_path}/results"]
    for policy in (Policy(), POLICY):
        places = find_places(tmp_path / "job.yaml", FROM_ARCHIVE, mounts, policy)
        assert places.folders == {"archive": tmp_path / "elsewhere", "results": tmp_path / "results"}
        assert places.stores == {"archive": Store(claim_name="archive"), "results": Store(claim_name="results")}
        assert places.show(FROM_ARCHIVE.input, "fm.drf") == f"{tmp_path}/elsewhere/fm.drf"


def test_else_a_store_is_what_the_settings_say_and_no_folder_that_happens_to_have_its_name(tmp_path: Path) -> None:
    for name in ("archive", "results", "team-results"):
        (tmp_path / name).mkdir()
    places = find_places(tmp_path / "job.yaml", FROM_ARCHIVE, (), POLICY)
    assert places.folders == {"team-results": tmp_path / "team-results"}
    assert places.stores == POLICY.stores
    assert places.show(FROM_ARCHIVE.input, "fm.drf") == "fm.drf in the store archive"
    assert places.show(FROM_ARCHIVE.output, "a/b.png") == f"{tmp_path}/team-results/a/b.png"


def test_without_settings_a_store_is_the_folder_beside_the_job(tmp_path: Path) -> None:
    for name in ("archive", "results"):
        (tmp_path / name).mkdir()
    places = find_places(tmp_path / "job.yaml", FROM_ARCHIVE, (), Policy())
    assert places.folders == {"archive": tmp_path / "archive", "results": tmp_path / "results"}


def test_the_claim_behind_a_store_may_be_mounted(tmp_path: Path) -> None:
    places = find_places(tmp_path / "job.yaml", FROM_ARCHIVE, [f"team-results={tmp_path}"], POLICY)
    assert places.folders == {"team-results": tmp_path}


def test_an_address_needs_its_host_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    places = find_places(tmp_path / "job.yaml", FROM_THE_WEB, (), POLICY)
    assert (places.folders, places.stores) == ({"mine": tmp_path / "mine"}, {})
    assert places.show(FROM_THE_WEB.input, "") == "https://data.example.org/fm.wav", "without what may be a key"


def test_what_is_said_of_a_store_that_nothing_stands_for(tmp_path: Path) -> None:
    words = (
        "spec.{1}.store: nothing here stands for the store {0}: make the folder {0}, or name another one with"
        " --mount {0}=DIR, or describe the store in a file and name the file with --settings FILE"
    )
    assert refusal(tmp_path, FROM_ARCHIVE, Policy()) == (66, words.format("archive", "input"))
    (tmp_path / "archive").mkdir()
    assert refusal(tmp_path, FROM_ARCHIVE, Policy()) == (73, words.format("results", "output"))
    known = replace(POLICY, stores={"archve": S3, "tape": S3})
    words = words.format("results", "output")
    assert refusal(tmp_path, FROM_ARCHIVE, known) == (73, f"{words} (there are archve, tape now)")


def test_what_is_said_of_a_store_whose_claim_has_no_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path, FROM_ARCHIVE, POLICY) == (
        73,
        "spec.output.store: team-results, the folder of the claim team-results, does not exist:"
        " make it, or name another one with --mount team-results=DIR",
    )


def test_what_is_said_of_a_host_that_is_not_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert refusal(tmp_path, FROM_THE_WEB, Policy()) == (
        64,
        "spec.input.url: the host data.example.org is not allowed:"
        " list it in allowedUrlHosts of a file, and name the file with --settings FILE",
    )


def test_a_mount_that_the_job_does_not_use(tmp_path: Path) -> None:
    code, words = refusal(tmp_path, FROM_ARCHIVE, Policy(), f"archives={tmp_path}")
    assert (code, words.partition(": ")[2]) == (2, "the job has no claim or store archives; did you mean archive?")


def test_the_settings_file_is_the_chart_s_values(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(SETTINGS)
    policy = with_settings_file(Policy(allowed_url_hosts=("a.org",), stores={"tape": S3}), file)
    assert set(policy.stores) == {"tape", "archive", "results"}
    assert policy.stores["archive"].bucket == Bucket(
        store="archive", bucket="recordings", endpoint="http://127.0.0.1:9"
    )
    assert policy.allowed_url_hosts == ("a.org", "data.example.org")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "No such file or directory"),
        ("", 78, "nothing in it: write stores and allowedUrlHosts, as in the chart's values"),
        ("- a", 78, "nothing in it: write stores and allowedUrlHosts, as in the chart's values"),
        ("store: {}", 78, "nothing in it: write stores and allowedUrlHosts, as in the chart's values"),
        ("stores: {", 78, "broken YAML: while parsing a flow"),
        ("stores: &a [*a]", 78, "broken YAML: fields and lists lie more than 64 deep in each other here"),
        ("stores: " + "[" * 500, 78, "broken YAML: fields and lists lie more than 64 deep in each other here"),
        ("stores: {}\n---\nstores: {}", 78, "a second YAML document is in it"),
        ("stores: !!set {a}", 78, "Object of type set is not JSON serializable"),
        ("stores: {archive: {bucket: a/b}}", 78, "stores.archive.bucket: 'a/b' is no bucket: write its name alone"),
        ("allowedUrlHosts: ['*']", 78, "allowedUrlHosts.0: '*' is no host: write data.example.org"),
    ],
)
def test_a_settings_file_that_cannot_be_used(tmp_path: Path, text: str | None, code: int, words: str) -> None:
    file = tmp_path / "values.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError) as caught:
        with_settings_file(Policy(), file)
    assert caught.value.exit_code == code
    (line,) = caught.value.lines
    assert line.startswith(f"--settings {file}: {words}")
    assert "\n" not in line


def test_a_run_reads_from_the_folder_that_stands_for_a_store(tmp_path: Path) -> None:
    source, target = {"store": "recordings", "path": "success"}, {"store": "results"}
    done = finish(fake_run(write_job(tmp_path, "success", input=source, output=target)))
    assert done.returncode == 0, done.stderr
    assert f"Recording   {tmp_path}/recordings/success" in done.stdout
    assert f"Outputs     {tmp_path}/results/fm-band/manifest.json" in done.stdout


def test_a_run_says_how_to_provide_a_store(tmp_path: Path) -> None:
    done = spectrogram("run", write_job(tmp_path, "", input={"store": "archive", "path": "fm.drf"}))
    (line,) = done.stderr.splitlines()
    assert line.startswith("spectrogram: spec.input.store: nothing here stands for the store archive: ")
    assert (done.returncode, done.stdout) == (66, "")


def test_a_run_reads_from_an_address_that_the_settings_allow(tmp_path: Path) -> None:
    file = write_job(tmp_path, "", input={"url": "https://data.example.org/success"})
    (tmp_path / "values.yaml").write_text(SETTINGS)
    done = finish(fake_run(file, settings=tmp_path / "values.yaml"))
    assert done.returncode == 0, done.stderr
    assert "Recording   https://data.example.org/success" in done.stdout


def test_settings_reach_the_command_line(tmp_path: Path) -> None:
    file = write_job(tmp_path, "", input={"url": "https://evil.example/fm.wav"})
    (tmp_path / "values.yaml").write_text(SETTINGS)
    done = spectrogram("run", file, "--settings", tmp_path / "values.yaml")
    assert "spec.input.url: the host evil.example is not allowed" in done.stderr
    assert done.returncode == 64
