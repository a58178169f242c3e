"""Which nodes a queue's pods land on: the real scheduler decides, by the pools' labels and taints."""

from cluster.workspace import POOL_LABEL, Workspace, pools
from spectrogram_operator.core.status import holds


def test_each_queue_has_its_nodes(workspace: Workspace) -> None:
    """By the name of its queue, the hint of its size, or its memory; all others stay off the large nodes."""
    workspace.operator(SPECTROGRAM_LARGE_DATASET_MEGABYTES="500").start()
    source = {"claimName": "recordings", "path": "fm.drf"}
    expected = {}
    for name, spec, node in (
        ("usual", {}, "played-default"),
        ("named", {"queue": "large_jobs"}, "played-large"),
        ("big", {"input": {**source, "size": "501M"}}, "played-large"),
        ("not-so-big", {"input": {**source, "size": "500M"}}, "played-default"),
        ("hungry", {"resources": {"memory": "5Gi"}}, "played-large"),
        ("big-but-named", {"input": {**source, "size": "12Gi"}, "queue": "default"}, "played-default"),
    ):
        workspace.submit(name, **spec)
        expected[name] = node

    assert {name: workspace.wait_for_pod(name)["spec"]["nodeName"] for name in expected} == expected
    assert workspace.status("big").queue == "large_jobs"


def test_a_large_job_waits_for_its_nodes_rather_than_land_on_others(workspace: Workspace) -> None:
    """The selector alone would do; the taint alone keeps other pods away."""
    workspace.operator(SPECTROGRAM_POOLS=pools(large={"nodeSelector": {POOL_LABEL: "none-yet"}})).start()
    workspace.submit(queue="large_jobs")

    status = workspace.wait_for_status(phase="Pending", reason="Unschedulable")
    assert "nodes are available" in (status.message or "")
    assert holds(status, "Running") is False


def test_a_pool_without_its_toleration_is_kept_off_tainted_nodes(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=pools(large={"tolerations": []})).start()
    workspace.submit(queue="large_jobs")

    status = workspace.wait_for_status(phase="Pending", reason="Unschedulable")
    assert "untolerated taint" in (status.message or "")


def test_the_limits_of_the_two_queues_are_their_own(workspace: Workspace) -> None:
    one = {"maxConcurrent": 1}
    workspace.operator(SPECTROGRAM_POOLS=pools(default=one, large=one)).start()
    for number in range(2):
        workspace.submit(f"large-{number}", queue="large_jobs")
        workspace.wait_for_status(f"large-{number}", phase="Queued" if number else "Starting")
    workspace.submit("usual")

    workspace.start("usual")
    why = f"0 ahead in large_jobs; {workspace.namespace} runs 1 of 1"
    assert workspace.status("large-1").message == f"waiting for a slot in the queue large_jobs: {why}"


def test_a_job_that_leaves_its_memory_to_the_operator_asks_for_its_estimate(workspace: Workspace) -> None:
    workspace.operator(SPECTROGRAM_POOLS=pools(default={"memory": "auto"}, large={})).start()
    limits = {}
    for name, spec in (
        ("usual", {}),
        ("sized", {"resources": {"memory": "256Mi"}}),
        ("every-frame", {"reduce": {"time": ["none"]}}),
        ("large", {"queue": "large_jobs", "resources": {"memory": "auto"}}),
    ):
        workspace.submit(name, **spec)
        (worker,) = workspace.wait_for_pod(name)["spec"]["containers"]
        assert worker["resources"]["requests"]["memory"] == worker["resources"]["limits"]["memory"]
        limits[name] = worker["resources"]["limits"]["memory"]

    assert limits == {"usual": "128Mi", "sized": "256Mi", "every-frame": "288Mi", "large": "128Mi"}


def test_memory_that_no_pool_has_is_refused_in_words(workspace: Workspace) -> None:
    workspace.operator().start()
    workspace.submit(resources={"memory": "17Gi"})

    status = workspace.wait_for_end()
    assert (status.phase, status.reason, status.attempt) == ("Failed", "InvalidSpec", 0)
    assert status.message == (
        "spec.resources.memory: 17Gi is more than the 16Gi that pods of the queue large_jobs may have: ask for less"
    )
