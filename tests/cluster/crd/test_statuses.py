"""The definition on a real API server: what is over stays as it is."""

import pytest
import yaml

from cluster.api import Api, ApiError, Body
from cluster.crd.specs import SIX_LINES


def condition(kind: str, status: str = "True") -> Body:
    when = "2026-11-01T12:00:00Z"
    return {"type": kind, "status": status, "reason": "Because", "message": "", "lastTransitionTime": when}


OVER: Body = {
    "phase": "Succeeded",
    "attempt": 2,
    "completionTime": "2026-11-01T12:00:00Z",
    "conditions": [condition("Accepted"), condition("Complete")],
}
FINAL = "a finished job stays as it is"
KEPT = "cannot be removed"


STICKY: list[tuple[Body | None, str]] = [
    ({"phase": "Failed"}, f"{FINAL}: its phase is final"),
    ({"phase": None}, f"phase {KEPT}"),
    ({"completionTime": "2026-11-01T12:00:01Z"}, "completionTime is final"),
    ({"completionTime": None}, f"completionTime {KEPT}"),
    ({"attempt": 1}, "attempt only rises"),
    ({"attempt": None}, f"attempt {KEPT}"),
    ({"conditions": []}, f"the conditions Complete and Failed are final: {FINAL}"),
    ({"conditions": None}, f"conditions {KEPT}"),
    ({"conditions": [condition("Complete", "False")]}, f"the conditions Complete and Failed are final: {FINAL}"),
    ({"conditions": [condition("Complete"), condition("Failed")]}, "a job is Complete or Failed, never both"),
    (None, "status cannot be removed"),
]


def test_a_finished_job_stays_as_it_is(api: Api) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    stored = api.patch("spectrogramjobs", "fm-band", {"status": OVER}, subresource="status")
    for change, words in STICKY:
        with pytest.raises(ApiError) as patched:
            api.patch("spectrogramjobs", "fm-band", {"status": change}, subresource="status")
        assert words in patched.value.message, change
        assert all(f"status.{field}: Invalid value: " in patched.value.message for field in change or ()), change
        status = {name: value for name, value in {**stored["status"], **(change or {})}.items() if value is not None}
        whole = {**stored, "status": status} if change else {k: v for k, v in stored.items() if k != "status"}
        with pytest.raises(ApiError) as replaced:
            api.replace("spectrogramjobs", whole, subresource="status")
        assert words in replaced.value.message, change


def test_a_failed_job_stays_failed_and_both_may_be_told_more(api: Api) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    failed = {**OVER, "phase": "Cancelled", "conditions": [condition("Failed")]}
    api.patch("spectrogramjobs", "fm-band", {"status": failed}, subresource="status")
    api.patch("spectrogramjobs", "fm-band", {"status": {"observedGeneration": 3, "attempt": 3}}, subresource="status")
    running = [condition("Failed", "False")]
    with pytest.raises(ApiError, match="the conditions Complete and Failed are final"):
        api.patch("spectrogramjobs", "fm-band", {"status": {"conditions": running}}, subresource="status")


def test_a_user_who_writes_the_job_does_not_write_its_status(api: Api) -> None:
    body = yaml.safe_load(SIX_LINES)
    assert "status" not in api.create("spectrogramjobs", {**body, "status": OVER})
    assert "status" not in api.patch("spectrogramjobs", "fm-band", {"status": OVER})
