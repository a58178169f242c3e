"""The alerts: each fires when it should and is silent when not, by Prometheus' own promtool; what they ask for exists,
and each has its page.
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.pages import metrics
from spectrogram_operator.api.reasons import REASONS
from spectrogram_operator.telemetry.metrics import ZOMBIE_REASONS
from unit.operator.chart.rendering import CHART, ROOT, RefusedError, render, the

RULES = CHART / "files" / "rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
MONITORING = "--api-versions=monitoring.coreos.com/v1"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}

Series = dict[str, str]
"""Values each minute, in promtool's notation, by series: 0x9 is ten zeros."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert. `minutes`: when to look. `labels` are those of the alert that fires, besides name and severity."""

    minutes: int
    fires: Series
    labels: dict[str, str] = field(default_factory=dict)
    description: str
    silent: dict[str, Series]


def finished(failed: str, succeeded: str) -> Series:
    labels = 'namespace="radio",queue="default"'
    return {
        f'spectrogram_jobs_finished_total{{{labels},result="failed",reason="IOError"}}': failed,
        f'spectrogram_jobs_finished_total{{{labels},result="succeeded",reason="Completed"}}': succeeded,
        f'spectrogram_jobs_finished_total{{{labels},result="cancelled",reason="Cancelled"}}': "0x9 50x300",
    }


def histogram(name: str, labels: str, below: dict[str, int]) -> Series:
    """A histogram that stands at zero for ten minutes, then at these counts."""
    comma = "," if labels else ""
    buckets = {f'{name}_bucket{{{labels}{comma}le="{le}"}}': f"0x9 {count}x600" for le, count in below.items()}
    return {**buckets, f"{name}_count{{{labels}}}" if labels else f"{name}_count": f"0x9 {below['+Inf']}x600"}


def of(operator: str, series: str) -> str:
    """The series as this operator's, of several that are scraped."""
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{{labels}{"," if labels else ""}instance="{operator}"}}'


def zombies(reason: str, values: str = "0x9 1x100") -> Series:
    return {f'spectrogram_zombie_jobs_total{{namespace="radio",reason="{reason}"}}': values}


