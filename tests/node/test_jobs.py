"""Jobs from `kubectl apply` to their end, in real pods: what stands in their status, what lies on the volume."""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness import installation
from harness.kubernetes.client import CommandError
from harness.nodes.node import Node
from harness.waiting import wait_until
from node.reference import read_samples, reduced_spectrogram
from node.site import JOB, LONG, MEDIUM, POD_LABEL, Body, Site, in_background, stop
from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.api.status import Attempt, Phase, RetryClass, SpectrogramJobStatus

# Takes memory in the worker's container, each process less than the worker has: the kernel kills the largest.
HOG = """
import os, time
for _ in range({processes}):
    if os.fork() == 0:
        block = b"x" * {megabytes}_000_000
        time.sleep(3600)
time.sleep(3600)
"""


@dataclass(frozen=True)
class Refusal:
    """A job that its first pod ends for good: why, and what it tells its author."""

    name: str
    reason: str
    code: int
    words: tuple[str, ...]
    spec: Body = field(default_factory=dict)


REFUSALS = (
    Refusal("missing", "InputNotFound", 66, ("input.path", "nothing.drf"), {"input": {"path": "nothing.drf"}}),
    Refusal("music", "InputInvalid", 65, ("is a WAV file", "again"), {"input": {"path": "music.wav"}}),
    Refusal("empty", "InputInvalid", 65, ("empty.iq is empty", "0 bytes"), {"input": {"path": "empty.iq", "raw": {
        "datatype": "cf32_le", "sampleRate": 1e6}}}),
    Refusal("secret", "InputInvalid", 65, ("secret.iq cannot be read", "65532"), {"input": {"path": "secret.iq",
        "raw": {"datatype": "cf32_le", "sampleRate": 1e6}}}),
    Refusal("short", "InputInvalid", 65, ("100 samples", "1024"), {"input": {"range": {"samples": 100}}}),
    Refusal("channel", "InvalidSpec", 64, ("input.channel", "ch0"), {"input": {"channel": "ch9"}}),
    Refusal("locked", "OutputNotWritable", 73, ("locked/here",), {"output": {"path": "locked/here"}}),
    Refusal("occupied", "OutputNotWritable", 73, ("occupied",), {"output": {"path": "occupied"}}),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def already_under_way(radio_site: Site) -> None:
    """Jobs that need nobody and take their time: they pass while the tests are busy with others."""
    radio_site.submit("frozen", timeLimits={"softSeconds": 89, "hardSeconds": 90}, **LONG)
    radio_site.wait_for_progress("frozen")
    stop(radio_site.pod("frozen"))
    radio_site.submit("lengthy", timeLimits={"softSeconds": 60, "hardSeconds": 600}, **LONG)
    results = radio_site.claims["results"]
    # As the kubelet leaves it. Otherwise it would give the workers' group all that is below, at the first mount.
    os.chown(results, 0, 65532)
    results.chmod(0o2775)
    (results / "locked").mkdir(mode=0o755)
    os.chown(results / "locked", 0, 0)
    (results / "occupied").mkdir()
    (results / "occupied" / "thesis.tex").write_text("ten years of work")
    for case in REFUSALS:
        radio_site.submit(case.name, **case.spec)


def ended(site: Site, name: str) -> tuple[SpectrogramJobStatus, Attempt]:
    """Status and last attempt of a job, once it is over."""
    status = site.wait_for_end(name)
    return status, status.attempts[-1]


def test_the_example_becomes_a_spectrogram(radio: Site, recordings: Path) -> None:
    radio.mine.append("fm-band")
    radio.client.kubectl("apply", f"--filename={installation.EXAMPLE}")

    status, attempt = ended(radio, "fm-band")

    assert (status.phase, status.reason) == (Phase.SUCCEEDED, "Completed")
    assert (attempt.exit_code, attempt.retry_class, attempt.number) == (0, RetryClass.SUCCESS, 1)
    assert status.dataset is not None
    assert (status.dataset.samples, status.dataset.gaps, status.dataset.missing_samples) == (10_000_000, 1, 200_000)
    folder, manifest = radio.results("fm-band"), radio.manifest("fm-band")
    assert {path.name for path in folder.iterdir()} == {"spectrogram.png", "spectrogram.npz", "manifest.json"}
    assert (manifest["complete"], manifest["reason"]) == (True, "Completed")
    listed = {file["path"]: file for file in manifest["outputs"]}
    stated = {output.path: output for output in status.outputs}
    assert set(stated) == {f"fm-band/{name}" for name in ("manifest.json", *listed)}
    for path, output in stated.items():
        content = (radio.claims["results"] / path).read_bytes()
        assert (output.bytes, output.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        name = path.rpartition("/")[2]
        if name in listed:
            assert {"path": name, **output.model_dump(by_alias=True, exclude={"path"})} == listed[name]
    assert png_size(folder / "spectrogram.png") == (1600, 900)
    compare_with_scipy(folder / "spectrogram.npz", recordings / "demo.drf")


def png_size(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:])
    return width, height


def compare_with_scipy(arrays: Path, recording: Path) -> None:
    """0.02 dB within 80 dB of the array's peak (docs/jobs.md), 0.2 dB within 100 dB."""
    spec = yaml.safe_load(installation.EXAMPLE.read_text())["spec"]
    fft, hop, columns = spec["transform"]["fftSize"], spec["transform"]["hopSize"], spec["reduce"]["columns"]
    window = spec["transform"]["window"]["name"]
    samples = read_samples(recording, "ch0")
    times, *expected = reduced_spectrogram(samples, 1e6, window=window, fft=fft, hop=hop, columns=columns)
    with np.load(arrays) as found:
        np.testing.assert_allclose(found["time"], times, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found["frequency"], 100e6 + np.arange(-fft // 2, fft // 2) * 1e6 / fft, atol=1e-6)
        for name, reference in zip(("max", "mean"), expected, strict=True):
            values = found[name]
            missing = np.isnan(reference).all(axis=0)
            assert 10 < missing.sum() < 40, "the gap is 2 % of the recording"
            assert (np.isnan(values) == missing).all()
            values, reference = values[:, ~missing], reference[:, ~missing]
            below_peak, error = reference.max() - reference, np.abs(values - reference)
            assert error[below_peak <= 80].max() <= 0.02
            assert error[below_peak <= 100].max() <= 0.2


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: str(case.name))
def test_what_cannot_be_is_said_once_and_never_tried_again(radio: Site, case: Refusal) -> None:
    status, attempt = ended(radio, case.name)

    assert (status.phase, status.reason) == (Phase.FAILED, case.reason)
    assert (attempt.number, attempt.exit_code, attempt.retry_class) == (1, case.code, RetryClass.FATAL)
    for word in case.words:
        assert word in (status.message or "")
    assert "Traceback" not in radio.client.kubectl("logs", attempt.pod_name)
    assert [path.name for path in (radio.claims["results"] / "occupied").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transfrom": {"fftSize": 2048}}, 'unknown field "spec.transfrom"'),
        ({"timeLimits": {"softSeconds": 60, "hardSeconds": 60}}, "softSeconds must be less than hardSeconds"),
        ({"input": {"claimName": "recordings", "path": "../demo.drf"}}, "spec.input.path: Invalid"),
        ({"output": {}}, "output goes to one place: write one of claimName and store"),
    ],
)
def test_a_mistake_is_refused_by_kubectl_apply(radio: Site, tmp_path: Path, change: Body, words: str) -> None:
    document = yaml.safe_load(installation.EXAMPLE.read_text())
    document["metadata"]["name"] = "mistaken"
    document["spec"].update(change)
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(document))

    with pytest.raises(CommandError) as refused:
        radio.client.kubectl("apply", f"--filename={file}")

    assert words in refused.value.output
    assert radio.client.find(JOB, "mistaken") is None


