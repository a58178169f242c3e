"""`spectrogram view`: what a real worker wrote and hands out is what arrives, and nothing else is believed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from rich.console import Console

from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from pods.jobs import job_body, stored
from spectrogram_operator.api.job import ValidJob, read_job
from spectrogram_operator.cli.cluster.jobs import Body, Pods
from spectrogram_operator.cli.errors import CommandError
from spectrogram_operator.cli.view import fetch as fetching
from spectrogram_operator.cli.view.fetch import Source, fetch
from spectrogram_operator.cli.view.picture import in_terminal, on_desktop, opened
from spectrogram_operator.cli.view.reader import HAND_OUT
from spectrogram_operator.cli.view.received import local_names, receive
from spectrogram_operator.control.cluster.protocol import ClusterError
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract.document import Bucket
from spectrogram_worker.contract.handing_out import WANTED_VARIABLE
from spectrogram_worker.contract.report import OutputFile
from unit.operator.cli.command_line import finish, spectrogram, write_job
from unit.operator.cli.without_cluster.test_run_for_real import RAW, write_recording

PUBLISHED = {
    "image": "registry.example.org/spectrogram-worker:1",
    "imagePullPolicy": "Always",
    "imagePullSecrets": "one,two",
    "serviceAccount": "workers",
    "runAsUser": "1000",
    "fsGroup": "2000",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[OutputFile]]:
    """The claim, and what a real worker has published there: a picture, arrays, a Zarr folder, the manifest."""
    folder = tmp_path_factory.mktemp("results")
    write_recording(folder)
    source = {"claimName": "recordings", "path": "fm.cf32", "raw": RAW}
    output = {"claimName": "results", "formats": ["png", "npz", "zarr"]}
    done = spectrogram("run", write_job(folder, "", input=source, output=output))
    assert done.returncode == 0, done.stderr
    manifest = folder / "results/fm-band/manifest.json"
    content = manifest.read_bytes()
    digest = subprocess.run(["sha256sum", manifest], capture_output=True, text=True, check=True).stdout.split()[0]
    itself = OutputFile(path="manifest.json", media_type="application/json", bytes=len(content), sha256=digest)
    listed = [OutputFile.model_validate(one) for one in json.loads(content)["outputs"]]
    outputs = [one.model_copy(update={"path": f"fm-band/{one.path}"}) for one in [*listed, itself]]
    assert len(outputs) == 4
    return folder / "results", outputs


class Cluster:
    """Where the reader's pod is a process on this machine, and its claim the folder."""

    def __init__(self, claim: Path, *rights: str, published: Body | None = None, phase: str = "Running") -> None:
        self.claim, self.rights, self.phase = claim, rights, phase
        self.data = PUBLISHED if published is None else published
        self.of_all: Body | None = None
        self.created: list[Body] = []
        self.deleted: list[str] = []

    def may(self, namespace: str, verb: str, resource: str, subresource: str) -> bool:
        return f"{verb} {resource}/{subresource}" in self.rights

    def config_maps(self, namespace: str, selector: str) -> Sequence[Body]:
        if namespace == "default":
            assert selector == "spectrogram.dev/publishes=worker-of-all"
            if self.of_all is None:
                raise ClusterError(403, "Forbidden", "no")
            return [{"metadata": {"namespace": "default", "name": "x"}, "data": self.of_all}]
        assert selector == "spectrogram.dev/publishes=worker"
        return [{"metadata": {"namespace": namespace, "name": "x"}, "data": self.data}] if self.data else []

    def create_pod(self, namespace: str, body: Body) -> Body:
        self.created.append(body)
        return {**body, "metadata": {**body["metadata"], "name": "view-x", "uid": "1"}}

    def read_pod(self, namespace: str, name: str) -> Body | None:
        return {"status": {"phase": self.phase}}

    def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        self.deleted.append(f"{name} {uid}")

    def log(self, namespace: str, pod: str, *, follow: bool) -> Iterator[bytes]:
        (container,) = self.created[-1]["spec"]["containers"]
        return self.run(container["command"])

    def execute(self, namespace: str, pod: str, command: Sequence[str]) -> Iterator[bytes]:
        assert "sleep" in self.created[-1]["spec"]["containers"][0]["command"][-1]
        return self.run(command)

    def run(self, command: Sequence[str]) -> Iterator[bytes]:
        assert tuple(command) == HAND_OUT
        (container,) = self.created[-1]["spec"]["containers"]
        wanted = json.loads(container["env"][0]["value"]) | {"folder": str(self.claim)}
        environment = {**os.environ, WANTED_VARIABLE: json.dumps(wanted)}
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
        assert done.stderr == b""
        yield from done.stdout.splitlines()


