"""The definition on a real API server: what it takes, what it refuses in which words, what it fills in and shows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from cluster.api import Api, ApiError, Body
from cluster.conftest import CRD
from harness.client import Client, CommandError
from harness.control_plane import ApiServer
from spectrogram_operator.api.job import InvalidJob, ValidJob, read_job

SIX_LINES = """
apiVersion: spectrogram.dev/v1beta1
kind: SpectrogramJob
metadata: {name: fm-band}
spec:
  input: {claimName: recordings, path: 2026-11/fm.drf}
  output: {claimName: results}
"""
NAME = "is no name: write lower-case letters, digits, - and ., with a letter or digit at both ends"
QUANTITY = "is not a quantity: write a number with an optional unit, as in 512Mi or 2Gi"
REQUEST = f"{QUANTITY}, or auto"
DURATION = "is no duration: write a number and ms, s, m or h, as in 250ms or 10s"
IQ_CHANNELS = "channel names one signal, and the two iqChannels are one: remove channel or iqChannels"
CHANNEL = "is no channel: write letters, digits, _ . + - and spaces, as in ch0 or '1'"
QUEUE_NAME = "is no queue's name: write lower-case letters, digits, - and ., with a letter or digit at both ends"
ONE_ORDER = "priority orders the operator's own queues, and with queueName Kueue has the order: remove priority"
ADDRESS = "is no address of a file: write https://HOST/PATH/FILE, without user and without #"
ONE_SOURCE = "input is in one place: write one of claimName, store and url, and remove the others"
ONE_TARGET = "output goes to one place: write one of claimName and store, and remove the other"
PATH_NEEDED = "path is needed with claimName and store: write where the recording is in there"
PATH_AND_URL = "path does not go with url, which names the file itself: remove path"
RELATIVE = "must be relative to the claim or store: write it without a leading '/' and without '..'"
BELOW = "must name a folder below the claim or store: write its name, or remove path to take the job's name"
UNITS = "use one system of units: start and duration, or startSample and samples, or startTime and duration"
DATATYPE = "is no SigMF type: write r or c, then f32 f64 i16 i32 u16 u32 with _le or _be, or i8 or u8, as in cf32_le"
BAND = "frequencyRange.upper must be greater than lower: swap them or widen the band"
UNIT = "is no unit of power in dB: write one that begins with dB and does not name Hz, as in dBm"
CALIBRATION = "calibration and calibrationOffsetDb both say what to add: remove calibrationOffsetDb"
PIXELS = "width × height must not exceed 16 million pixels: make the picture smaller"
MEMORY = "must be at least 64Mi: write it with its unit, as in 512Mi or 2Gi"
CPU = "must be at least 50m: write cores, as in 2, or thousandths, as in 500m"
AUDIO_CENTER = "audio.centerFrequency is the centre of an I/Q band: add iq: true, or remove centerFrequency"
AUDIO_CHANNEL = "channel names one signal, and with audio.iq the two channels are one: remove channel or audio.iq"
SOFT = "softSeconds must be less than hardSeconds: lower softSeconds or raise hardSeconds"
NO_DURATION = "must be more than 0: remove it to process to the end"
NONE_BESIDE = "has none beside others: write [none], or remove it"
DECIBELS = "dbRange.max must be greater than min: swap them"
WINDOW = "window.length must not exceed fftSize: raise fftSize or shorten the window"
COLORMAP = "is no colour map: write a name of matplotlib's, as in magma or viridis"
TWICE = "names an entry twice: remove one of them"
SLOW = "is too small: write at least 1e-06 Hz"
NARROW = "is too small: write at least 0.1 samples"
IMMUTABLE = (
    "spec cannot be changed except suspend, cancelled, priority and ttlSecondsAfterFinished: create a new job instead"
)
ONE_WAY = "cancelled cannot be set back to false: create a new job instead"

CRD_SCHEMA: Body = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
CRD_SPEC: Body = CRD_SCHEMA["properties"]["spec"]

ACCEPTED = """
input: {format: SigMF, channel: '1', capture: 0, size: 12Gi}
input: {format: DigitalRF, channel: ch0, subchannel: 3, size: 500000000}
input: {format: Raw, raw: {datatype: cf32_le, sampleRate: 2.4e+6, centerFrequency: 1.0e+8}}
input: {raw: {datatype: ru8, sampleRate: 0.000001, centerFrequency: -5}}
input: {format: Audio, audio: {iq: true, centerFrequency: 1.0e+8}}
input: {format: Audio, channel: '1', audio: {iq: false}}
input: {format: Raw, raw: {datatype: ri16_le, sampleRate: 1, channels: 4}, iqChannels: [3, 1]}
input: {format: NumPy, raw: {sampleRate: 1000}}
input: {range: {start: 10s, duration: 1.5m}}
input: {range: {startSample: 4611686018427387904, samples: 1}}
input: {range: {startTime: '2026-11-01T12:00:00Z', duration: 250ms}}
input: {path: ./a/...b/c..d}
input: {claimName: null, store: archive}
input: {claimName: null, store: archive, path: survey/fm.sigmf-meta, format: SigMF, size: 12Gi}
input: {claimName: null, path: null, url: 'https://data.example.org/2026/fm.sigmf'}
input: {claimName: null, path: null, url: 'https://DATA.example.org:8443/a%20b/~(1).wav?key=A/b+c=&d=?'}
input: {claimName: null, path: null, url: 'https://a/b', format: Raw, raw: {datatype: cu8, sampleRate: 1000}}
output: {claimName: null, store: results}
output: {claimName: null, store: results.of-2026, path: survey/fm-band}
transform: {fftSize: 8, hopSize: 1073741824}
transform: {fftSize: 1048576, hopSize: 1, window: {name: kaiser, length: 1048576, beta: 0}}
transform: {window: {name: tukey, alpha: 1}, scaling: spectrum, detrend: constant, precision: double}
transform: {window: {stdDev: 0.1}, calibrationOffsetDb: -1000}
transform: {scaling: spectrum, calibration: {offsetDb: 1000, unit: dBm}}
transform: {calibration: {offsetDb: -30, unit: dB(µV²)}}
reduce: {time: [none]}
reduce: {time: [min, mean, max], columns: 65536}
frequencyRange: {lower: -1.5e+6, upper: -1.4e+6}
output: {path: survey/fm-band, formats: [npz]}
output: {formats: [zarr, hdf5]}
output: {formats: [npz, png], image: {colormap: viridis, width: 4000, height: 4000, dbRange: {min: -120, max: -40}}}
resources: {memory: 64Mi, cpu: 50m}
resources: {memory: 67108864, cpu: 1}
resources: {memory: 1.5Gi, cpu: '2'}
resources: {memory: 2e9}
resources: {memory: auto}
timeLimits: {softSeconds: 599, hardSeconds: 600}
timeLimits: {hardSeconds: 31536000}
chunking: {mode: always, thresholdMegabytes: 1}
queue: large_jobs
queueName: team-a.of-2026
{queueName: team-a, queue: large_jobs, priority: 0}
retry: {limit: 0, zombies: Retry}
{priority: 1000, suspend: true, cancelled: true}
ttlSecondsAfterFinished: 0
ttlSecondsAfterFinished: 2147483647
"""
REFUSED: dict[str, str] = {
    "input: null": "spec.input: Required value",
    "output: null": "spec.output: Required value",
    "input: {claimName: null}": ONE_SOURCE,
    "input: {store: archive}": ONE_SOURCE,
    "input: {url: 'https://a/b'}": ONE_SOURCE,
    "input: {claimName: null, path: null, store: archive, url: 'https://a/b'}": ONE_SOURCE,
    "input: {path: null}": PATH_NEEDED,
    "input: {claimName: null, path: null, store: archive}": PATH_NEEDED,
    "input: {claimName: null, url: 'https://a/b'}": PATH_AND_URL,
    "input: {claimName: null, store: Archive}": NAME,
    "input: {claimName: null, store: archive, path: ../fm.drf}": RELATIVE,
    "input: {claimName: null, store: archive, path: /fm.drf}": RELATIVE,
    "output: {claimName: null}": ONE_TARGET,
    "output: {store: results}": ONE_TARGET,
    "output: {claimName: null, store: a/b}": NAME,
    "output: {claimName: null, store: results, path: ..}": RELATIVE,
    "output: {claimName: null, url: 'https://a/b'}": 'unknown field "spec.output.url"',
    f"input: {{claimName: null, path: null, url: 'https://a/{'a' * 2048}'}}": "may not be more than 2048 bytes",
    **{
        f"input: {{claimName: null, path: null, url: '{url}'}}": ADDRESS
        for url in (
            "",
            "http://data.example.org/a.wav",
            "HTTPS://data.example.org/a.wav",
            "file:///etc/passwd",
            "s3://archive/a.wav",
            "data.example.org/a.wav",
            "https://data.example.org",
            "https://data.example.org/",
            "https://data.example.org/2026/",
            "https://data.example.org/2026/..",
            "https://data.example.org/a.wav#t=10",
            "https://data.example.org/a b.wav",
            "https://data.example.org/ä.wav",
            "https://dätä.example.org/a.wav",
            "https://me@data.example.org/a.wav",
            "https://me:secret@data.example.org/a.wav",
            "https://data.example.org.@evil.example/a.wav",
            "https://data.example.org\\\\@evil.example/a.wav",
            "https://data.example.org./a.wav",
            "https://data..example.org/a.wav",
            "https://-data.example.org/a.wav",
            "https://data_base.example.org/a.wav",
            "https://[fd00::1]/a.wav",
            "https://data.example.org:0/a.wav",
            "https://data.example.org:65536/a.wav",
            "https://data.example.org:/a.wav",
            "https:///a.wav",
            "https://data.example.org?/a.wav",
        )
    },
    "frequencyRange: {lower: 1}": "spec.frequencyRange.upper: Required value",
    "output: {image: {dbRange: {min: 0}}}": "spec.output.image.dbRange.max: Required value",
    "input: {claimName: Recordings}": NAME,
    "output: {claimName: a/b}": NAME,
    "input: {path: ../fm.drf}": RELATIVE,
    "input: {path: a/../../b}": RELATIVE,
    "input: {path: /etc/passwd}": RELATIVE,
    "input: {path: ''}": "should be at least 1 chars long",
    f"input: {{path: {'a' * 513}}}": "may not be more than 512 bytes",
    "output: {path: /srv}": RELATIVE,
    "output: {path: a/..}": RELATIVE,
    "output: {path: ./.}": BELOW,
    "input: {format: wav}": 'supported values: "Auto", "DigitalRF", "SigMF"',
    "input: {audio: {centerFrequency: 1.0e+8}}": AUDIO_CENTER,
    "input: {audio: {iq: false, centerFrequency: 1.0e+8}}": AUDIO_CENTER,
    "input: {channel: '0', audio: {iq: true}}": AUDIO_CHANNEL,
    "input: {channel: '0', iqChannels: [0, 1]}": IQ_CHANNELS,
    "input: {iqChannels: [1, 1]}": TWICE,
    "input: {iqChannels: [0]}": "should have at least 2 items",
    "input: {iqChannels: [0, 1, 2]}": "must have at most 2 items",
    "input: {raw: {channels: 0}}": "greater than or equal to 1",
    "input: {channel: ../x}": CHANNEL,
    "input: {channel: 0}": "must be of type string",
    "input: {subchannel: -1}": "greater than or equal to 0",
    "input: {capture: 1000001}": "less than or equal to 1000000",
    "input: {size: 12 GB}": QUANTITY,
    "input: {size: -5}": QUANTITY,
    "input: {size: true}": "must be of type integer,string",
    "input: {raw: {datatype: complex64}}": DATATYPE,
    "input: {raw: {datatype: cf32}}": DATATYPE,
    "input: {raw: {sampleRate: 0}}": SLOW,
    "input: {raw: {sampleRate: 2.4M}}": "must be of type number",
    "input: {range: {start: 10 s}}": DURATION,
    "input: {range: {duration: '10'}}": DURATION,
    "input: {range: {duration: 0.0s}}": NO_DURATION,
    "input: {range: {start: 1s, samples: 5}}": UNITS,
    "input: {range: {start: 1s, startTime: '2026-11-01T12:00:00Z'}}": UNITS,
    "input: {range: {startSample: 1, duration: 1s}}": UNITS,
    "input: {range: {startTime: yesterday}}": "must be of type date-time",
    "input: {range: {samples: 0}}": "greater than or equal to 1",
    "transform: {fftSize: 4}": "greater than or equal to 8",
    "transform: {fftSize: 1048577}": "less than or equal to 1048576",
    "transform: {fftSize: 1024.5}": "must be of type integer",
    "transform: {fftSize: '1024'}": "must be of type integer",
    "transform: {hopSize: 0}": "greater than or equal to 1",
    "transform: {window: {name: hanning}}": 'supported values: "gaussian", "hann"',
    "transform: {window: {length: 1025}}": WINDOW,
    "transform: {window: {stdDev: 0}}": NARROW,
    "transform: {window: {stdDev: 0.05}}": NARROW,
    "transform: {window: {alpha: 1.5}}": "less than or equal to 1",
    "transform: {scaling: psd}": 'supported values: "density", "spectrum"',
    "transform: {detrend: linear}": 'supported values: "none", "constant"',
    "transform: {precision: float64}": 'supported values: "single", "double"',
    "transform: {calibrationOffsetDb: 1001}": "less than or equal to 1000",
    "transform: {calibration: {offsetDb: 1001, unit: dBm}}": "less than or equal to 1000",
    "transform: {calibration: {offsetDb: 1, unit: dBm/Hz}}": UNIT,
    "transform: {calibration: {offsetDb: 1, unit: mW}}": UNIT,
    "transform: {calibration: {offsetDb: 1, unit: dBm}, calibrationOffsetDb: 0}": CALIBRATION,
    "reduce: {time: [none, max]}": NONE_BESIDE,
    "reduce: {time: [max, max]}": TWICE,
    "reduce: {time: []}": "should have at least 1 items",
    "reduce: {time: [median]}": 'supported values: "max", "mean", "min", "none"',
    "reduce: {columns: 65537}": "less than or equal to 65536",
    "frequencyRange: {lower: 2, upper: 1}": BAND,
    "output: {formats: [png, png]}": TWICE,
    "output: {formats: [jpeg]}": 'supported values: "png", "npz", "zarr", "hdf5"',
    "output: {image: {width: 16000, height: 16000}}": PIXELS,
    "output: {image: {cells: median}}": 'supported values: "auto", "max", "mean"',
    "output: {image: {width: 63}}": "greater than or equal to 64",
    "output: {image: {colormap: hot cold}}": COLORMAP,
    "output: {image: {dbRange: {min: 0, max: -10}}}": DECIBELS,
    "resources: {memory: 63Mi}": MEMORY,
    "resources: {memory: 1024}": MEMORY,
    "resources: {memory: 1GB}": REQUEST,
    "resources: {memory: -1Gi}": REQUEST,
    "resources: {memory: Auto}": REQUEST,
    "resources: {cpu: auto}": QUANTITY,
    "resources: {cpu: 49m}": CPU,
    "resources: {cpu: 0}": CPU,
    "timeLimits: {softSeconds: 900, hardSeconds: 900}": SOFT,
    "timeLimits: {softSeconds: 0}": "greater than or equal to 1",
    "chunking: {mode: 'on'}": 'supported values: "auto", "always", "never"',
    "chunking: {thresholdMegabytes: 0}": "greater than or equal to 1",
    "queue: large": 'supported values: "auto", "default", "large_jobs"',
    "priority: 1001": "less than or equal to 1000",
    "priority: -1": "greater than or equal to 0",
    "queueName: Team": QUEUE_NAME,
    "queueName: a/b": QUEUE_NAME,
    f"queueName: {'q' * 64}": "may not be more than 63",
    "{queueName: team-a, priority: 1}": ONE_ORDER,
    "ttlSecondsAfterFinished: -1": "greater than or equal to 0",
    "ttlSecondsAfterFinished: 2147483648": "less than or equal to 2147483647",
    "ttlSecondsAfterFinished: 1h": "must be of type integer",
    "retry: {limit: 11}": "less than or equal to 10",
    "retry: {zombies: retry}": 'supported values: "Fail", "Retry"',
    "suspend: 'yes'": "must be of type boolean",
    "transfrom: {fftSize: 512}": 'strict decoding error: unknown field "spec.transfrom"',
    "output: {image: {colourmap: magma}}": 'unknown field "spec.output.image.colourmap"',
    "image: docker.io/somebody/else": 'unknown field "spec.image"',
    "input: {secretName: s3}": 'unknown field "spec.input.secretName"',
}
# What the API server names with each rule of ours: the field that is to be changed, or what several of them are in.
NAMED: dict[str, set[str]] = {
    QUEUE_NAME: {"queueName"},
    ONE_ORDER: {"priority"},
    ONE_SOURCE: {"input"},
    ONE_TARGET: {"output"},
    PATH_NEEDED: {"input.path"},
    PATH_AND_URL: {"input.path"},
    NAME: {"input.claimName", "input.store", "output.claimName", "output.store"},
    ADDRESS: {"input.url"},
    RELATIVE: {"input.path", "output.path"},
    BELOW: {"output.path"},
    QUANTITY: {"input.size", "resources.cpu"},
    REQUEST: {"resources.memory"},
    CHANNEL: {"input.channel"},
    IQ_CHANNELS: {"input.channel"},
    AUDIO_CHANNEL: {"input.channel"},
    AUDIO_CENTER: {"input.audio.centerFrequency"},
    DATATYPE: {"input.raw.datatype"},
    SLOW: {"input.raw.sampleRate"},
    DURATION: {"input.range.start", "input.range.duration"},
    NO_DURATION: {"input.range.duration"},
    UNITS: {"input.range"},
    TWICE: {"input.iqChannels", "reduce.time", "output.formats"},
    WINDOW: {"transform.window.length"},
    NARROW: {"transform.window.stdDev"},
    UNIT: {"transform.calibration.unit"},
    CALIBRATION: {"transform.calibrationOffsetDb"},
    NONE_BESIDE: {"reduce.time"},
    BAND: {"frequencyRange.upper"},
    PIXELS: {"output.image"},
    COLORMAP: {"output.image.colormap"},
    DECIBELS: {"output.image.dbRange.max"},
    MEMORY: {"resources.memory"},
    CPU: {"resources.cpu"},
    SOFT: {"timeLimits.softSeconds"},
}


@pytest.fixture
def api(control_plane: ApiServer, namespace: Client) -> Iterator[Api]:
    api = Api(control_plane, namespace.namespace)
    yield api
    api.close()


def document(snippet: str) -> Body:
    """The six-line job with this snippet merged into its spec; null removes a field."""
    body: Body = yaml.safe_load(SIX_LINES)
    merge(body["spec"], yaml.safe_load(snippet))
    return body


def merge(target: Body, changes: Body) -> None:
    for name, value in changes.items():
        if value is None:
            del target[name]
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def test_a_number_may_be_written_as_in_2_4e6(namespace: Client) -> None:
    text = SIX_LINES.replace("fm.drf}", "fm.raw, raw: {datatype: cf32_le, sampleRate: 2.4e6, centerFrequency: 100e6}}")
    stored = namespace.kubectl_json("create", "--filename=-", input=text)
    raw = stored["spec"]["input"]["raw"]
    assert (raw["sampleRate"], raw["centerFrequency"]) == (2.4e6, 1e8)


def complaint_of_the_server(api: Api, body: Body) -> str:
    """What it says of a document that kubectl would send, or an empty string."""
    path = f"/apis/spectrogram.dev/v1beta1/namespaces/{api.namespace}/spectrogramjobs"
    try:
        api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body)
    except ApiError as error:
        return error.message
    return ""


def complaint_of_python(body: Body) -> str:
    metadata = {"name": "x", "namespace": "x", "uid": "x", "creationTimestamp": datetime.now(UTC).isoformat()}
    job = read_job({**body, "metadata": metadata})
    return job.why if isinstance(job, InvalidJob) else ""


def test_accepted(api: Api) -> None:
    for snippet in ACCEPTED.strip().splitlines():
        body = document(snippet)
        assert (complaint_of_the_server(api, body), complaint_of_python(body)) == ("", ""), snippet


def named(field: str, words: str) -> str:
    """A regular expression: this field, and its words. Some versions write its type or value between them."""
    return rf"{field}: Invalid value: (?:(?:(?!Invalid value).)*: )?{re.escape(words)}"


def test_refused_with_words_that_say_what_to_write(api: Api) -> None:
    """Python refuses the same documents; where a rule is ours, in the same words. The API server names the field."""
    rules = set(rule_messages(CRD_SPEC))
    fields_of: dict[str, set[str]] = {}
    for snippet, words in REFUSED.items():
        body = document(snippet)
        complaint = complaint_of_the_server(api, body)
        assert words in complaint, snippet
        assert complaint_of_python(body), snippet
        if words in rules:
            assert words in complaint_of_python(body), snippet
            fields = re.findall(named(r"spec\.(\S+)", words), complaint)
            assert len(fields) == 1, complaint
            fields_of.setdefault(words, set()).update(fields)
    assert fields_of == NAMED


def test_every_rule_is_in_the_table() -> None:
    """A rule that nothing breaks here is a rule that nobody has seen work."""
    assert set(rule_messages(CRD_SPEC)) - set(REFUSED.values()) == {IMMUTABLE, ONE_WAY}


def test_six_lines_make_a_job_and_the_rest_is_filled_in(api: Api) -> None:
    stored = api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    assert stored["spec"] == {
        "input": {"claimName": "recordings", "path": "2026-11/fm.drf", "format": "Auto"},
        "output": {
            "claimName": "results",
            "formats": ["png", "npz"],
            "image": {"colormap": "magma", "width": 1600, "height": 900, "cells": "auto"},
        },
        "transform": {
            "fftSize": 1024,
            "hopSize": 500,
            "window": {"name": "gaussian", "stdDev": 100, "beta": 8.6, "alpha": 0.5},
            "scaling": "density",
            "detrend": "none",
            "precision": "single",
        },
        "reduce": {"time": ["max", "mean"], "columns": 4096},
        "chunking": {"mode": "auto", "thresholdMegabytes": 500},
        "queue": "auto",
        "priority": 0,
        "retry": {"limit": 2, "zombies": "Fail"},
        "suspend": False,
        "cancelled": False,
    }
    assert "status" not in stored


def test_what_is_filled_in_is_what_python_fills_in(api: Api) -> None:
    body = yaml.safe_load(SIX_LINES)
    stored = api.create("spectrogramjobs", body)
    as_stored, as_written = read_job(stored), read_job({**stored, "spec": body["spec"]})
    assert isinstance(as_stored, ValidJob)
    assert isinstance(as_written, ValidJob)
    assert as_stored.spec == as_written.spec


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


def test_the_table_that_people_see(api: Api, namespace: Client) -> None:
    api.create("spectrogramjobs", yaml.safe_load(SIX_LINES))
    status = {
        "phase": "Running",
        "reason": "PodRunning",
        "message": "43 % done, about 2 min left",
        "queue": "large_jobs",
        "attemptText": "2/3",
        "podName": "fm-band-a2",
        "nodeName": "node-7",
        "progress": {"percent": 43, "text": "43%"},
        "memory": {"peakBytes": 432013312, "peakText": "412Mi", "text": "412Mi/1Gi"},
    }
    api.patch("spectrogramjobs", "fm-band", {"status": status}, subresource="status")

    narrow = [line.split() for line in namespace.kubectl("get", "sgj").splitlines()]
    assert narrow[0] == ["NAME", "PHASE", "REASON", "QUEUE", "PROGRESS", "ATTEMPT", "MEMORY", "AGE"]
    assert narrow[1][:7] == ["fm-band", "Running", "PodRunning", "large_jobs", "43%", "2/3", "412Mi/1Gi"]
    wide = namespace.kubectl("get", "spectrogramjobs", "--output=wide").splitlines()
    assert wide[0].split() == [*narrow[0], "POD", "NODE", "PEAK", "STARTED", "FINISHED", "MESSAGE"]
    assert wide[1].split()[8:11] == ["fm-band-a2", "node-7", "412Mi"]
    assert wide[1].endswith("43 % done, about 2 min left")
    assert "fm-band" in namespace.kubectl("get", "batch")


def test_jobs_can_be_selected_by_phase_and_queue(api: Api, namespace: Client) -> None:
    for name, phase, queue in (("a", "Failed", "default"), ("b", "Running", "default"), ("c", "Failed", "large_jobs")):
        body = yaml.safe_load(SIX_LINES)
        body["metadata"]["name"] = name
        api.create("spectrogramjobs", body)
        api.patch("spectrogramjobs", name, {"status": {"phase": phase, "queue": queue}}, subresource="status")

    def found(selector: str) -> list[str]:
        return [one["metadata"]["name"] for one in api.list("spectrogramjobs", fieldSelector=selector)]

    assert found("status.phase=Failed") == ["a", "c"]
    assert found("status.phase=Failed,status.queue=large_jobs") == ["c"]
    names = namespace.kubectl("get", "sgj", "--field-selector=status.phase=Running", "--output=name")
    assert names.split() == ["spectrogramjob.spectrogram.dev/b"]


def test_kubectl_apply_refuses_a_misspelt_field(namespace: Client) -> None:
    text = SIX_LINES.replace("output:", "transfrom: {fftSize: 512}\n  output:")
    with pytest.raises(CommandError, match=r'strict decoding error: unknown field "spec\.transfrom"'):
        namespace.kubectl("apply", "--filename=-", input=text)


def test_kubectl_explain_describes_every_field(namespace: Client) -> None:
    for part in ("spec", "status"):
        told = namespace.kubectl("explain", f"sgj.{part}", "--recursive")
        for name in top_level_names(CRD_SCHEMA["properties"][part]):
            assert f"\n  {name}\t" in told, name
    told = namespace.kubectl("explain", "sgj.spec.transform.fftSize")
    assert "Bins of each transform, 8 to 1048576" in told
    assert "Default: 1024" in told
    assert undescribed(CRD_SCHEMA["properties"]["spec"], "spec") == []
    assert undescribed(CRD_SCHEMA["properties"]["status"], "status") == []


def test_nothing_in_a_job_belongs_to_the_platform_team() -> None:
    """Rule 30: no image, account, secret, endpoint, volume source or node in the custom resource."""
    taboo = {"image", "serviceAccountName", "secretName", "secret", "endpoint", "volume", "nodeName", "nodeSelector"}
    taboo |= {"command", "args", "env", "template", "podTemplate", "tolerations", "annotations"}
    allowed = {"spec.output.image"}  # the picture
    assert {path for path, name in paths(CRD_SPEC, "spec") if name in taboo} == allowed


def undescribed(node: Body, path: str) -> list[str]:
    found = [] if node.get("description", "").endswith(".") else [path]
    for name, child in node.get("properties", {}).items():
        found += undescribed(child, f"{path}.{name}")
    if "properties" in node.get("items", {}):
        found += undescribed(node["items"], f"{path}[]")
    return found


def paths(node: Body, path: str) -> Iterator[tuple[str, str]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", name
        yield from paths(child, f"{path}.{name}")


def top_level_names(node: Body) -> list[str]:
    return list(node["properties"])


def rule_messages(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        for child in node.values():
            yield from rule_messages(child)
    elif isinstance(node, list):
        for child in node:
            yield from rule_messages(child)
