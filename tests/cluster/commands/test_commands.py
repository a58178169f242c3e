"""What people type, on a real API server, beside an operator whose pods are played."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from cluster.actors.person import Person
from cluster.conftest import opened
from cluster.workspace import Workspace, pools
from harness.kubernetes.control_plane import ApiServer
from pods.jobs import job_body
from pods.statuses import failed, oom_killed, succeeded
from spectrogram_operator.cli.cluster.access import Target
from spectrogram_operator.cli.commands.workers import print_workers
from spectrogram_worker.contract import ExitCode


@pytest.fixture(scope="module")
def place(
    control_plane: ApiServer, operator_rules: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The namespace of all these tests. Two jobs run at once, the large queue is everybody's who wants one to wait."""
    folder = tmp_path_factory.mktemp("commands")
    with opened(Workspace(control_plane, folder, operator_rules)) as workspace:
        workspace.operator(SPECTROGRAM_POOLS=pools(large={"maxConcurrent": 1})).start().wait_until_ready()
        yield workspace


@pytest.fixture
def person(place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(place, capsys, monkeypatch)


def write(folder: Path, *documents: dict[str, Any]) -> str:
    file = folder / "jobs.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def finish(place: Workspace, name: str) -> None:
    pod = place.start(name)
    place.play(pod, succeeded(pod))
    place.wait_for_end(name)


def test_list_shows_what_kubectl_shows(place: Workspace, person: Person) -> None:
    place.submit("listed")
    finish(place, "listed")
    for wide in ((), ("-o", "wide")):
        ours, theirs = person.types("list", *wide).output, place.client.kubectl("get", "sgj", *wide)
        assert ours.splitlines()[0].split() == theirs.splitlines()[0].split()
        (row,) = [line.split() for line in ours.splitlines() if line.startswith("listed ")]
        assert row[:6] == ["listed", "Succeeded", "Completed", "default", "100%", "1/3"]


def test_kubectl_finds_the_plugin(place: Workspace) -> None:
    environment = place.client.environment
    environment = {**os.environ, **environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    command = ["kubectl", "spectrogram", "list", "--namespace", place.namespace, "--selector", "no=such"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"no jobs in the namespace {place.namespace}\n")


def test_list_for_programs(place: Workspace, person: Person) -> None:
    body = job_body("for-programs")
    body["metadata"]["labels"] = {"team": "radio"}
    place.api.create("spectrogramjobs", body)
    names = person.types("list", "-o", "name", "--selector", "team=radio")
    assert names.output == "spectrogramjob.spectrogram.dev/for-programs\n"
    found = json.loads(person.types("list", "-o", "json", "--selector", "team=radio").output)
    assert [item["metadata"]["name"] for item in found["items"]] == ["for-programs"]
    assert yaml.safe_load(person.types("list", "-o", "yaml", "-l", "team=radio").output)["kind"] == "List"
    everywhere = person.types("list", "-A", "--selector", "team=radio", namespace=None).output
    assert any(line.split()[:2] == [place.namespace, "for-programs"] for line in everywhere.splitlines())
    none = person.types("list", "--selector", "team=none")
    assert (none.code, none.output, none.errors) == (0, "", f"no jobs in the namespace {place.namespace}\n")


def test_status_explains_a_zombie_and_retry_makes_another_beside_it(place: Workspace, person: Person) -> None:
    place.submit("zombie", output={"claimName": "results", "path": "2026/zombie"}, resources={"memory": "512Mi"})
    place.play(place.start("zombie"), oom_killed())
    place.wait_for_end("zombie")
    text = person.types("status", "zombie").output
    assert "Phase        Failed" in text
    assert "give it more memory than 512Mi in spec.resources.memory" in text
    assert "OOMKilled: attempt 1/3: the kernel killed the worker at its memory limit" in text

    assert person.types("retry", "zombie").output == (
        f"spectrogramjob.spectrogram.dev/zombie-r1 created in {place.namespace}\n"
    )
    assert place.job("zombie-r1")["spec"]["output"]["path"] == "2026/zombie-r1"
    finish(place, "zombie-r1")
    named = person.types("retry", "zombie-r1", "--memory", "1Gi", "-o", "name")
    assert named.output == "spectrogramjob.spectrogram.dev/zombie-r2\n"
    assert place.job("zombie-r2")["spec"]["resources"] == {"memory": "1Gi"}
    assert place.job("zombie-r2")["spec"]["output"]["path"] == "2026/zombie-r2"
    refused = person.types("retry", "zombie-r2")
    assert refused.code == 2
    assert "zombie-r2 is not over yet" in refused.errors


def test_status_says_how_many_are_ahead(place: Workspace, person: Person) -> None:
    place.submit("ahead", queue="large_jobs")
    place.start("ahead")
    place.submit("behind", queue="large_jobs")
    place.wait_for_status("behind", phase="Queued")
    text = person.types("status", "behind").output
    assert "0 ahead in large_jobs" in text
    assert "nothing: it starts by itself" in text
    assert person.types("cancel", "behind", "ahead").output == (
        "behind is being cancelled: what is complete is kept\nahead is being cancelled: what is complete is kept\n"
    )
    assert place.wait_for_end("behind").phase == "Cancelled"
    again = person.types("cancel", "behind", "nobody")
    assert (again.code, again.output) == (66, "behind is over already: Cancelled\n")
    assert again.errors == f"spectrogram: there is no job nobody in the namespace {place.namespace}\n"


def test_the_api_server_tells_which_program_wrote_what(place: Workspace, person: Person, tmp_path: Path) -> None:
    person.types("submit", write(tmp_path, job_body("signed")))
    place.start("signed")
    job, (pod,) = place.job("signed"), place.pods("signed")
    writers = {entry["manager"] for one in (job, pod) for entry in one["metadata"]["managedFields"]}
    assert {"spectrogram", "spectrogram-operator"} <= writers
    assert not any(writer.startswith(("Python", "OpenAPI")) for writer in writers)
    finish(place, "signed")


def test_status_without_an_operator_says_so(place: Workspace, person: Person) -> None:
    with place.control_plane.client().fresh_namespace() as other:
        other.create(job_body("alone"))
        assert "none yet, submitted" in person.types("status", "alone", namespace=other.namespace).output


def test_submit_takes_several_documents_and_generated_names(place: Workspace, person: Person, tmp_path: Path) -> None:
    generated = job_body()
    generated["metadata"] = {"generateName": "swept-", "labels": {"sweep": "1"}}
    done = person.types("submit", write(tmp_path, job_body("first"), generated))
    first, second = done.output.splitlines()
    assert first == f"spectrogramjob.spectrogram.dev/first created in {place.namespace}"
    assert second.startswith("spectrogramjob.spectrogram.dev/swept-")
    assert [item["metadata"]["labels"] for item in place.api.list("spectrogramjobs", labelSelector="sweep=1")]

    twice = person.types("submit", write(tmp_path, job_body("first")))
    assert twice.code == 73
    assert "already exists: choose another name" in twice.errors


def test_submit_finds_mistakes_before_anything_is_submitted(place: Workspace, person: Person, tmp_path: Path) -> None:
    wrong = job_body("wrong", transform={"fftsize": 1024})
    done = person.types("submit", write(tmp_path, job_body("right"), wrong))
    assert (done.code, done.output) == (64, "")
    assert "spec.transform.fftsize: unknown field; did you mean fftSize?" in done.errors
    assert [body for body in place.api.list("spectrogramjobs") if body["metadata"]["name"] == "right"] == []

    elsewhere = job_body("elsewhere")
    elsewhere["metadata"]["namespace"] = "another"
    done = person.types("submit", write(tmp_path, elsewhere))
    assert (done.code, done.errors.count("\n")) == (2, 1)
    assert "write --namespace another" in done.errors


def test_several_recordings_become_jobs_that_are_waited_for_together(
    place: Workspace, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("early", "late"):
        (tmp_path / f"{name}.wav").touch()
    recordings = [str(tmp_path / "early.wav"), str(tmp_path / "late.wav")]
    flags = ["--mount", f"recordings={tmp_path}", "--output", "results/radio", "--label", "campaign=night"]
    dry = person.types("submit", *recordings, *flags, "--dry-run").output
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(dry)] == ["early", "late"]
    assert person.types("submit", recordings[0], *flags, "-o", "name").output == (
        "spectrogramjob.spectrogram.dev/early\n"
    )
    again = person.types("submit", *recordings, *flags)
    assert (again.code, again.output) == (73, f"spectrogramjob.spectrogram.dev/late created in {place.namespace}\n")
    assert again.errors.count("\n") == 1
    assert '"early" already exists' in again.errors
    assert place.job("late")["spec"]["output"]["path"] == "radio/late"
    for name in ("early", "late"):
        finish(place, name)
    monkeypatch.setenv("JOB_POLL_INTERVAL", "0.1")
    done = person.types("wait", "--selector", "campaign=night")
    assert (done.code, done.output.splitlines()[-1]) == (0, "of 2 jobs: 2 succeeded")


@pytest.mark.parametrize("words", [("list",), ("status", "fm-band"), ("cancel", "fm-band"), ("retry", "fm-band")])
def test_a_namespace_that_is_not_there_is_named(person: Person, words: tuple[str, ...]) -> None:
    done = person.types(*words, namespace="nowhere")
    assert (done.code, done.output) == (66, "")
    assert done.errors.startswith("spectrogram: there is no namespace nowhere: ")
    assert done.errors.count("\n") == 1


def test_submit_to_a_namespace_that_is_not_there(person: Person, tmp_path: Path) -> None:
    done = person.types("submit", write(tmp_path, job_body()), namespace="nowhere")
    assert (done.code, done.errors.count("\n")) == (66, 1)
    assert "there is no namespace nowhere" in done.errors


def test_without_permission(place: Workspace, person: Person) -> None:
    place.api.create("serviceaccounts", {"metadata": {"name": "guest"}})
    person.kubeconfig = place.kubeconfig_of("guest")
    for words in (("list",), ("status", "fm-band"), ("cancel", "fm-band")):
        done = person.types(*words)
        assert (done.code, done.output, done.errors.count("\n")) == (77, "", 1)
        assert "you may not: spectrogramjobs.spectrogram.dev" in done.errors
        assert f"in the namespace {place.namespace}" in done.errors


def test_without_a_cluster(person: Person, tmp_path: Path) -> None:
    content = yaml.safe_load(person.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    person.kubeconfig = tmp_path / "kubeconfig"
    person.kubeconfig.write_text(yaml.safe_dump(content))
    done = person.types("list")
    assert (done.code, done.output, done.errors.count("\n")) == (69, "", 1)
    assert done.errors.startswith("spectrogram: no answer from the cluster at https://127.0.0.1:9: ")
    assert "Connection refused" in done.errors


def test_a_cluster_that_cannot_be_trusted(person: Person, tmp_path: Path) -> None:
    content = yaml.safe_load(person.kubeconfig.read_text())
    authority = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    cluster = content["clusters"][0]["cluster"]
    content["clusters"][0]["cluster"] = {"server": cluster["server"], "certificate-authority": str(authority)}
    person.kubeconfig = tmp_path / "kubeconfig"
    person.kubeconfig.write_text(yaml.safe_dump(content))
    done = person.types("list")
    assert (done.code, done.output, done.errors.count("\n")) == (69, "", 1)
    assert f"no answer from the cluster at {cluster['server']}: " in done.errors
    assert "certificate verify failed" in done.errors


def test_without_the_custom_resource(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that this API server does not serve is answered as a resource that it does not have."""
    monkeypatch.setattr("spectrogram_operator.cli.cluster.http_jobs.VERSION", "v9")
    for words in (("list",), ("status", "fm-band")):
        done = person.types(*words)
        assert (done.code, done.output, done.errors.count("\n")) == (69, "", 1)
        assert "this cluster has no SpectrogramJobs" in done.errors


def test_wait_tells_the_end_of_several_jobs(place: Workspace, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("good", "bad"):
        body = job_body(name, retry={"limit": 0})
        body["metadata"]["labels"] = {"campaign": "wait"}
        place.api.create("spectrogramjobs", body)
    good, bad = place.start("good"), place.start("bad")
    monkeypatch.setenv("JOB_POLL_INTERVAL", "0.1")
    monkeypatch.setenv("JOB_MAX_POLL_ATTEMPTS", "2")
    gave_up = person.types("wait", "good", "bad")
    assert (gave_up.code, gave_up.output) == (124, "")
    assert "good is not over after 2 looks, one every 0.1 s; it is Running: " in gave_up.errors
    assert gave_up.errors.endswith("of 2 jobs: 2 not over yet\n")

    place.play(good, succeeded(good))
    place.play(bad, failed(bad, ExitCode.INPUT_INVALID, "no Digital RF in there"))
    monkeypatch.setenv("JOB_MAX_POLL_ATTEMPTS", "100000")
    one = person.types("wait", "good")
    assert (one.code, one.output, one.errors) == (0, "good succeeded: all outputs are published\n", "")
    both = person.types("wait", "--selector", "campaign=wait")
    assert (both.code, both.output) == (1, one.output)
    failure, summary = both.errors.splitlines()[-2:]
    assert failure.startswith("bad failed, InputInvalid: no Digital RF in there: ")
    assert summary == "of 2 jobs: 1 succeeded, 1 failed"


def test_wait_for_nothing(place: Workspace, person: Person) -> None:
    for words, code, line in (
        (("wait",), 2, "write the names of jobs, or --selector LABELS"),
        (("wait", "nobody"), 66, f"there is no job nobody in the namespace {place.namespace}"),
        (("wait", "-l", "a=b"), 66, f"no job in the namespace {place.namespace} has the labels a=b"),
        (("wait", "-l", "=!"), 2, "the cluster does not understand what it is asked: "),
    ):
        done = person.types(*words)
        assert (done.code, done.output, done.errors.count("\n")) == (code, "", 1)
        assert line in done.errors


def test_logs_of_a_pod_that_is_gone_and_of_a_job_that_has_none(place: Workspace, person: Person) -> None:
    """What a worker writes is in the node tier's hands: here no kubelet could hand it out."""
    place.submit("suspended", suspend=True)
    place.wait_for_status("suspended", phase="Suspended")
    none = person.types("logs", "suspended")
    assert (none.code, none.errors.count("\n")) == (75, 1)
    assert "suspended has no pod yet: " in none.errors
    place.submit("buried")
    pod = place.start("buried")
    place.play(pod, succeeded(pod))
    place.wait_for_end("buried")
    place.bury(pod)
    gone = person.types("logs", "buried")
    assert (gone.code, gone.errors.count("\n")) == (66, 1)
    assert f"the pod {pod['metadata']['name']} is gone" in gone.errors


def test_workers_shows_what_runs(place: Workspace, person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    place.submit("working")
    pod = place.start("working")
    lines = person.types("workers").output.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("working ")]
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    target = Target(kubeconfig=person.kubeconfig, namespace=place.namespace)
    with pytest.raises(KeyboardInterrupt):
        print_workers(target, watch=True, environ={"JOB_POLL_INTERVAL": "7"}, sleep=sleep)
    assert looks == [7, 7]
    assert capsys.readouterr().out.count("working-") == 2
    assert row[1:4] == [pod["metadata"]["name"], "played-default", "default"]
    listed = json.loads(person.types("workers", "-o", "json").output)
    (entry,) = [entry for entry in listed if entry["job"] == "working"]
    assert (entry["pod"], entry["queue"]) == (pod["metadata"]["name"], "default")
    body = yaml.safe_load(person.types("status", "working", "-o", "yaml").output)
    assert (body["kind"], body["status"]["phase"]) == ("SpectrogramJob", "Running")
    place.play(pod, succeeded(pod))
    place.wait_for_end("working")
    assert "working" not in person.types("workers").output
    assert person.types("workers", namespace="nowhere").code == 66


def test_an_attempt_that_failed_is_a_row_of_its_own(place: Workspace, person: Person) -> None:
    place.submit("tried", retry={"limit": 0})
    pod = place.start("tried")
    place.play(pod, failed(pod, ExitCode.IO_ERROR, "the disk went away"))
    place.wait_for_end("tried")
    text = person.types("status", "tried").output
    assert "#   POOL      NODE             MEMORY" in text
    assert "the disk went away" in text
    assert "check the disk or the network behind the recording and the results" in text
