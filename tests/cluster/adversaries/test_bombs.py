"""Adversary: somebody who sends too much: fields, annotations, messages (docs/operating/security.md)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cluster.actors.operator_process import Operator
from cluster.api import ApiError
from cluster.audit import Audit
from cluster.workspace import ACCOUNT, Workspace
from pods.jobs import job_body
from pods.statuses import ended, succeeded

BOMB = "x" * 200 * 1024
LINES = '\x1b[31m\r\n{"level":"error","message":"forged"}\n\u202e\x00' * 2000
"""Colours, a forged line of a log, text that runs backwards; of the size that a kubelet keeps of several containers."""
MOST_STATUS_BYTES = 64 * 1024
SPECS: dict[str, Callable[[], dict[str, Any]]] = {
    "path": lambda: {"input": {"claimName": "recordings", "path": BOMB}},
    "address": lambda: {"input": {"url": f"https://a/{BOMB}"}},
    "channel": lambda: {"input": {"claimName": "recordings", "path": "a", "channel": BOMB}},
    "output": lambda: {"output": {"claimName": "results", "path": BOMB}},
    "formats": lambda: {"output": {"claimName": "results", "formats": ["png"] * 50_000}},
    "reduce": lambda: {"reduce": {"time": ["max"] * 50_000}},
    "memory": lambda: {"resources": {"memory": "1" * 200_000}},
    "queue": lambda: {"queueName": BOMB},
}


@pytest.mark.parametrize("field", SPECS)
def test_a_field_that_is_too_large_is_refused(workspace: Workspace, field: str) -> None:
    with pytest.raises(ApiError) as refused:
        workspace.api.create("spectrogramjobs", job_body(**SPECS[field]()))
    assert refused.value.code == 422
    assert len(refused.value.message) < 4 * 1024 or "Too long" in refused.value.message


def test_annotations_as_large_as_there_may_be_cost_nothing(
    workspace: Workspace, operator: Operator, audit: Audit
) -> None:
    """An operator that keeps its own notes in annotations could write no more, and would try for ever."""
    body = job_body()
    body["metadata"]["annotations"] = {f"example.org/{number}": "x" * 30_000 for number in range(8)}
    workspace.api.create("spectrogramjobs", body)
    pod = workspace.start()
    assert not any(name.startswith("example.org") for name in pod["metadata"]["annotations"])
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end().phase == "Succeeded"
    workspace.submit("plain")
    pod = workspace.start("plain")
    workspace.play(pod, succeeded(pod))
    workspace.wait_for_end("plain")
    writes = {
        name: [
            one.code for one in audit.requests(workspace.namespace, ACCOUNT) if (one.verb, one.name) == ("update", name)
        ]
        for name in ("fm-band", "plain")
    }
    assert len(writes["fm-band"]) <= len(writes["plain"]) + 1
    assert {code for codes in writes.values() for code in codes} <= {200, 409}


def test_what_a_pod_says_at_its_end_is_cut_and_one_line(workspace: Workspace, operator: Operator) -> None:
    """In status, in events and in the log: nobody's message is another line, or has a colour."""
    workspace.submit(retry={"limit": 0})
    pod = workspace.start()
    workspace.play(pod, ended(66, message=LINES, pod_message=LINES))
    status = workspace.wait_for_end()
    assert status.reason == "InputNotFound"
    told = workspace.api.list("events", fieldSelector="involvedObject.kind=SpectrogramJob")
    texts = [status.message or "", status.attempts[0].message or "", *(event["message"] for event in told)]
    for text in texts:
        assert len(text.encode()) <= 1024
        assert text.isprintable(), text
    assert len(json.dumps(workspace.job()["status"])) < MOST_STATUS_BYTES
    assert not any("forged" in line and json.loads(line)["message"] == "forged" for line in log_lines(operator))


def log_lines(operator: Operator) -> list[str]:
    return [line for line in operator.log.read_text().splitlines() if line.strip()]
