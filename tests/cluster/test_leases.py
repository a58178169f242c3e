"""Several operators for one namespace: one serves, another takes over, and no restart has to wait."""

from cluster.workspace import Workspace
from pods.statuses import succeeded
from spectrogram_operator.api.names import LEASE

SOON = {"SPECTROGRAM_LEASE_DURATION": "3"}
NEVER = {"SPECTROGRAM_LEASE_DURATION": "3600"}
"""Longer than any test waits: whoever serves has not waited for the end of a lease."""
SAID_BY_WHO_WROTE = "/{}: Succeeded"
"""What the log of the operator says whose write of a status won."""


def test_one_of_two_serves_and_when_it_dies_the_other_goes_on(workspace: Workspace) -> None:
    first = workspace.operator(**SOON).start()
    first.wait_for_log(f"Serving {workspace.namespace}")
    second = workspace.operator(**SOON).start()
    second.wait_for_log(f"Not serving {workspace.namespace}: the operator {holder(workspace)} does")
    second.wait_until_ready()
    for job in ("before", "meanwhile"):
        workspace.submit(job)
        workspace.start(job)
    finish(workspace, "before")
    first.wait_for_log(SAID_BY_WHO_WROTE.format("before"))

    first.kill()
    finish(workspace, "meanwhile")
    second.wait_for_log(SAID_BY_WHO_WROTE.format("meanwhile"))
    assert SAID_BY_WHO_WROTE.format("before") not in second.log.read_text()
    assert workspace.api.get("leases", LEASE)["spec"]["leaseTransitions"] == 1
    first.start()
    first.wait_for_log(f"Not serving {workspace.namespace}: the operator {holder(workspace)} does")


def test_an_operator_that_is_told_to_end_gives_its_lease_up_and_the_next_waits_for_nothing(
    workspace: Workspace,
) -> None:
    workspace.expected_errors = ["Request attempt"]  # of kopf's, whose connections end with it
    first = workspace.operator(**NEVER).start()
    first.wait_until_ready()
    assert first.stop() == 0
    assert holder(workspace) == ""
    workspace.operator(**NEVER).start()
    workspace.submit()
    workspace.start()


def test_an_operator_that_is_killed_and_started_again_waits_for_nothing(workspace: Workspace) -> None:
    operator = workspace.operator(**NEVER).start()
    operator.wait_until_ready()
    operator.kill()
    operator.start()
    workspace.submit()
    workspace.start()


def finish(workspace: Workspace, job: str) -> None:
    (pod,) = workspace.pods(job)
    workspace.play(pod, succeeded(pod))
    assert workspace.wait_for_end(job).phase == "Succeeded"


def holder(workspace: Workspace) -> str:
    """Whose the lease of the namespace is."""
    return str(workspace.api.get("leases", LEASE)["spec"].get("holderIdentity", ""))