def job(**output: Any) -> ValidJob:
    read = read_job(stored(job_body(output=output or {"claimName": "results"})))
    assert isinstance(read, ValidJob)
    return read


def source(cluster: Cluster, policy: Policy | None = None, image: str | None = None) -> Source:
    return Source(pods=cast(Pods, cluster), policy=policy or Policy(), image=image, sleep=lambda seconds: None)


@pytest.mark.parametrize("right", ["get pods/log", "create pods/exec"])
def test_all_results_arrive_as_they_are(results: tuple[Path, list[OutputFile]], tmp_path: Path, right: str) -> None:
    claim, outputs = results
    cluster = Cluster(claim, right)
    fetch(job(), outputs, tmp_path, source(cluster))
    finish(["diff", "--recursive", claim / "fm-band", tmp_path]).check_returncode()
    assert cluster.deleted == ["view-x 1"]
    (spec,) = (pod["spec"] for pod in cluster.created)
    assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert (spec["serviceAccountName"], spec["securityContext"]["runAsUser"]) == ("workers", 1000)
    assert spec["volumes"] == [{"name": "results", "persistentVolumeClaim": {"claimName": "results", "readOnly": True}}]


def test_what_has_changed_since_is_refused(results: tuple[Path, list[OutputFile]], tmp_path: Path) -> None:
    claim, outputs = results
    png = next(one for one in outputs if one.media_type == "image/png")
    cluster = Cluster(claim, "get pods/log")
    other = png.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(CommandError, match="is not what the job published: it has changed since"):
        fetch(job(), [other], tmp_path / "a", source(cluster))
    smaller = png.model_copy(update={"bytes": 10})
    with pytest.raises(CommandError, match="more than the job's status says"):
        fetch(job(), [smaller], tmp_path / "b", source(cluster))
    missing = png.model_copy(update={"path": "fm-band/no.png"})
    with pytest.raises(CommandError, match=r"there is no fm-band/no\.png any more"):
        fetch(job(), [missing], tmp_path / "c", source(cluster))


