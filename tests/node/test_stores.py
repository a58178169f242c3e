"""Recordings of every format, in every kind of storage, become the same spectrogram in real pods."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
import soundfile
from numpy.typing import NDArray

from cluster.api import Api
from harness import installation
from harness.kubernetes.client import Client
from harness.kubernetes.control_plane import ControlPlane
from harness.nodes import network
from harness.nodes.node import Node
from harness.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from node import web
from node.setup import POOLS, SETTINGS, create_claims, create_namespace
from node.site import Body, Site
from pods.jobs import job_body
from spectrogram_operator.api.status import Phase, RetryClass

RATE, CENTER = 1_000_000, 100e6
RAW = {"datatype": "cf32_le", "sampleRate": RATE, "centerFrequency": CENTER}
KNOWN = {"sampleRate": RATE, "centerFrequency": CENTER}
IQ = {"iq": True, "centerFrequency": CENTER}
TRANSFORM = {"fftSize": 256, "hopSize": 128, "window": {"name": "hann"}}


@dataclass(frozen=True)
class Route:
    """One job: where it reads, where it writes, and how far the result may lie from the others', in dB."""

    name: str
    input: Body
    output: Body
    decibels: float = 0.0
    spec: Body = field(default_factory=dict)


def archived(path: str, **fields: Any) -> Body:
    return {"store": "archive", "path": path, **fields}