def test_a_missing_claim_is_named_and_waited_for(radio: Site, node: Node, tmp_path: Path) -> None:
    radio.submit("early", output={"claimName": "late"})
    status = radio.wait("early", lambda status: status.phase, "a first status")
    assert (status.phase, status.reason) == (Phase.PENDING, "PVCNotFound")
    assert "no PersistentVolumeClaim late in the namespace radio" in (status.message or "")
    assert status.attempt == 0

    installation.create_claim(radio.client, "late", tmp_path, node.name)

    assert radio.wait_for_end("early").phase is Phase.SUCCEEDED
    assert (tmp_path / "early" / "manifest.json").is_file()


def test_a_pod_that_no_node_can_take_waits_until_somebody_cancels_the_job(radio: Site) -> None:
    radio.submit("huge", resources={"cpu": "1000"})
    status = radio.wait("huge", lambda status: status.reason == "Unschedulable", "the scheduler's verdict")
    assert (status.phase, status.attempt) == (Phase.PENDING, 1)
    assert "Insufficient cpu" in (status.message or "")

    radio.client.kubectl("patch", JOB, "huge", "--type=merge", '--patch={"spec": {"cancelled": true}}')

    status, attempt = ended(radio, "huge")
    assert (status.phase, status.reason) == (Phase.CANCELLED, "Cancelled")
    wait_until(lambda: radio.client.find("pod", attempt.pod_name) is None, what="the end of the pod")


