"""`spectrogram estimate`: what is said of a job before it is submitted, with a recording at hand and without one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pods.jobs import job_body
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.reading.job_file import JobFile
from spectrogram_operator.cli.without_cluster.estimate import Estimate, estimate
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract.measured import Measured
from spectrogram_worker.contract.report import Dataset
from unit.operator.cli.command_line import spectrogram, write_job
from unit.operator.cli.without_cluster.test_run_for_real import RAW, write_recording

RECORDING = {"claimName": "recordings", "path": "fm.drf"}


def estimated(measured: Measured | None = None, policy: Policy | None = None, **spec: Any) -> Estimate:
    return estimate(JobFile.model_validate(job_body(**spec)), policy or Policy(), measured)


def measured_with(size: int) -> Measured:
    dataset = Dataset(bytes=size, samples=size // 4, sample_rate=1e6)
    return Measured(format="Raw", is_complex=True, is_compressed=False, kept_bins=1024, dataset=dataset)


def test_it_measures_what_a_run_reads(tmp_path: Path) -> None:
    file = write_recording(tmp_path)
    before = spectrogram("estimate", file)
    assert before.returncode == 0, before.stderr
    lines = dict(line.split(maxsplit=1) for line in before.stdout.splitlines() if not line.startswith(" "))
    ran = spectrogram("run", file).stdout.splitlines()
    (dataset,) = [line.split(maxsplit=1)[1] for line in ran if line.startswith("Dataset ")]
    assert lines["Recording"] == f"Raw, {dataset}"
    assert lines["Queue"] == "default"
    assert lines["Memory"].endswith("of 1Gi (9%, low)")
    assert lines["Time"] == "it stops in order after 10 min 0 s, its pod is killed after 15 min 0 s"


def test_for_programs(tmp_path: Path) -> None:
    file = write_recording(tmp_path)
    short = {"claimName": "recordings", "path": "fm.cf32", "raw": RAW, "range": {"samples": 100_001}}
    file.write_text(
        yaml.safe_dump_all(
            [job_body("whole", input=short), job_body("missing", input=RECORDING | {"claimName": "none"})]
        )
    )
    limits = {"CELERY_WORKER_MAX_MEMORY_PER_CHILD": str(128 * 2**20), "CELERY_TASK_TIME_LIMIT": "1000"}
    done = spectrogram("estimate", file, "-o", "json", **limits)
    measured, unmeasured = json.loads(done.stdout)
    assert measured["dataset"]["samples"] == 100_000
    assert measured["warnings"] == [
        "input.range reaches 1 samples past the end of the recording (100000 samples): it is clipped to 100000 samples"
    ]
    memory = measured["memory"]
    assert (memory["limitBytes"], memory["level"]) == (128 * 2**20, "moderate")
    assert memory["parts"]["process"] < memory["estimateBytes"] < unmeasured["memory"]["estimateBytes"]
    assert measured["timeLimits"] == {"softSeconds": 600, "hardSeconds": 1000}
    assert "/none, the folder of the claim none, does not exist" in unmeasured["unmeasured"]
    assert yaml.safe_load(spectrogram("estimate", file, "-o", "yaml", **limits).stdout) == [measured, unmeasured]


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("nothing.iq", None, 66, "fm-band: input.path: there is no nothing.iq: check the path and the claim"),
        ("short.cf32", bytes(80), 65, "fm-band: the selected range has 10 samples, fewer than the window's 1024"),
        ("music.wav", b"RIFF\x24\0\0\0WAVEfmt ", 65, "music.wav"),
    ],
)
def test_a_recording_that_cannot_be_used(
    tmp_path: Path, name: str, content: bytes | None, code: int, words: str
) -> None:
    source = {"claimName": "recordings", "path": name} | ({"raw": RAW} if name.endswith("cf32") else {})
    file = write_job(tmp_path, name, input=source)
    if content is not None:
        (tmp_path / "recordings" / name).write_bytes(content)
    done = spectrogram("estimate", file)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "No such file or directory"),
        ("kind: Pod", 64, "write apiVersion: spectrogram.dev/v1beta1"),
        (yaml.safe_dump(job_body(transform={"fftsize": 9})), 64, "did you mean fftSize?"),
        (yaml.safe_dump(job_body(resources={"memory": "1Ti"})), 64, "1Ti is more than the 16Gi that pods of the queue"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str | None, code: int, words: str) -> None:
    file = tmp_path / "job.yaml"
    if text is not None:
        file.write_text(text)
    done = spectrogram("estimate", file)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert words in done.stderr


def test_a_web_address_is_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(job_body(input={"url": "https://radio.example.org/fm.wav"})))
    done = spectrogram("estimate", file)
    assert done.returncode == 0
    assert "not measured, so this is the most that can be: a web address is not asked" in done.stdout


def test_the_queue_is_the_one_that_the_job_ends_up_in() -> None:
    assert estimated(measured_with(500_000_000)).queue == "default"
    large = estimated(measured_with(500_000_001))
    assert (large.queue, large.limit) == ("large_jobs", 4 * 2**30)
    assert estimated(measured_with(500_000_001), queue="default").queue == "default"
    assert estimated(input=RECORDING | {"size": "1Gi"}).queue == "large_jobs"


def test_a_need_that_is_high_comes_with_a_memory_that_is_enough() -> None:
    tight = estimated(resources={"memory": "112Mi"})
    assert tight.level == "high"
    roomy = estimated(resources={"memory": str(tight.enough)})
    assert (roomy.plan, roomy.level) == (tight.plan, "moderate")


def test_memory_that_follows_from_the_estimate_is_shown_as_that(tmp_path: Path) -> None:
    auto = estimated(resources={"memory": "auto"})
    assert (auto.limit, auto.level, auto.auto) == (auto.enough, "moderate", True)
    with_pool = Policy(pools={**Policy().pools, "default": replace(Policy().pools["default"], auto_memory=True)})
    assert estimated(policy=with_pool).limit == auto.limit
    assert not estimated(policy=with_pool, resources={"memory": "1Gi"}).auto

    file = write_job(tmp_path, "", input=RECORDING | {"claimName": "none"}, resources={"memory": "auto"})
    done = spectrogram("estimate", file)
    assert "of 128Mi (79%, moderate)" in done.stdout, done.stdout + done.stderr
    assert "auto: the limit is for the most that can be" in done.stdout
    (one,) = json.loads(spectrogram("estimate", file, "-o", "json").stdout)
    assert (one["memory"]["limitBytes"], one["memory"]["auto"]) == (128 * 2**20, True)


def test_a_store_that_is_no_claim_is_read_ahead() -> None:
    source = {"store": "archive", "path": "fm.wav", "format": "Audio"}
    claim = Policy(stores={"archive": Store(claim_name="archive")})
    assert estimated(input=source).plan.read_ahead > 0
    assert estimated(policy=claim, input=source).plan.read_ahead == 0


def test_memory_that_no_pod_may_have_is_refused() -> None:
    with pytest.raises(CommandError, match=r"fm-band: .* 32Gi is more than the 16Gi"):
        estimated(resources={"memory": "32Gi"})
