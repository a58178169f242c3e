"""The dashboard, as dashboards should be: what it shows of a real operator is a test of the cluster tier.

These are the rules that Grafana's dashboard-linter publishes, under its names in the table below, and some of our own.
"""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from unit.operator.chart.rendering import CHART

DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
UNITS = {"short", "percentunit", "s", "bytes", "ops", "reqps"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = DASHBOARD["templating"]["list"]
PER_INTERVAL = re.compile(r"\b(rate|increase|irate|delta)\([^\[]*\[([^\]]+)\]")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_title_a_unit_a_description_and_the_chosen_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    assert all(source == SOURCE for source in (panel["datasource"], *(one["datasource"] for one in panel["targets"])))
    assert all(target["legendFormat"] for target in panel["targets"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_have_numbers_of_their_own_and_cover_none_of_the_others() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart
        assert one["x"] + one["w"] <= 24


@pytest.mark.parametrize("expression", [target["expr"] for target in TARGETS])
def test_what_is_counted_is_counted_over_an_interval_that_fits_the_picture(expression: str) -> None:
    assert all(interval in ("$__rate_interval", "$__range") for _, interval in PER_INTERVAL.findall(expression))
    counters = re.findall(r"\w+_(?:total|bucket|count)\b", expression)
    assert len(PER_INTERVAL.findall(expression)) == len(counters)
    assert set(re.findall(r"\$(\w+)", expression)) <= {"namespace", "queue", "__rate_interval", "__range"}


def test_its_variables_are_asked_for_anew_and_offer_everything() -> None:
    source, *chosen = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert [entry["name"] for entry in chosen] == ["namespace", "queue"]
    assert all(
        (one["refresh"], one["includeAll"], one["multi"], one["allValue"]) == (2, True, True, ".*") for one in chosen
    )


def has_variable(name: str) -> bool:
    return any(variable["name"] == name for variable in VARIABLES)


def counters_without_rate() -> list[str]:
    """Selectors of a counter that stand in no rate, irate or increase."""
    within = re.compile(r"\b(?:rate|irate|increase)\(\w+_total(?:\{[^}]*\})?\[")
    return [expr for expr in (target["expr"] for target in TARGETS) if re.search(r"_total\b", within.sub("", expr))]


LINTED = {
    "template-datasource-rule": (VARIABLES[0]["name"], VARIABLES[0]["label"]) == ("datasource", "Data source"),
    "template-label-promql-rule": all(
        re.fullmatch(r"label_values\([a-z_]+, [a-z]+\)", variable["query"]) for variable in VARIABLES[1:]
    ),
    "template-on-time-change-reload-rule": all(variable["refresh"] == 2 for variable in VARIABLES[1:]),
    "panel-datasource-rule": all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS),
    "panel-title-description-rule": all(panel["title"] and panel["description"] for panel in PANELS),
    "panel-units-rule": all(panel["fieldConfig"]["defaults"]["unit"] in UNITS for panel in PANELS),
    "panel-no-targets-rule": all(panel["targets"] for panel in PANELS),
    "target-rate-interval-rule": all(
        interval == "$__rate_interval"
        for target in TARGETS
        for function, interval in PER_INTERVAL.findall(target["expr"])
        if function in ("rate", "irate")
    ),
    "target-counter-agg-rule": not counters_without_rate(),
    "uneditable-dashboard": not DASHBOARD["editable"],
    # What counts all operators together, by namespace and queue, has no use for a choice of job and instance.
    "template-job-rule, target-job-rule": not has_variable("job"),
    "template-instance-rule, target-instance-rule": not has_variable("instance"),
}
"""Without target-promql-rule, which the cluster tier shows on a real Prometheus, and what is about logs."""


@pytest.mark.parametrize("rule", LINTED)
def test_it_keeps_to_dashboard_linter_s_rules_or_says_why_not(rule: str) -> None:
    assert LINTED[rule]


def test_it_is_always_the_same_and_belongs_to_the_chart() -> None:
    assert DASHBOARD["uid"] == "spectrogram-operator"
    assert DASHBOARD["editable"] is False