def test_memory_that_does_not_suffice_is_found_out_before_it_is_used_and_the_retry_has_more(radio: Site) -> None:
    # 82, and not a kill: the worker looks before it allocates.
    radio.submit("hungry", transform={"fftSize": 1_048_576, "hopSize": 1_048_576, "precision": "double"})

    status, last = ended(radio, "hungry")

    first = status.attempts[0]
    assert (first.reason, first.exit_code, first.retry_class) == ("MemoryError", 82, RetryClass.MEMORY)
    assert "raise resources.memory" in (first.message or "")
    assert (status.phase, last.number) == (Phase.SUCCEEDED, 2)
    assert last.memory_bytes > first.memory_bytes
    assert parse_bytes(memory_limit(radio.pod("hungry", 2))) == last.memory_bytes


def memory_limit(pod: Any) -> str:
    limit: str = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return limit


@pytest.fixture
def hogs() -> Iterator[list[Any]]:
    started: list[Any] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_the_safeguard_stops_a_worker_whose_memory_fills_up(radio: Site, hogs: list[Any]) -> None:
    radio.submit("crowded", **LONG)
    radio.wait_for_progress("crowded")
    pod = radio.attempt("crowded").pod_name

    hog = HOG.format(processes=4, megabytes=40)  # 160 of 268 MB; the worker has the rest up to the threshold of 70 %
    hogs.append(in_background(radio.client, "exec", pod, "--", "python3", "-c", hog))

    status, attempt = ended(radio, "crowded")
    assert (status.phase, status.reason, attempt.exit_code) == (Phase.FAILED, "MemorySafeguardExceeded", 83)
    assert (attempt.number, attempt.retry_class) == (1, RetryClass.FATAL)
    assert "the threshold of 70.0%" in (status.message or "")
    manifest = radio.manifest("crowded.partial")
    assert (manifest["complete"], manifest["reason"]) == (False, "MemorySafeguardExceeded")
    log = radio.client.kubectl("logs", pod)
    assert "Job radio/crowded: CRITICAL MEMORY USAGE - " in log
    assert "Job radio/crowded: Forcing process termination due to memory usage" in log


def test_a_drained_job_keeps_what_is_complete_and_runs_again_once_it_may(radio: Site, node: Node) -> None:
    radio.submit("moved", **MEDIUM)
    radio.wait_for_progress("moved")
    first = radio.pod("moved")

    # Only this pod is asked to go; the node takes no other until it is uncordoned.
    selector = f"--pod-selector={POD_LABEL}={first['metadata']['labels'][POD_LABEL]}"
    try:
        radio.client.kubectl("drain", node.name, selector, "--force", "--delete-emptydir-data", "--timeout=120s")
        status = radio.wait("moved", lambda status: len(status.attempts) == 2, "the next attempt")
        record = status.attempts[0]
        assert (record.reason, record.exit_code, record.retry_class) == ("Drained", 85, RetryClass.INFRASTRUCTURE)
        assert (status.retries.infra, status.retries.user, status.attempt_text) == (1, 0, "1/3")
        assert radio.manifest("moved.partial")["complete"] is False
        radio.wait("moved", lambda status: status.reason == "Unschedulable", "to be held back")
    finally:
        radio.client.kubectl("uncordon", node.name)

    status = radio.wait_for_end("moved")
    assert (status.phase, len(status.attempts)) == (Phase.SUCCEEDED, 2)
    assert radio.manifest("moved")["complete"] is True


