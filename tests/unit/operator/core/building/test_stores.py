"""Stores and web addresses as the planner judges them: what is refused at once, and what is waited for."""

from dataclasses import replace
from typing import Any

import pytest

from spectrogram_operator.api.status import Phase, RetryClass
from spectrogram_operator.core.building.stores import claims, refused_places
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract.document import Bucket
from unit.operator.core.play import REFUSED, Play, build_job, created, events


def s3(name: str, account: str = "") -> Store:
    return Store(bucket=Bucket(store=name, bucket="radio"), credentials_secret=f"{name}-keys", service_account=account)


POLICY = Policy(
    stores={
        "archive": s3("archive"),
        "results": Store(claim_name="team-results"),
        "north": s3("north", "north-reader"),
        "south": s3("south", "south-writer"),
    },
    allowed_url_hosts=("data.example.org", "*.sdr.example:8443"),
)
CLAIM = {"claimName": "mine"}
ALLOWS = "the platform team allows hosts in the chart's allowedUrlHosts, which"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ({"store": "archive", "path": "fm"}, {"store": "results"}, ""),
        ({"store": "archive", "path": "fm"}, {"store": "archive"}, ""),
        ({"store": "north", "path": "fm"}, {"store": "north"}, ""),
        ({"store": "north", "path": "fm"}, {"store": "archive"}, ""),
        ({"url": "https://DATA.example.org/fm.wav"}, CLAIM, ""),
        ({"url": "https://a.sdr.example:8443/fm.wav"}, {"store": "south"}, ""),
        (
            {"store": "archve", "path": "fm"},
            CLAIM,
            "spec.input.store: no store archve: the platform team has named archive, north, results, south",
        ),
        (
            {"claimName": "mine", "path": "fm"},
            {"store": "result"},
            "spec.output.store: no store result: the platform team has named archive, north, results, south",
        ),
        (
            {"store": "north", "path": "fm"},
            {"store": "south"},
            "the stores north and south need different service accounts, north-reader and south-writer, and a pod has"
            " one: read and write in stores of one account",
        ),
        (
            {"url": "https://Evil.example/fm.wav"},
            CLAIM,
            f"spec.input.url: the host evil.example is not allowed: {ALLOWS} has data.example.org, *.sdr.example:8443",
        ),
        (
            {"url": "https://data.example.org:8443/fm.wav"},
            CLAIM,
            "spec.input.url: the host data.example.org:8443 is not allowed:"
            f" {ALLOWS} has data.example.org, *.sdr.example:8443",
        ),
    ],
)
def test_what_cannot_be_had_fails_the_job_at_once(source: dict[str, Any], target: dict[str, Any], message: str) -> None:
    play = Play(POLICY, input=source, output=target)
    result = play.step(turn=REFUSED)  # no matter how long the queue is
    if not message:
        assert play.status.phase is Phase.QUEUED
        return
    assert (play.status.phase, play.status.reason, play.status.message) == (Phase.FAILED, "InvalidSpec", message)
    assert (created(result), events(result), play.status.attempt) == ([], ["InvalidSpec"], 0)
    assert play.holds("Accepted") == "False InvalidSpec"


def test_a_platform_team_that_has_named_nothing() -> None:
    play = Play(input={"store": "archive", "path": "fm"})
    play.step()
    assert (
        play.status.message
        == "spec.input.store: no store archive: the platform team has named none in the chart's stores"
    )
    play = Play(input={"url": "https://data.example.org/fm.wav"})
    play.step()
    assert play.status.message == f"spec.input.url: the host data.example.org is not allowed: {ALLOWS} is empty"


def test_a_long_list_is_cut() -> None:
    stores = {f"store-{number:02}": s3("x") for number in range(30)}
    spec = build_job(input={"store": "archive", "path": "fm"}).spec
    message = refused_places(spec, replace(POLICY, stores=stores))
    assert message.endswith("has named " + ", ".join(sorted(stores)[:10]) + ", …")


def test_a_store_that_is_taken_away_fails_the_attempt_that_has_no_pod_yet_and_no_other() -> None:
    source = {"store": "archive", "path": "fm"}
    for shown, phase in (("running", Phase.RUNNING), ("", Phase.FAILED)):
        play = Play(POLICY, input=source)
        play.step()
        if shown:
            play.see(shown)
        play.policy = replace(POLICY, stores={})
        result = play.see(shown, after=60) if shown else play.miss()
        assert (play.status.phase, created(result)) == (phase, [])
    assert (play.attempt().reason, play.attempt().retry_class) == ("InvalidSpec", RetryClass.FATAL)
    assert play.status.message is not None
    assert "spec.input.store: no store archive" in play.status.message


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ({"claimName": "a", "path": "fm"}, {"claimName": "b"}, {"a": "", "b": ""}),
        ({"claimName": "a", "path": "fm"}, {"store": "results"}, {"a": "", "team-results": "results"}),
        ({"store": "results", "path": "fm"}, {"store": "results"}, {"team-results": "results"}),
        ({"store": "archive", "path": "fm"}, {"store": "archive"}, {}),
        ({"url": "https://a/b"}, {"store": "nobody-s"}, {}),
    ],
)
def test_the_claims_that_must_exist(source: dict[str, Any], target: dict[str, Any], expected: dict[str, str]) -> None:
    spec = build_job(input=source, output=target).spec
    assert claims(spec, POLICY) == expected


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("mine",), "no PersistentVolumeClaim mine in the namespace radio: create it, or correct claimName"),
        (
            ("team-results",),
            "no PersistentVolumeClaim team-results (the store results) in the namespace radio:"
            " create it, or name another store",
        ),
        (
            ("mine", "team-results"),
            "no PersistentVolumeClaim mine and team-results (the store results) in the namespace radio:"
            " create it, or name another store",
        ),
    ],
)
def test_a_missing_claim_is_awaited_and_its_store_named(missing: tuple[str, ...], words: str) -> None:
    play = Play(POLICY, input={"claimName": "mine", "path": "fm"}, output={"store": "results"})
    play.step(missing_claims=missing)
    assert (play.status.phase, play.status.reason, play.status.message) == (Phase.PENDING, "PVCNotFound", words)
    assert created(play.step(after=60, missing_claims=())) != []
