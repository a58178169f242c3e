"""Recordings at a web address, as a worker reads them."""

import json
from pathlib import Path

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage import web_connection
from unit.worker.jobs import RATE
from unit.worker.recordings import integer_pairs, read, says
from unit.worker.storage.web.site import HOST, PUBLIC, Network, Server, answer
from unit.worker.stores import job_of, opened
from unit.worker.worker_process import run


def test_the_recording_is_known_by_its_address(
    tmp_path: Path, server: Server, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = integer_pairs(10_000)
    server.pages["/files/noise.cs16"] = answer(samples.tobytes())
    monkeypatch.setattr(web_connection, "Internet", lambda: network)
    places = {"inputUrl": f"https://{HOST}/files/noise.cs16?key=secret", "allowedUrlHosts": [HOST]}
    job = job_of(tmp_path, "noise.cs16", fields={"raw": {"sampleRate": RATE}}, places=places)
    with opened(job) as (_, recording):
        assert recording.description.name == f"https://{HOST}/files/noise.cs16"
        assert recording.description.sample_type == "ci16_le"
        assert len(read(recording)[0]) == 10_000
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_recording_in_two_files_has_no_address(
    tmp_path: Path, server: Server, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/a.sigmf-data"] = answer()
    monkeypatch.setattr(web_connection, "Internet", lambda: network)
    places = {"inputUrl": f"https://{HOST}/a.sigmf-data", "allowedUrlHosts": [HOST]}
    with pytest.raises(WorkerError) as caught, opened(job_of(tmp_path, "a.sigmf-data", places=places)):
        pass
    assert says(caught.value, ExitCode.INPUT_NOT_FOUND, "a.sigmf-meta", "packed into one (.sigmf)")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_whole_program(tmp_path: Path, server: Server) -> None:
    samples = integer_pairs(20_000)
    server.pages["/noise.cs16"] = answer(samples.tobytes())
    patch = f"""
import socket
from spectrogram_worker.storage import web_connection
class Network:
    def resolve(self, host, port): return ["{PUBLIC}"]
    def connect(self, address, port): return socket.create_connection(("127.0.0.1", {server.port}))
web_connection.Internet = Network
"""
    (tmp_path / "input").mkdir()
    (tmp_path / "input/noise.cs16").write_bytes(samples.tobytes())
    made = []
    places = {"inputUrl": f"https://{HOST}/noise.cs16?key=secret", "allowedUrlHosts": [HOST]}
    for name, where in (("local", {}), ("remote", places)):
        selection = {"path": "noise.cs16", "raw": {"sampleRate": RATE}}
        ended = run(tmp_path, patch=patch, input=selection, places=where, output={"path": name})
        report = ended.assert_orderly(ExitCode.DONE)
        with np.load(tmp_path / "output" / name / "spectrogram.npz", allow_pickle=False) as arrays:
            made.append((arrays["max"].tobytes(), arrays["time"].tobytes()))
    assert made[0] == made[1]
    manifest = (tmp_path / "output/remote/manifest.json").read_text()
    assert json.loads(manifest)["input"]["url"] == f"https://{HOST}/noise.cs16"
    assert "downloading" in json.loads(manifest)["stageSeconds"]
    assert "secret" not in manifest + json.dumps(ended.lines) + report.message
    assert list((tmp_path / "scratch").glob("recording-*")) == []