def test_a_deleted_pod_is_replaced_out_of_the_jobs_own_budget(radio: Site) -> None:
    radio.submit("disturbed", **MEDIUM)
    radio.wait_for_progress("disturbed")

    radio.client.kubectl("delete", "pod", radio.attempt("disturbed").pod_name)

    status = radio.wait_for_end("disturbed")
    record = status.attempts[0]
    assert (record.reason, record.exit_code, record.retry_class) == ("PodDeleted", 85, RetryClass.USER)
    assert (status.retries.infra, status.retries.user, status.attempt_text) == (0, 1, "2/3")
    assert (status.phase, len(status.attempts)) == (Phase.SUCCEEDED, 2)


def test_the_end_of_the_operator_that_acts_does_not_touch_a_running_job(radio: Site) -> None:
    """The other, which stood by, goes on at once."""
    radio.submit("undisturbed", **MEDIUM)
    radio.wait_for_progress("undisturbed")
    before, operator = radio.pod("undisturbed"), radio.operator_pod()

    radio.operator.kubectl("delete", "pod", operator["metadata"]["name"])

    status, attempt = ended(radio, "undisturbed")
    assert radio.operator_pod()["metadata"]["uid"] != operator["metadata"]["uid"]
    assert (status.phase, attempt.number, attempt.pod_uid) == (Phase.SUCCEEDED, 1, before["metadata"]["uid"])


def test_deleting_a_running_job_deletes_its_pod(radio: Site) -> None:
    radio.submit("unwanted", **LONG)
    radio.wait_for_progress("unwanted")
    pod = radio.attempt("unwanted").pod_name

    radio.client.kubectl("delete", JOB, "unwanted")

    wait_until(lambda: radio.client.find("pod", pod) is None, what="the end of the pod")
    assert json.loads((radio.results("unwanted.partial") / "manifest.json").read_text())["reason"] == "Interrupted"


def test_a_job_that_passes_its_soft_limit_keeps_what_is_complete(radio: Site) -> None:
    status, attempt = ended(radio, "lengthy")

    assert (status.phase, status.reason, attempt.exit_code) == (Phase.FAILED, "SoftTimeLimitExceeded", 84)
    assert (attempt.number, attempt.retry_class) == (1, RetryClass.FATAL)
    assert "exceeded soft time limit" in (status.message or "")
    manifest = radio.manifest("lengthy.partial")
    assert (manifest["complete"], manifest["reason"]) == (False, "SoftTimeLimitExceeded")
    assert 0 < manifest["columnsDone"] < manifest["columns"]
    with np.load(radio.results("lengthy.partial") / "spectrogram.npz") as arrays:
        assert arrays["max"].shape[1] == len(arrays["time"]) == manifest["columnsDone"]
    assert {output.path.partition("/")[0] for output in status.outputs} == {"lengthy.partial"}
    assert not radio.results("lengthy").exists()
    log = radio.client.kubectl("logs", attempt.pod_name)
    assert "Job radio/lengthy: Job exceeded soft time limit during spectrogram generation" in log


def test_a_worker_that_reacts_to_nothing_is_killed_at_its_hard_limit(radio: Site) -> None:
    status, attempt = ended(radio, "frozen")

    assert (status.phase, status.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert (attempt.number, attempt.exit_code, attempt.retry_class) == (1, 137, RetryClass.FATAL)
    assert "exceeded hard time limit" in (status.message or "")
    pod = radio.pod("frozen")
    assert (pod["spec"]["activeDeadlineSeconds"], pod["status"]["reason"]) == (90, "DeadlineExceeded")
    assert not radio.results("frozen").exists()