WAITS, RATIOS = "spectrogram_queue_wait_seconds", "spectrogram_job_memory_estimate_ratio"
SKEW = "spectrogram_clock_skew_seconds"
SWEPT = "spectrogram_sweep_last_success_timestamp_seconds"
LEADER = 'spectrogram_operator_leader{namespace="radio"}'
ERRORS = 'spectrogram_operator_reconcile_duration_seconds_count{result="error"}'
SAFEGUARD = 'spectrogram_memory_safeguard_triggers_total{namespace="radio"}'
OVERDUE = 'spectrogram_jobs_overdue{namespace="radio",queue="default"}'
QUEUED = 'spectrogram_jobs{namespace="radio",queue="default",phase="Queued"}'
CASES = {
    "SpectrogramOperatorDown": Case(
        minutes=25,
        fires={"spectrogram_operator_build_info": "1x9 stale"},
        description="Jobs neither start nor end in status until it is back. What runs goes on.",
        silent={
            "it is there": {"spectrogram_operator_build_info": "1x100"},
            "a restart": {"spectrogram_operator_build_info": "1x9 stale _x5 1x100"},
        },
    ),
    "SpectrogramNoLeader": Case(
        minutes=20,
        fires={of("a", LEADER): "1x9 0x100", of("b", LEADER): "0x100"},
        labels={"namespace": "radio"},
        description="Operators run, and none has the Lease. Jobs neither start nor end in status. What runs goes on.",
        silent={
            "one of two acts": {of("a", LEADER): "0x100", of("b", LEADER): "1x100"},
            "another takes over": {of("a", LEADER): "1x15 stale", of("b", LEADER): "0x17 1x100"},
            "another release acts": {of("a", LEADER): "0x100", of("c", LEADER): "1x100"},
        },
    ),
    "SpectrogramReconcileErrors": Case(
        minutes=60,
        fires={ERRORS: "0+1x100"},
        description="15 looks have failed within 15 minutes. The operator's log says why.",
        silent={"now and again": {ERRORS: "0+0.5x100"}, "at once": {ERRORS: "0x49 30x100"}},
    ),
    "SpectrogramSweepStalled": Case(
        minutes=30,
        fires={
            of("a", SWEPT): "0+0x100",
            of("a", LEADER): "1x100",
            of("b", SWEPT): "0+60x100",
            of("b", LEADER): "0x100",
        },
        description="The last success was 30m 0s ago. Pods that vanished are noticed late until the next.",
        silent={
            "it succeeds": {of("a", SWEPT): "0+60x100", of("a", LEADER): "1x100"},
            "that of the one that acts does": {
                of("a", SWEPT): "0x100",
                of("a", LEADER): "0x100",
                of("b", SWEPT): "0+60x100",
                of("b", LEADER): "1x100",
            },
        },
    ),
    "SpectrogramClockWrong": Case(
        minutes=30,
        fires={of("a", SKEW): "-7200x100", of("b", SKEW): "0x100"},
        labels={"instance": "a"},
        description="It differs by 2h 0m 0s from the API server's, which the operator goes by.",
        silent={"nearly right": {of("a", SKEW): "-29x100"}, "for a moment": {of("a", SKEW): "0x19 7200x5 0x100"}},
    ),
    "SpectrogramJobFailureRateHigh": Case(
        minutes=30,
        fires=finished(failed="0x9 8x100", succeeded="0x9 12x100"),
        labels={"namespace": "radio"},
        description="40% of those that ended within an hour failed, of ten or more.",
        silent={
            "few": finished(failed="0x9 8x100", succeeded="0x100"),
            "most succeed": finished(failed="0x9 4x100", succeeded="0x9 16x100"),
        },
    ),
    "SpectrogramJobsOOMKilled": Case(
        minutes=12,
        fires={**zombies("OOMKilled"), **zombies("SuspectedOOM")},
        labels={"namespace": "radio"},
        description="2 within 15 minutes. Such jobs need more memory, or less of the recording.",
        silent={"none": zombies("OOMKilled", "3x100"), "another reason": zombies("PodMissing")},
    ),
    "SpectrogramZombieJobsDetected": Case(
        minutes=12,
        fires=zombies("PodMissing"),
        labels={"namespace": "radio", "reason": "PodMissing"},
        description="1 within 15 minutes, reason PodMissing.",
        silent={"none": zombies("PodMissing", "3x100"), "the other alert": zombies("OOMKilled")},
    ),
    "SpectrogramMemorySafeguardTriggered": Case(
        minutes=12,
        fires={SAFEGUARD: "0x9 1x100"},
        labels={"namespace": "radio"},
        description="1 within 15 minutes. Such jobs need more memory, or less of the recording.",
        silent={"none": {SAFEGUARD: "7x100"}},
    ),
    "SpectrogramQueueBacklog": Case(
        minutes=60,
        fires={QUEUED: "101x100", QUEUED.replace("}", ',pod="second"}'): "101x100"},
        labels={"namespace": "radio", "queue": "default"},
        description="101 have not started.",
        silent={
            "a hundred": {QUEUED: "100x100"},
            "seen by two operators": {QUEUED: "60x100", QUEUED.replace("}", ',pod="second"}'): "60x100"},
            "for a while": {QUEUED: "0x39 500x100"},
            "they run": {QUEUED.replace("Queued", "Running"): "500x100"},
        },
    ),
    "SpectrogramQueueWaitHigh": Case(
        minutes=40,
        fires=histogram(WAITS, 'queue="default"', {"1800": 0, "3600": 0, "10800": 20, "+Inf": 20}),
        labels={"queue": "default"},
        description="One in twenty of those that started within an hour had waited 2h 54m 0s.",
        silent={
            "few": histogram(WAITS, 'queue="default"', {"1800": 0, "3600": 0, "10800": 5, "+Inf": 5}),
            "short": histogram(WAITS, 'queue="default"', {"1800": 20, "3600": 20, "10800": 20, "+Inf": 20}),
        },
    ),
    "SpectrogramJobStuckRunning": Case(
        minutes=30,
        fires={OVERDUE: "0x5 2x100", OVERDUE.replace("}", ',pod="second"}'): "2x100"},
        labels={"namespace": "radio", "queue": "default"},
        description="The pods of 2 are neither ended nor gone. They hold slots of the queue default.",
        silent={"none": {OVERDUE: "0x100"}, "about to end": {OVERDUE: "0x24 1x100"}},
    ),
    "SpectrogramMemoryEstimateWrong": Case(
        minutes=90,
        fires=histogram(RATIOS, "", {"1": 0, "1.2": 0, "1.5": 20, "2": 20, "+Inf": 20}),
        description="One in ten of those that ended within six hours used 147% of it.",
        silent={
            "few": histogram(RATIOS, "", {"1": 0, "1.2": 0, "1.5": 5, "2": 5, "+Inf": 5}),
            "right": histogram(RATIOS, "", {"1": 18, "1.2": 20, "1.5": 20, "2": 20, "+Inf": 20}),
        },
    ),
}


def judge(promtool: Path, folder: Path, alert: str, minutes: int, series: Series, expected: list[Any]) -> None:
    """Fails with promtool's words where not exactly the expected alerts of this name fire."""
    at = {"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": expected}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": [at]}
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules(promtool: Path) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True)
    assert (done.returncode, "13 rules found" in done.stdout) == (0, True), done.stdout + done.stderr


def test_each_alert_has_its_cases() -> None:
    assert ALERTS.keys() == CASES.keys()


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires(alert: str, promtool: Path, tmp_path: Path) -> None:
    case, rule = CASES[alert], ALERTS[alert]
    summary = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels[found[1]], rule["annotations"]["summary"])
    said = {**rule["annotations"], "summary": summary, "description": case.description}
    expected = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": said}
    judge(promtool, tmp_path, alert, case.minutes, case.fires, [expected])