def test_nothing_outside_of_the_claim_is_handed_out(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    (claim / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    for link in (claim / "link", claim / "folder/link"):
        link.symlink_to(tmp_path / "secret")
    for path in ("link", "folder", "../secret"):
        output = OutputFile(path=path, media_type="text/plain", bytes=1000, sha256="0" * 64)
        with pytest.raises(CommandError, match=r"leads out of the claim|there is no \.\./secret"):
            fetch(job(), [output], tmp_path / "into", source(Cluster(claim, "get pods/log")))


def test_large_results_do_not_go_through_a_log(
    results: tuple[Path, list[OutputFile]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, outputs = results
    monkeypatch.setattr(fetching, "MOST_LOG_BYTES", 1000)
    with pytest.raises(CommandError, match="MB are more than a log carries: you may not run commands") as error:
        fetch(job(), outputs, tmp_path, source(Cluster(claim, "get pods/log")))
    assert error.value.exit_code == 77
    fetch(job(), outputs, tmp_path, source(Cluster(claim, "get pods/log", "create pods/exec")))


def test_who_may_neither_is_told(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with pytest.raises(CommandError, match="you may not run commands in pods of the namespace radio: ask for the role"):
        fetch(job(), [], tmp_path, source(cluster))
    assert cluster.created == []


def test_without_an_image(tmp_path: Path) -> None:
    for published, words in ({}, "says which image the workers have: write --image IMAGE"), ({"image": "x"}, "version"):
        with pytest.raises(CommandError, match=words):
            fetch(job(), [], tmp_path, source(Cluster(tmp_path, "get pods/log", published=published)))
    of_all = Cluster(tmp_path, "get pods/log", published={})
    of_all.of_all = PUBLISHED
    fetch(job(), [], tmp_path, source(of_all))
    assert of_all.created[0]["spec"]["containers"][0]["image"] == PUBLISHED["image"]
    cluster = Cluster(tmp_path, "get pods/log")
    fetch(job(), [], tmp_path, source(cluster, image="mine:2"))
    assert cluster.created[0]["spec"]["containers"][0]["image"] == "mine:2"
    assert cluster.created[0]["spec"]["serviceAccountName"] == "workers"


def test_a_pod_that_does_not_start_is_explained_and_deleted(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "get pods/log", phase="Pending")
    with pytest.raises(CommandError, match=r"the pod view-x, which .* does not start: no node has taken it"):
        fetch(job(), [], tmp_path, source(cluster))
    assert cluster.deleted == ["view-x 1"]


def test_stores(results: tuple[Path, list[OutputFile]], tmp_path: Path) -> None:
    claim, outputs = results
    with pytest.raises(CommandError, match="in the store archive: describe it in a file"):
        fetch(job(store="archive"), outputs, tmp_path, source(Cluster(claim)))
    cluster = Cluster(claim, "get pods/log")
    fetch(job(store="archive"), outputs, tmp_path, source(cluster, Policy(stores={"archive": Store(claim_name="a")})))
    assert cluster.created[0]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "a"


def test_a_bucket_is_read_with_one_s_own_keys(
    results: tuple[Path, list[OutputFile]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, outputs = results
    with ObjectStore(tmp_path / "objects") as objects:
        shutil.copytree(claim, objects.root / "survey")
        bucket = Bucket(store="archive", bucket=BUCKET, endpoint=objects.endpoint, prefix="survey")
        cluster, policy = Cluster(claim), Policy(stores={"archive": Store(bucket=bucket)})
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        fetch(job(store="archive"), outputs, tmp_path / "into", source(cluster, policy))
        finish(["diff", "--recursive", claim / "fm-band", tmp_path / "into"]).check_returncode()
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(CommandError, match="store archive refuses fm-band/"):
            fetch(job(store="archive"), outputs, tmp_path / "refused", source(cluster, policy))
    assert cluster.created == []


PNG = OutputFile(
    path="fm/a.png",
    media_type="image/png",
    bytes=3,
    sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
)
BEGIN, DATA, END = b'{"file":"fm/a.png"}', b'{"data":"YWJj"}', b'{"end":true}'


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    receive([b"a warning", BEGIN, b"{}", DATA, b"\xff", END, b"more"], [PNG], tmp_path)
    assert (tmp_path / "a.png").read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "the transfer broke off; try again"),
        ([BEGIN, DATA], "the transfer broke off; try again"),
        ([b"No module named spectrogram_worker"], "the transfer broke off after: No module named spectrogram_worker"),
        ([b'{"error":"the\\u001b[31mdisk"}'], "the disk"),
        ([END], "fm/a.png is not what the job published"),
        ([BEGIN, END], "fm/a.png is not what the job published"),
        ([BEGIN, b'{"data":"YWJk"}', END], "fm/a.png is not what the job published"),
        ([BEGIN, DATA, DATA, END], "fm/a.png is larger than the job says"),
        ([DATA, END], "there are bytes of no file"),
        ([BEGIN, BEGIN, END], "fm/a.png comes twice"),
        ([b'{"file":"fm/b.png"}'], "fm/b.png is none of the job's results"),
        ([b'{"file":"/etc/passwd"}'], "/etc/passwd is none of the job's results"),
        ([b'{"file":"fm/a.png/../../../x"}'], "../../../x is no name for a file"),
        ([b'{"file":"fm/a.png//x"}'], "/x is no name for a file"),
        ([b'{"file":"fm/a.png/.bashrc"}'], ".bashrc is no name for a file"),
        ([BEGIN, b'{"file":"fm/a.png/x"}'], "fm/a.png/x is a file and a folder"),
    ],
)
def test_what_is_not_believed(tmp_path: Path, lines: list[bytes], words: str) -> None:
    (tmp_path / "into").mkdir()
    with pytest.raises(CommandError) as error:
        receive(lines, [PNG], tmp_path / "into")
    assert words in error.value.lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["into"]


@pytest.mark.parametrize(
    "path", ["..", "fm/..", "fm/", "fm/.bashrc", "fm/a\nb", "fm/C:x", "fm/a\\b", "fm/" + 300 * "x"]
)
def test_names_that_are_none(path: str) -> None:
    with pytest.raises(CommandError, match="is no name for a file"):
        local_names([PNG.model_copy(update={"path": path})])


def test_two_results_of_one_name() -> None:
    with pytest.raises(CommandError, match=r"two results are called a\.png"):
        local_names([PNG, PNG.model_copy(update={"path": "other/a.png"})])


def test_a_picture_that_is_none_or_enormous(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"GIF89a")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "large.png")
    for name in ("no.png", "large.png"):
        with pytest.raises(CommandError, match=f"{name} is no picture"):
            opened(tmp_path / name)


def test_where_there_is_no_terminal_and_no_desktop(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        assert in_terminal(tmp_path / "a.png", Console(file=log)) is False
    assert on_desktop(tmp_path / "a.png", {"PATH": str(tmp_path)}) is False
    assert on_desktop(tmp_path / "a.png", {"PATH": str(tmp_path), "DISPLAY": ":0"}) is False


def test_the_desktop_opens_it(tmp_path: Path) -> None:
    program, told = tmp_path / "xdg-open", tmp_path / "told"
    os.mkfifo(told)
    program.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    program.chmod(0o755)
    assert on_desktop(tmp_path / "a.png", {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WAYLAND_DISPLAY": "w"})
    assert told.read_text() == f"{tmp_path}/a.png\n"
