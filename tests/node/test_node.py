"""The node is a real one: it limits memory and time, isolates what it runs, and survives the loss of its programs."""

from pathlib import Path
from typing import Any

from harness.kubernetes.client import Client
from harness.nodes import images
from harness.nodes.node import Node
from harness.waiting import wait_until
from pods.generate import TALKATIVE
from spectrogram_worker.contract import parse_last_words

# What Pod Security calls "restricted", and more: nothing in the image can be written.
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str, script: str, *, memory: str = "64Mi", image: str = images.BASE_TAG, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", script],
        "securityContext": RESTRICTED,
        "resources": {"limits": {"memory": memory}, "requests": {"cpu": "10m"}},
    }
    settings = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": settings}


def status(namespace: Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = namespace.find("pod", name)["status"]
    return found


def ended(namespace: Client, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's status at its end, and how its container terminated."""
    seen = namespace.wait_for_pod(name, "Succeeded", "Failed")["status"]
    return seen, seen["containerStatuses"][0]["state"]["terminated"]


def test_a_pod_runs_without_rights_and_leaves_its_last_words(namespace: Client) -> None:
    script = """
import os
try:
    open("/etc/written", "w")
except OSError as error:
    refused = error.strerror
open("/dev/termination-log", "w").write(f"user {os.getuid()}: {refused}")
print("a line of the log")
"""
    namespace.create(pod("restricted", script))

    seen, terminated = ended(namespace, "restricted")

    assert seen["phase"] == "Succeeded"
    assert terminated["message"] == "user 65534: Read-only file system"
    assert namespace.kubectl("logs", "restricted") == "a line of the log\n"


def test_row_9_the_kubelet_cuts_last_words_among_seven_containers_and_they_prove_success(namespace: Client) -> None:
    crowded = pod("crowded", f"open('/dev/termination-log', 'w').write({TALKATIVE!r})")
    (main,) = crowded["spec"]["containers"]
    crowded["spec"]["containers"] += [main | {"name": f"proxy-{number}"} for number in range(6)]
    namespace.create(crowded)

    messages = [one["state"]["terminated"]["message"] for one in ended(namespace, "crowded")[0]["containerStatuses"]]

    share = 12 * 1024 // 7
    assert all(share - 4 < len(message.encode()) < share + 4 for message in messages), "half a letter is no letter"
    for message in messages:
        report = parse_last_words(message)
        assert report is not None
        assert (report.has_manifest, report.warnings) == (True, ())


def test_a_pod_that_takes_more_memory_than_its_limit_is_killed(namespace: Client) -> None:
    namespace.create(pod("greedy", "data = bytearray(200_000_000); print(sum(data[::4096]))"))

    seen, terminated = ended(namespace, "greedy")

    assert seen["phase"] == "Failed"
    assert (terminated["reason"], terminated["exitCode"]) == ("OOMKilled", 137)


def test_the_same_pod_with_memory_enough_succeeds(namespace: Client) -> None:
    namespace.create(pod("fed", "data = bytearray(200_000_000); print(sum(data[::4096]))", memory="400Mi"))

    assert ended(namespace, "fed")[0]["phase"] == "Succeeded"


def test_a_pod_ends_at_its_deadline(namespace: Client) -> None:
    namespace.create(pod("endless", "import time; time.sleep(3600)", activeDeadlineSeconds=1))

    seen, terminated = ended(namespace, "endless")

    assert (seen["phase"], seen["reason"]) == ("Failed", "DeadlineExceeded")
    assert (terminated["reason"], terminated["exitCode"]) == ("Error", 137)


def test_a_pod_reaches_the_api_server_by_its_service(namespace: Client) -> None:
    script = """
import os, ssl, urllib.request
trust = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
host = os.environ["KUBERNETES_SERVICE_HOST"]
print(host, urllib.request.urlopen(f"https://{host}/readyz", context=trust, timeout=30).read().decode())
"""
    namespace.create(pod("caller", script))

    ended(namespace, "caller")

    assert namespace.kubectl("logs", "caller") == "10.0.0.1 ok\n"


def test_a_pod_reaches_another_by_a_service(namespace: Client) -> None:
    server = pod("server", "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=8080)")
    server["metadata"]["labels"] = {"app": "server"}
    server["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/etc/hostname", "port": 8080}}
    namespace.create(server)
    namespace.kubectl("expose", "pod", "server", "--port=80", "--target-port=8080")
    namespace.kubectl("wait", "pod/server", "--for=condition=Ready", "--timeout=120s")
    script = """
import os, time, urllib.request
for _ in range(60):  # kube-proxy hears of the server when it is ready, and not at once
    try:
        print(urllib.request.urlopen("http://" + os.environ["SERVER_SERVICE_HOST"]).status)
        break
    except OSError:
        time.sleep(1)
"""

    namespace.create(pod("caller", script))
    ended(namespace, "caller")

    assert namespace.kubectl("logs", "caller") == "200\n"
    assert namespace.kubectl("exec", "server", "--", "cat", "/etc/hostname") == "server\n"


def test_an_image_made_from_a_dockerfile_runs_and_is_made_once(namespace: Client, node: Node, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("ARG BASE_IMAGE=python:3.11-slim\nFROM ${BASE_IMAGE}\nCOPY message.txt /\n")
    (tmp_path / "message.txt").write_text("from the image")

    archive = images.build_image(dockerfile, "localhost/harness-message:test", tmp_path)
    node.import_image(archive)
    namespace.create(pod("reader", "print(open('/message.txt').read())", image="localhost/harness-message:test"))
    ended(namespace, "reader")

    assert namespace.kubectl("logs", "reader") == "from the image\n"
    made = archive.stat().st_mtime_ns
    again = images.build_image(dockerfile, "localhost/harness-message:test", tmp_path)
    assert (again, again.stat().st_mtime_ns) == (archive, made)
    (tmp_path / "not-copied.txt").write_text("no matter")
    assert images.build_image(dockerfile, "localhost/harness-message:test", tmp_path) == archive


def test_a_missing_image_is_never_pulled(namespace: Client) -> None:
    namespace.create(pod("imageless", "", image="localhost/none:test"))

    def waiting() -> str | None:
        containers = status(namespace, "imageless").get("containerStatuses", [{}])
        reason: str | None = containers[0].get("state", {}).get("waiting", {}).get("reason")
        return reason if reason != "ContainerCreating" else None

    assert wait_until(waiting, what="the kubelet's verdict") == "ErrImageNeverPull"


def test_containers_outlive_the_loss_of_the_kubelet(namespace: Client, node: Node) -> None:
    namespace.create(pod("lasting", "import time; time.sleep(3600)"))
    before = namespace.wait_for_pod("lasting", "Running")["status"]["containerStatuses"][0]

    node.stop_part("kubelet")
    node.start_part("kubelet")
    # The kubelet's answer to a new pod shows that it is back and has looked at the old one.
    namespace.create(pod("newcomer", ""))
    ended(namespace, "newcomer")

    after = status(namespace, "lasting")["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)


def test_a_node_comes_back_after_a_loss_of_power(namespace: Client, node: Node) -> None:
    namespace.create(pod("victim", "import time; time.sleep(3600)"))
    namespace.wait_for_pod("victim", "Running")

    node.stop()
    assert status(namespace, "victim")["phase"] == "Running", "nobody can have told the API server"
    node.start()

    assert ended(namespace, "victim")[0]["phase"] == "Failed"
    namespace.create(pod("successor", ""))
    assert ended(namespace, "successor")[0]["phase"] == "Succeeded"