@pytest.mark.parametrize(("alert", "why"), [(alert, why) for alert, case in CASES.items() for why in case.silent])
def test_an_alert_is_silent(alert: str, why: str, promtool: Path, tmp_path: Path) -> None:
    case = CASES[alert]
    judge(promtool, tmp_path, alert, case.minutes, case.silent[why], [])


# What they ask for


def series_served() -> set[str]:
    """The names of all series that operator and workers serve."""
    families = [*metrics.operator_metrics(), *metrics.worker_metrics()]
    return {sample.name for family in families for sample in family.samples}


@pytest.mark.parametrize("file", ["rules.yaml", "dashboard.json"])
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(file: str) -> None:
    asked = set(re.findall(r"\b(?:spectrogram|process)_\w+", (CHART / "files" / file).read_text()))
    assert asked
    assert asked <= series_served()


@pytest.mark.parametrize("alert", ALERTS)
def test_the_labels_that_an_alert_selects_by_can_come_up(alert: str) -> None:
    selected = re.findall(r'(result|reason|phase)(=~|!~|=)"([^"]+)"', ALERTS[alert]["expr"])
    values = {
        sample.labels.get(name)
        for f in metrics.operator_metrics()
        for sample in f.samples
        for name in ("result", "reason", "phase")
    }
    for _, _, pattern in selected:
        assert [value for value in values if value and re.fullmatch(pattern, value)], pattern


def test_a_zombie_is_told_by_one_alert_only_and_by_the_right_one() -> None:
    of_memory = {reason for reason in ZOMBIE_REASONS if re.fullmatch(".*OOM.*", reason)}
    assert of_memory == {reason for reason in ZOMBIE_REASONS if reason in REASONS and "kill" in REASONS[reason].meaning}


# Values of the chart


def rules_of(**values: Any) -> dict[str, dict[str, Any]]:
    chart = the(render({"prometheusRule": {"enabled": True, **values}}, MONITORING), "PrometheusRule")
    return {rule["alert"]: rule for group in chart["spec"]["groups"] for rule in group["rules"]}


def test_without_other_values_the_rules_are_those_of_the_file() -> None:
    assert rules_of() == ALERTS
    assert rules_of(alerts=None) == ALERTS


@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - {"SpectrogramOperatorDown", "SpectrogramNoLeader"}))
@pytest.mark.parametrize("threshold", [0, 0.5, 7, 12500000])
def test_a_threshold_is_a_value(alert: str, threshold: float) -> None:
    found = rules_of(alerts={alert: {"threshold": threshold}})[alert]["expr"]
    kept, _, number = found.rpartition(" ")
    assert float(number) == threshold
    assert kept == ALERTS[alert]["expr"].rpartition(" ")[0]


def test_duration_severity_and_whether_there_is_an_alert_are_values() -> None:
    said = {"for": "1h30m", "severity": "info"}
    found = rules_of(alerts={"SpectrogramQueueBacklog": said, "SpectrogramJobsOOMKilled": {"enabled": False}})
    assert (found["SpectrogramQueueBacklog"]["for"], found["SpectrogramQueueBacklog"]["labels"]) == (
        "1h30m",
        {"severity": "info"},
    )
    assert ALERTS.keys() - found.keys() == {"SpectrogramJobsOOMKilled"}


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ({"SpectrogramJobsOOM": {}}, "SpectrogramJobsOOM"),
        ({"SpectrogramOperatorDown": {"threshold": 1}}, "threshold"),
        ({"SpectrogramNoLeader": {"threshold": 1}}, "threshold"),
        ({"SpectrogramQueueBacklog": {"threshold": "many"}}, "SpectrogramQueueBacklog"),
        ({"SpectrogramQueueBacklog": {"threshold": -1}}, "SpectrogramQueueBacklog"),
        ({"SpectrogramQueueBacklog": {"for": "10 minutes"}}, "SpectrogramQueueBacklog"),
        ({"SpectrogramQueueBacklog": {"severity": "bad"}}, "SpectrogramQueueBacklog"),
    ],
)
def test_a_wrong_value_of_an_alert_is_refused(alerts: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        rules_of(alerts=alerts)


# Runbooks


def test_the_runbooks_are_where_a_value_says() -> None:
    for alert, rule in rules_of(runbookUrl="https://wiki.example.org/radio/").items():
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.org/radio/{alert}.md"
    assert not [rule for rule in rules_of(runbookUrl="").values() if "runbook_url" in rule["annotations"]]


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == ALERTS.keys()
    assert all(rule["annotations"]["runbook_url"].endswith(f"/runbooks/{alert}.md") for alert, rule in ALERTS.items())


@pytest.mark.parametrize("alert", ALERTS)
def test_a_page_has_its_four_parts_in_order(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    parts = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) >= 8 for part in parts)
    assert "```sh\n" in parts[2]
    asked = set(re.findall(r"spectrogram_\w+", text))
    assert asked <= series_served() | {family.partition("{")[0] for family in series_served()}