RESULTS, PRODUCTS = {"claimName": "results"}, {"store": "products"}
ROUTES = (
    Route("raw-from-a-named-claim", {"store": "shelf", "path": "signal.cf32", "raw": RAW}, {"store": "desk"}),
    Route("raw-from-s3", archived("signal.cf32", raw=RAW), RESULTS),
    Route("sigmf-from-s3", archived("signal.sigmf-meta"), RESULTS),
    Route("archive-from-s3-to-s3", archived("packed.sigmf"), PRODUCTS),
    Route("numpy-from-s3", archived("signal.npy", raw=KNOWN), RESULTS),
    Route("wave-from-s3-to-s3", archived("signal.wav", audio=IQ), PRODUCTS),
    Route("wave-from-the-web", {"url": f"https://{web.ADDRESS}/signal.wav", "audio": IQ}, RESULTS),
    # 24 bits: what rounding to them changes.
    Route("flac-from-s3", archived("signal.flac", audio=IQ), RESULTS, decibels=0.01),
    Route("flac-from-the-web-to-s3", {"url": f"https://{web.ADDRESS}/signal.flac", "audio": IQ}, PRODUCTS, 0.01),
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same samples in every format but Digital RF: a tone that rises, in noise."""
    folder = tmp_path_factory.mktemp("shelf")
    time = np.arange(RATE) / RATE
    random = np.random.default_rng(1)
    noise = random.standard_normal((len(time), 2)) @ np.array([1, 1j])
    samples = (0.2 * np.exp(2j * np.pi * 200e3 * time**2) + 0.01 * noise).astype(np.complex64)
    pairs = samples.view(np.float32).reshape(-1, 2)
    samples.tofile(folder / "signal.cf32")
    np.save(folder / "signal.npy", samples)
    soundfile.write(folder / "signal.wav", pairs, RATE, subtype="FLOAT")
    # The most that a FLAC file can say is 655,350 Hz; the rate does not change the samples.
    soundfile.write(folder / "signal.flac", pairs, 500_000, subtype="PCM_24")
    write_sigmf(folder, samples)
    for path in (folder, *folder.iterdir()):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
    return folder


def write_sigmf(folder: Path, samples: NDArray[np.complex64]) -> None:
    """As a recording of two files, and as an archive; both by the SigMF library."""
    data = folder / "signal.sigmf-data"
    samples.tofile(data)
    described = {"core:datatype": "cf32_le", "core:sample_rate": RATE, "core:version": "1.2.0"}
    recording = sigmf.SigMFFile(data_file=str(data), global_info=described)
    recording.add_capture(0, metadata={"core:frequency": CENTER})
    recording.tofile(str(folder / "signal.sigmf-meta"))
    recording.archive(str(folder / "packed.sigmf"))


@dataclass(frozen=True)
class Science(Site):
    """A site whose platform team has named stores: a claim, a bucket to read, a bucket to write."""

    objects: Path = Path()

    def results(self, name: str) -> Path:
        """Where the results of a route are, as a folder of this machine."""
        route = next(route for route in ROUTES if route.name == name)
        return (self.objects / "products" if route.output is PRODUCTS else self.claims["results"]) / name


@pytest.fixture(scope="module")
def science_site(
    control_plane: ControlPlane,
    radio_site: Site,
    recordings: Path,
    shelf: Path,
    node: Node,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Science]:
    """A third operator, for the namespace `science`, with all jobs of ROUTES submitted."""
    worker, authority = installation.worker_with_authority()
    node.import_image(worker)
    claims = {"recordings": recordings, "results": tmp_path_factory.mktemp("results"), "shelf": shelf}
    jobs, operator = create_namespace(control_plane, "science"), create_namespace(control_plane, "science-system")
    create_claims(jobs, claims, node)
    server = web.identity(authority, network.ADDRESS, tmp_path_factory.mktemp("identity"))
    with (
        ObjectStore(tmp_path_factory.mktemp("objects"), host=network.ADDRESS, identity=server) as objects,
        web.serving(shelf, authority),
        closing(Api(control_plane, "science")) as api,
    ):
        shutil.copytree(shelf, objects.root / "records")
        shutil.copytree(recordings / "demo.drf", objects.root / "records" / "demo.drf")
        create_secret(jobs, "reader", SECRET_KEY)
        create_secret(jobs, "stranger", "not the secret")
        values = {
            "watchNamespaces": ["science"],
            "settings": SETTINGS,
            "pools": POOLS,
            "crds": {"install": False},
            "rbac": {"userRoles": False},
            "workerImage": {"tag": "with-authority"},
            "stores": stores(objects.endpoint),
            "allowedUrlHosts": [web.ADDRESS],
        }
        installation.install(operator, "science-spectrogram-operator", values)
        site = Science(jobs, api, operator, "science-spectrogram-operator", claims, objects=objects.root)
        for route in ROUTES:
            submit(site, route.name, route.input, route.output, **route.spec)
        yield site


def stores(endpoint: str) -> Body:
    bucket = {"endpoint": endpoint, "bucket": BUCKET}
    return {
        "shelf": {"claimName": "shelf"},
        "desk": {"claimName": "results"},
        "archive": {**bucket, "prefix": "records", "credentialsSecret": "reader"},
        "products": {**bucket, "prefix": "products", "credentialsSecret": "reader"},
        "locked": {**bucket, "prefix": "records", "credentialsSecret": "stranger"},
        "keyless": {**bucket, "prefix": "records", "credentialsSecret": "nowhere"},
    }


def create_secret(client: Client, name: str, secret_key: str) -> None:
    client.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret_key},
        }
    )


def submit(site: Site, name: str, source: Body, target: Body, **spec: Any) -> None:
    defaults = {"transform": TRANSFORM, "resources": {"memory": "256Mi"}}
    site.mine.append(name)
    site.client.apply(job_body(name, **defaults | {"input": source, "output": target} | spec))


@pytest.fixture
def science(science_site: Science) -> Iterator[Science]:
    """The same, for one test: the jobs that it submits are deleted after it."""
    site = replace(science_site, mine=[])
    yield site
    site.delete_jobs()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_every_way_from_recording_to_result_gives_the_same_spectrogram(science: Science, route: Route) -> None:
    first = ROUTES[0].name
    assert science.wait_for_end(first).phase is Phase.SUCCEEDED

    status = science.wait_for_end(route.name)

    assert (status.phase, status.reason, len(status.attempts)) == (Phase.SUCCEEDED, "Completed", 1), status.message
    folder = science.results(route.name)
    assert {path.name for path in folder.iterdir()} == {"spectrogram.png", "spectrogram.npz", "manifest.json"}
    assert json.loads((folder / "manifest.json").read_text())["complete"] is True
    assert {output.path for output in status.outputs} == {f"{route.name}/{path.name}" for path in folder.iterdir()}
    with np.load(science.results(first) / "spectrogram.npz") as expected, np.load(folder / "spectrogram.npz") as found:
        peak = expected["max"].max()
        near = expected["max"] > peak - 60
        difference = np.abs(found["max"] - expected["max"])[near] - rate_decibels(route)
        assert np.abs(difference).max() <= route.decibels
        assert found["frequency"].mean() == pytest.approx(CENTER, abs=RATE)


def rate_decibels(route: Route) -> float:
    """Per Hz, half the rate is twice the density: what the FLAC files say."""
    return 10 * np.log10(2) if "flac" in route.name else 0.0


def test_a_whole_prefix_of_digital_rf_is_read_from_a_bucket(science: Science) -> None:
    source = {"claimName": "recordings", "path": "demo.drf"}
    submit(science, "from-the-claim", source, RESULTS)
    submit(science, "from-the-bucket", archived("demo.drf"), RESULTS)

    here, there = (science.wait_for_end(name) for name in ("from-the-claim", "from-the-bucket"))

    assert (here.phase, there.phase) == (Phase.SUCCEEDED, Phase.SUCCEEDED), there.message
    assert here.dataset == there.dataset
    arrays = [(science.claims["results"] / name / "spectrogram.npz") for name in ("from-the-claim", "from-the-bucket")]
    with np.load(arrays[0]) as expected, np.load(arrays[1]) as found:
        for name in ("frequency", "time", "max", "mean"):
            np.testing.assert_array_equal(found[name], expected[name])


def test_a_bucket_that_refuses_the_key_is_named_and_not_asked_again(science: Science) -> None:
    submit(science, "refused", {"store": "locked", "path": "signal.sigmf-meta"}, RESULTS)
    submit(science, "sealed", archived("signal.sigmf-meta"), {"store": "locked"})

    read, written = science.wait_for_end("refused"), science.wait_for_end("sealed")

    assert (read.reason, read.attempts[0].exit_code, len(read.attempts)) == ("InputNotFound", 66, 1)
    assert (written.reason, written.attempts[0].exit_code, len(written.attempts)) == ("OutputNotWritable", 73, 1)
    for status in (read, written):
        assert status.attempts[0].retry_class is RetryClass.FATAL
        assert "store locked refuses" in (status.message or "")


def test_a_store_whose_secret_is_missing_is_told_in_the_status(science: Science) -> None:
    submit(science, "keyless", {"store": "keyless", "path": "signal.sigmf-meta"}, RESULTS)

    status = science.wait("keyless", lambda status: "nowhere" in (status.message or ""), "the Secret's name")

    assert status.phase in (Phase.PENDING, Phase.STARTING, Phase.FAILED)


def test_neither_keys_nor_places_are_shown_to_those_who_submit_jobs(science: Science) -> None:
    science.wait_for_end("raw-from-s3")
    shown = science.client.kubectl("get", "spectrogramjobs", "--output=yaml")
    shown += science.client.kubectl("logs", science.attempt("raw-from-s3").pod_name)
    shown += (science.claims["results"] / "raw-from-s3" / "manifest.json").read_text()

    assert "records" not in json.dumps(science.api.list("spectrogramjobs"))
    for secret in (SECRET_KEY, ACCESS_KEY, network.ADDRESS, BUCKET + "/"):
        assert secret not in shown


def test_only_hosts_that_the_platform_team_allows_are_asked(science: Science) -> None:
    submit(science, "elsewhere", {"url": "https://10.88.8.1/signal.wav", "audio": IQ}, RESULTS)

    status = science.wait_for_end("elsewhere")

    assert (status.phase, status.reason, status.attempts) == (Phase.FAILED, "InvalidSpec", ())
    assert "allowedUrlHosts" in (status.message or "")
