"""The definition on a real API server: what of a spec may change later."""

import re

import pytest
import yaml

from cluster.api import Api, ApiError, Body
from cluster.crd.specs import CRD_SPEC, IMMUTABLE, ONE_WAY, SIX_LINES, document, named

CHANGES = {
    "input": {"path": "other.drf"},
    "transform": {"fftSize": 512},
    "reduce": {"columns": 100},
    "frequencyRange": {"lower": 1, "upper": 2},
    "output": {"path": "elsewhere"},
    "resources": {"memory": "2Gi"},
    "timeLimits": {"hardSeconds": 1000},
    "chunking": {"mode": "never"},
    "queue": "large_jobs",
    "queueName": "team-b",
    "retry": {"limit": 5},
}
FULL = """
frequencyRange: {lower: 0, upper: 5}
resources: {memory: 1Gi}
timeLimits: {softSeconds: 60}
queueName: team-a
"""


def test_what_decides_the_result_cannot_be_changed_added_or_removed(api: Api) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    full = document(FULL)
    full["metadata"]["name"] = "full"
    api.create("spectrogramjobs", full)
    for field, change in CHANGES.items():
        for name in ("fm-band", "full"):
            refusal = refusal_of_change(api, name, {field: change})
            assert IMMUTABLE in refusal, (name, field)
            assert re.search(rf"spec\.{field}[.:]", refusal), (name, field)
    for field in ("frequencyRange", "resources", "timeLimits"):
        assert re.search(named(f"spec.{field}", IMMUTABLE), refusal_of_change(api, "full", {field: None}))
    for change in (
        {"input": {"claimName": None, "store": "archive"}},
        {"input": {"claimName": None, "path": None, "url": "https://a/b"}},
        {"output": {"claimName": None, "store": "results"}},
    ):
        assert IMMUTABLE in refusal_of_change(api, "fm-band", change), change
    deep: dict[str, Body] = {
        "transform.window.length": {"transform": {"window": {"length": 512}}},
        "transform.fftSize": {"transform": {"fftSize": 512}},
        "output.image.dbRange": {"output": {"image": {"dbRange": {"min": 0, "max": 1}}}},
    }
    for field, change in deep.items():
        assert f"spec.{field}: " in refusal_of_change(api, "full", change)
    may_change = {"suspend", "cancelled", "priority", "ttlSecondsAfterFinished"}
    assert set(CHANGES) == set(CRD_SPEC["properties"]) - may_change


def test_what_may_be_changed_can_be_changed_and_cancelled_only_once(api: Api) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    for ttl in (60, 0, None):
        api.patch("spectrogramjobs", "fm-band", {"spec": {"ttlSecondsAfterFinished": ttl}})
    for change in ({"priority": 5}, {"suspend": True}, {"suspend": False}, {"cancelled": False}, {"cancelled": True}):
        api.patch("spectrogramjobs", "fm-band", {"spec": change})
    for back in (False, None):
        assert ONE_WAY in refusal_of_change(api, "fm-band", {"cancelled": back})


def refusal_of_change(api: Api, name: str, spec: Body) -> str:
    with pytest.raises(ApiError) as caught:
        api.patch("spectrogramjobs", name, {"spec": spec})
    assert caught.value.code == 422
    return caught.value.message
